import pytest
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from apps.common.other_runtimes import check_installed
from apps.common.refusal import Refusal
from apps.common.signatures import read_signatures


def write(folder, tag):
    saved = SavedModel()
    graph = saved.meta_graphs.add()
    graph.meta_info_def.tags.append(tag)
    for name, rank_known in (("rows", True), ("anything", False), ("__internal", True)):
        definition = graph.signature_def[name]
        definition.method_name = "tensorflow/serving/predict"
        for tensors in (definition.inputs, definition.outputs):
            tensors["x"].dtype = 1  # float32
            shape = tensors["x"].tensor_shape
            shape.unknown_rank = not rank_known
            if rank_known:
                shape.dim.add().size = -1
                shape.dim.add().size = 3
    (folder / "saved_model.pb").write_bytes(saved.SerializeToString())


def test_signatures_are_read_without_loading_the_model(tmp_path):
    write(tmp_path, "serve")
    signatures = read_signatures(tmp_path)
    assert signatures.keys() == {"rows", "anything"}
    assert signatures["rows"].inputs["x"].shape == (None, 3)
    assert signatures["rows"].batchable
    assert signatures["anything"].outputs["x"].shape is None
    assert not signatures["anything"].batchable


def test_what_is_no_model_for_serving_is_refused(tmp_path):
    write(tmp_path, "train")
    with pytest.raises(Refusal, match=r"has no graph with the tag 'serve', .* export the m"):
        read_signatures(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"\xff")
    with pytest.raises(Refusal, match=r"saved_model\.pb is damaged .* export the model again"):
        read_signatures(tmp_path)


def test_a_runtime_that_is_not_installed_is_refused(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Refusal, match=r"also: litert needs ai_edge_litert, .* '\.\[litert\]'"):
        check_installed(["litert"])
