"""ONNX Runtime and LiteRT answer as the live model does, for what they can hold."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnlayers
from rnnlayers.decoding import BeamSearch, Greedy, Sampling, decode
from rnnlayers.engines.target import Target
from rnnlayers.export import endpoints
from rnnlayers.export.graphs import trace
from tests.cases import CORE, MASKS, each_core, in_turn, randomize, sample, some

onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
pytest.importorskip("tf2onnx", reason="the extra `onnx` is not installed")
interpreter = pytest.importorskip(
    "ai_edge_litert.interpreter", reason="the extra `litert` is not installed"
)
IDS = {"ids": tf.TensorSpec([None, None], tf.int32)}


def load_onnx(path):
    """Return a function of inputs by name that runs a file."""
    session = onnxruntime.InferenceSession(path)
    names = [output.name for output in session.get_outputs()]
    return lambda **inputs: dict(zip(names, session.run(names, inputs), strict=True))


def run_onnx(path, **inputs):
    return load_onnx(path)(**inputs)


def run_litert(path, endpoint="serving_default", **inputs):
    return interpreter.Interpreter(str(path)).get_signature_runner(endpoint)(**inputs)


@pytest.fixture(params=["onnx", "litert"])
def runtime(request, tmp_path):
    """Export a function, and return one that runs the file, an example at a time."""

    def export(model, function, signature, probes=None, **options):
        if request.param == "onnx":
            path = tmp_path / "model.onnx"
            rnnlayers.export_onnx(model, path, (function, signature), probes, **options)
            return load_onnx(path)
        path, probes = tmp_path / "model.tflite", None if probes is None else {"f": probes}
        rnnlayers.export_litert(model, path, {"f": (function, signature)}, probes, **options)
        return lambda **inputs: run_litert(path, "f", **inputs)

    export.name = request.param
    return export


class Layers(tf.Module):
    """Layers over one sequence, beside each other."""

    def __init__(self, layers):
        self.layers = [randomize(layer) for layer in layers]

    def __call__(self, x, present):
        return {f"y{i}": layer(x, mask=present) for i, layer in enumerate(self.layers)}


def assert_runtime_agrees(runtime, layers, masks):
    """Compare layers in one exported file with the live ones, at a length they have never seen."""
    layers = Layers(layers)
    steps = tf.TensorSpec([None, None, 3], tf.float32), tf.TensorSpec([None, None], tf.bool)
    run = runtime(layers, layers, dict(zip(("x", "present"), steps, strict=True)))
    for mask in masks:
        present = np.ones((6, 6), bool) if mask is None else mask
        expected = layers(sample(), present)
        for row in range(6):
            one = slice(row, row + 1)
            found = run(x=sample()[one], present=present[one])
            for name, outputs in expected.items():
                np.testing.assert_allclose(found[name], outputs[one], atol=1e-6)


@pytest.mark.slow
def test_every_cell_with_masks_at_a_length_never_seen(runtime):
    # A layer that was told its engine goes stepwise too, where nothing can be compiled.
    backwards = {"go_backwards": True, "engine": "compiled"}
    pairs = in_turn(CORE, [{"return_sequences": True}, backwards])
    layers = [case.make_layer(**options) for case, options in pairs]
    assert_runtime_agrees(runtime, layers, [MASKS["every pattern"]])


@pytest.mark.slow
@each_core
@pytest.mark.parametrize("return_sequences", [False, True])
def test_every_cell_with_every_mask_in_both_directions(case, return_sequences, runtime):
    layer = rnnlayers.Bidirectional(case.make_layer(return_sequences=return_sequences))
    assert_runtime_agrees(runtime, [layer], MASKS.values())


def test_onnx_takes_any_batch(tmp_path):
    layer = randomize(rnnlayers.LSTM(4, return_sequences=True, go_backwards=True))
    signature = {"x": tf.TensorSpec([None, None, 3], tf.float32)}
    path = rnnlayers.export_onnx(layer, tmp_path / "new" / "lstm.onnx", (layer, signature))
    for batch, timesteps in ((1, 1), (5, 9)):
        x = sample(batch, timesteps)
        np.testing.assert_allclose(run_onnx(path, x=x)["outputs"], layer(x), atol=1e-6)


def test_litert_takes_no_step_too(tmp_path):
    layer = randomize(rnnlayers.GRU(4, return_sequences=True))
    signature = {"x": tf.TensorSpec([None, None, 3], tf.float32)}
    endpoints = {"f": (layer, signature)}
    path = rnnlayers.export_litert(layer, tmp_path / "gru.tflite", endpoints)
    assert run_litert(path, "f", x=sample(1, 0))["outputs"].shape == (1, 0, 4)


def make_translator(attend=True):
    cell = rnnlayers.AttentionCell(rnnlayers.GRUCell(6), "additive")
    decoder = (
        rnnlayers.AttentiveDecoder(cell) if attend else rnnlayers.GRU(6, return_sequences=True)
    )
    ids = keras.Input((None,), dtype="int32")
    vectors = keras.layers.Embedding(13, 4, mask_zero=True)(ids)
    states = rnnlayers.Bidirectional(rnnlayers.GRU(3, return_sequences=True))(vectors)
    model = rnnlayers.EncoderDecoder(
        encoder=keras.Model(ids, states),
        embedding=keras.layers.Embedding(11, 5),
        decoder=decoder,
        head=keras.layers.Dense(11),
        start_token_id=1,
        stop_token_id=2,
    )
    model.build(((None, None), (None, None)))
    rng = np.random.default_rng(0)
    for weight in model.trainable_variables:  # larger than usual, so that tokens differ
        weight.assign(rng.normal(0, 0.8, weight.shape))
    return model


BEAMS = BeamSearch(3, length_penalty=1.0, num_return=2)


@pytest.mark.parametrize(
    ("attend", "sampler"),
    [
        pytest.param(True, BEAMS, marks=pytest.mark.slow),
        (True, Greedy()),
        pytest.param(False, BEAMS, marks=pytest.mark.slow),
        pytest.param(False, Greedy(), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_the_whole_of_decoding_goes_into_one_onnx_graph(attend, sampler, tmp_path):
    model = make_translator(attend)

    def generate(ids):
        found = model.generate(ids, sampler, max_length=9)
        return {"tokens": found.tokens, "lengths": found.lengths, "scores": found.scores}

    path = rnnlayers.export_onnx(model, tmp_path / "m.onnx", (generate, IDS), tolerance=1e-4)
    sources = np.random.default_rng(3).integers(1, 13, (7, 6)).astype("int32")
    sources[:3, 4:] = 0
    found, expected = run_onnx(path, ids=sources), generate(sources)
    assert len(np.unique(found["lengths"])) > 1
    for name, tensor in expected.items():
        np.testing.assert_allclose(found[name], tensor, rtol=1e-4)


def test_steps_for_a_loop_of_ones_own(runtime):
    steps = rnnlayers.StepEndpoints(make_translator())
    encoded = steps.encode(tf.constant([[3, 4, 5, 0]]))
    signature = steps.signature(tf.TensorSpec([None, None], tf.int32))
    inputs = {"token": tf.constant([1]), **encoded}
    run = runtime(steps, steps.decode_step, signature, inputs)
    expected = steps.decode_step(**inputs)
    found = run(**{name: value.numpy() for name, value in inputs.items()})
    assert found.keys() == {f"next_{name}" if name in inputs else name for name in expected}
    for name, tensor in expected.items():
        renamed = f"next_{name}" if name in inputs else name
        np.testing.assert_allclose(found[renamed], tensor, atol=1e-6)


def test_a_name_that_is_taken_is_refused(runtime):
    def step(x, h):
        return {"h": x + h, "next_h": x}

    spec = tf.TensorSpec([None, 2], tf.float32)
    with pytest.raises(ValueError, match=r"`next_`.*taken.*'next_h'"):
        runtime(tf.Module(), step, {"x": spec, "h": spec})


@pytest.mark.parametrize("first", some(["call", "export"]))
def test_a_function_that_was_traced_already(first, runtime):
    layer = randomize(rnnlayers.LSTM(4, return_sequences=True))
    spec = tf.TensorSpec([None, None, 3], tf.float32)
    function = tf.function(layer, input_signature=[spec])
    if first == "call":
        function(sample())
    run = runtime(layer, function, {"x": spec})
    np.testing.assert_allclose(run(x=sample(1, 7))["outputs"], layer(sample(1, 7)), atol=1e-6)
    assert function(sample(2, 0)).shape == (2, 0, 4)


def test_a_number_alone_is_an_input_too(runtime):
    signature = {"x": tf.TensorSpec([None, 2], tf.float32), "by": tf.TensorSpec([], tf.float32)}
    run = runtime(tf.Module(), lambda x, by: x * by, signature)
    found = run(x=np.ones((1, 2), "float32"), by=np.array(3, "float32"))
    np.testing.assert_allclose(found["outputs"], [[3, 3]])


def test_names_keep_their_capitals(runtime):
    signature = {"Speed": tf.TensorSpec([None, 2], tf.float32), "x": tf.TensorSpec([None, 2])}
    run = runtime(tf.Module(), lambda Speed, x: {"Sum": Speed + x}, signature)
    found = run(Speed=np.ones((1, 2), "float32"), x=np.ones((1, 2), "float32"))
    np.testing.assert_array_equal(found["Sum"], [[2, 2]])


def test_probes_for_one_by_one_must_be_of_one_size(tmp_path):
    spec = tf.TensorSpec([None, 2], tf.float32)
    endpoints = {"f": (lambda x, y: x + y, {"x": spec, "y": spec})}
    for rows in (2, 3), (0, 0):
        probes = {"f": dict(zip("xy", map(np.ones, ((n, 2) for n in rows)), strict=True))}
        with pytest.raises(ValueError, match=r"probes\['f'\].*equal and not 0.*'x': \d"):
            rnnlayers.export_litert(tf.Module(), tmp_path / "a.tflite", endpoints, probes)


def test_half_precision_is_chosen_from_in_onnx_and_refused_by_litert(tmp_path):
    def guarded(x):
        return tf.where(x > 0, tf.math.log(x), tf.zeros([], "float16"))

    signature = {"x": tf.TensorSpec([None, 2], tf.float16)}
    path = rnnlayers.export_onnx(tf.Module(), tmp_path / "half.onnx", (guarded, signature))
    found = run_onnx(path, x=np.array([[1, -1]], "float16"))["outputs"]
    np.testing.assert_array_equal(found, np.zeros((1, 2), "float16"))
    layer = randomize(rnnlayers.LSTM(4, dtype="float16"))
    endpoints = {"f": (layer, {"x": tf.TensorSpec([None, None, 3], tf.float16)})}
    with pytest.raises(rnnlayers.UnsupportedOperatorError, match=r"float32.*have float16"):
        rnnlayers.export_litert(layer, tmp_path / "half.tflite", endpoints)
    assert not (tmp_path / "half.tflite").exists()


def test_tensors_from_outside_are_constants(runtime):
    mean, scale = tf.random.normal((1, 200)), tf.Variable(tf.ones(200))

    def scaled(x):
        return (x - mean) * scale

    x = np.ones((1, 200), "float32")
    run = runtime(tf.Module(), scaled, {"x": tf.TensorSpec([None, 200], tf.float32)})
    np.testing.assert_allclose(run(x=x)["outputs"], x - mean, atol=1e-6)


def test_what_is_not_chosen_may_be_no_number(runtime):
    def guarded(x):
        return tf.where(x > 0, tf.math.log(x), 0.0)

    run = runtime(tf.Module(), guarded, {"x": tf.TensorSpec([None, 3], tf.float32)})
    found = run(x=np.array([[np.e, 0.0, -1.0]], "float32"))["outputs"]
    np.testing.assert_allclose(found, [[1, 0, 0]], atol=1e-6)


def test_weights_may_be_kept_smaller(tmp_path):
    model = keras.Sequential([keras.Input((None, 3)), rnnlayers.LSTM(64), keras.layers.Dense(1)])
    sizes = {}
    for weights in ("float32", "float16", "int8"):
        path = tmp_path / f"{weights}.tflite"
        rnnlayers.export_litert(model, path, weights=weights, tolerance=0.1)
        sizes[weights] = path.stat().st_size
    assert sizes["float32"] > 1.6 * sizes["float16"] > 1.3 * sizes["int8"]


def test_text_is_refused_and_what_was_there_stays(runtime, tmp_path):
    vectorize = keras.layers.TextVectorization()
    vectorize.adapt(["a good film"])
    files = [tmp_path / "model.onnx", tmp_path / "model.tflite"]
    for file in files:
        file.write_text("an older export")
    with pytest.raises(rnnlayers.UnsupportedOperatorError, match=r"has no .*(String|table)"):
        runtime(vectorize, vectorize, {"x": tf.TensorSpec([None], tf.string)})
    assert [file.read_text() for file in files] == ["an older export"] * 2
    assert sorted(tmp_path.iterdir()) == files


def test_an_answer_that_differs_is_withdrawn(runtime, tmp_path):
    calls = []

    def counts(x):
        calls.append(1)
        return x + len(calls)

    with pytest.raises(RuntimeError, match=r"withdrawn.*'outputs'.*(ONNX Runtime|LiteRT)"):
        runtime(tf.Module(), counts, {"x": tf.TensorSpec([None, 2], tf.float32)})
    assert not list(tmp_path.iterdir())


def test_what_the_runtime_has_not_for_a_dtype_is_told(tmp_path):
    signature = {"x": tf.TensorSpec([None, 2], tf.float64)}
    with pytest.raises((RuntimeError, ValueError), match="ONNX Runtime cannot"):
        rnnlayers.export_onnx(tf.Module(), tmp_path / "erf.onnx", (tf.math.erf, signature))
    assert not list(tmp_path.iterdir())


def test_a_draw_of_chance_is_the_seed_s(tmp_path):
    """Sampling needs random numbers that are TensorFlow's own."""

    def draw(start):
        logits = tf.eye(5) * 3
        step = lambda token, states: (tf.gather(logits, token), states)  # noqa: E731
        return decode(step, (), start, Sampling(seed=1), stop_token_id=0, max_length=4).tokens

    signature = {"start": tf.TensorSpec([None], tf.int32)}
    with pytest.raises(rnnlayers.UnsupportedOperatorError, match="Stateless"):
        rnnlayers.export_onnx(tf.Module(), tmp_path / "draw.onnx", (draw, signature))


@pytest.mark.parametrize("name", ["model", "model.pb", "folder.onnx"])
def test_a_file_of_another_kind_is_refused(name, tmp_path):
    (tmp_path / "folder.onnx").mkdir()
    layer = randomize(rnnlayers.GRU(2))
    with pytest.raises(ValueError, match=rf"file must .*\.onnx.*{name}"):
        rnnlayers.export_onnx(layer, tmp_path / name)
    with pytest.raises(ValueError, match=r"`weights` must be one of 'float32'.*'int4'"):
        rnnlayers.export_litert(layer, tmp_path / "a.tflite", weights="int4")


@pytest.mark.parametrize(
    ("missing", "export", "extra"),
    [
        ("tf2onnx", rnnlayers.export_onnx, "onnx"),
        ("ai_edge_litert.interpreter", rnnlayers.export_litert, "litert"),
    ],
)
def test_the_extra_that_is_missing_is_named(missing, export, extra, monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, missing, None)
    suffix = {"onnx": ".onnx", "litert": ".tflite"}[extra]
    with pytest.raises(ImportError, match=rf"rnnlayers\[{extra}\]"):
        export(randomize(rnnlayers.GRU(2)), tmp_path / f"a{suffix}")


def test_tracing_for_others_leaves_nothing_behind():
    layer = randomize(rnnlayers.GRU(4, return_sequences=True))
    signature = {"x": tf.TensorSpec([None, None, 3], tf.float32)}
    trace(layer, {"f": (layer, signature)}, None, 1e-5, Target.ELSEWHERE)
    assert layer(sample(2, 0)).shape == (2, 0, 4)


def test_examples_one_by_one():
    signature = {"x": tf.TensorSpec([None, 2]), "scale": tf.TensorSpec([])}
    (point,) = endpoints.make_endpoints(None, {"f": (lambda x, scale: x * scale, signature)})
    assert point.batch_of_one().signature["x"].shape == (1, 2)
    assert point.batch_of_one().signature["scale"].shape == ()
    probe = {"x": tf.constant([[1.0, 2.0], [3.0, 4.0]]), "scale": tf.constant(2.0)}
    cut = point.split([probe])
    assert [point(one)["outputs"].numpy().tolist() for one in cut] == [[[2, 4]], [[6, 8]]]
