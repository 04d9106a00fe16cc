import keras
import numpy as np
import pytest
import tensorflow as tf

from rnnlayers.export.endpoints import make_endpoints, make_probes

TEXT = tf.TensorSpec([None], tf.string)
PAIR = {"x": tf.TensorSpec([None, 2]), "factor": tf.TensorSpec([])}


def scale(x, factor):
    return x * factor


def one(function=scale, signature=PAIR):
    return make_endpoints(None, {"scale": (function, signature)})[0]


class TestDefaultEndpoint:
    def test_unnamed_inputs_get_the_same_name_in_every_process(self):
        for _ in range(2):  # the second model's Keras tensor has another number in its name
            model = keras.Sequential([keras.Input((None, 3)), keras.layers.GRU(2)])
            (endpoint,) = make_endpoints(model, None)
            assert endpoint.name == "serving_default"
            assert list(endpoint.signature) == ["inputs"]
            assert endpoint.signature["inputs"].shape.as_list() == [None, None, 3]

    def test_named_inputs_keep_their_names_and_their_order(self):
        z, a = keras.Input((1,), name="z"), keras.Input((1,), name="a")
        (endpoint,) = make_endpoints(keras.Model([z, a], [z - a, a]), None)
        assert list(endpoint.signature) == ["z", "a"]
        traced = endpoint.trace()(z=tf.constant([[5.0]]), a=tf.constant([[3.0]]))
        assert {name: float(value[0, 0]) for name, value in traced.items()} == {
            "outputs_0": 2.0,
            "outputs_1": 3.0,
        }

    def test_dict_inputs_and_outputs_keep_their_keys(self):
        pair = {name: keras.Input((1,), name=name, dtype="int32") for name in ("ids", "lengths")}
        model = keras.Model(pair, {"sum": pair["ids"] + pair["lengths"]})
        (endpoint,) = make_endpoints(model, None)
        assert {name: spec.dtype for name, spec in endpoint.signature.items()} == {
            "ids": tf.int32,
            "lengths": tf.int32,
        }
        assert list(endpoint.trace().structured_outputs) == ["sum"]

    def test_a_batch_size_from_building_is_not_kept(self):
        model = keras.Sequential([keras.layers.Dense(2)])
        model(np.zeros((7, 3)))
        assert make_endpoints(model, None)[0].signature["inputs"].shape.as_list() == [None, 3]

    @pytest.mark.parametrize("model", [keras.Sequential([keras.layers.GRU(2)]), tf.Module()])
    def test_unknown_inputs_are_refused(self, model):
        with pytest.raises(ValueError, match="Build it first, or pass endpoints="):
            make_endpoints(model, None)


@pytest.mark.parametrize(
    ("endpoints", "message"),
    [
        ({}, r"dict of name -> \(function, signature\), not empty"),
        ([scale], "not empty, or None"),
        ({"": (scale, PAIR)}, "not empty"),
        ({"__saved_model_init_op": (scale, PAIR)}, "reserved for TensorFlow"),
        ({"scale": scale}, r"must be \(function, signature\)"),
        ({"scale": (scale, [TEXT])}, "maps each input's name"),
        ({"scale": (scale, {})}, "maps each input's name"),
        ({"scale": (scale, {"lambda": TEXT})}, "Python identifier"),
        ({"scale": (scale, {"Text": TEXT, "text": TEXT})}, "differ in more than capitals"),
        ({"scale": (scale, {"x": tf.TensorSpec(None)})}, "known rank"),
        ({"scale": (scale, {"x": keras.InputSpec(ndim=2)})}, "known rank"),
        ({"scale": (scale, {"x": (None, 2)})}, r"tf\.TensorSpec or keras\.InputSpec"),
    ],
)
def test_bad_endpoints_are_refused(endpoints, message):
    with pytest.raises(ValueError, match=message):
        make_endpoints(None, endpoints)


@pytest.mark.parametrize(
    "outputs", [{"a": {"b": tf.zeros(1)}}, {3: tf.zeros(1)}, [None], tf.ragged.constant([[1]]), 1.0]
)
def test_outputs_that_a_signature_cannot_hold_are_refused(outputs):
    with pytest.raises(ValueError, match="flat dict"):
        one(lambda x: outputs, {"x": TEXT})({"x": tf.constant(["a"])})


def test_an_error_while_tracing_names_the_endpoint():
    endpoint = one(lambda x: x if tf.size(x) else None, {"x": TEXT})
    with pytest.raises(Exception, match="symbolic") as raised:
        endpoint.trace()
    assert any("'scale'" in note for note in raised.value.__notes__)


class TestProbes:
    def test_made_up_ones_have_two_sizes_in_every_dynamic_dimension(self):
        spec = {"x": tf.TensorSpec([None, None, 3]), "mask": tf.TensorSpec([None, None], tf.bool)}
        first, second = make_probes([one(signature=spec)], None)["scale"]
        for probe in (first, second):
            assert probe["x"].shape[:2] == probe["mask"].shape
            assert probe["x"].shape[0] != probe["x"].shape[1]  # a swap of the two would show
            assert probe["x"].shape[2] == 3
        assert first["x"].shape[0] != second["x"].shape[0]
        assert first["x"].shape[1] != second["x"].shape[1]

    def test_made_up_ones_are_the_same_each_time(self):
        first, again = (make_probes([one()], None)["scale"] for _ in range(2))
        np.testing.assert_array_equal(first[1]["x"], again[1]["x"])

    @pytest.mark.parametrize("dtype", ["bfloat16", "float64", "int8", "uint8", "bool", "string"])
    def test_made_up_ones_have_the_dtype(self, dtype):
        endpoint = one(signature={"x": tf.TensorSpec([None, 2], dtype)})
        assert make_probes([endpoint], None)["scale"][1]["x"].dtype == dtype

    def test_a_single_batch_size_is_doubled(self):
        probes = make_probes([one()], {"scale": {"x": [[1, 2]], "factor": 3}})["scale"]
        assert [probe["x"].shape.as_list() for probe in probes] == [[1, 2], [2, 2]]
        assert [float(probe["factor"]) for probe in probes] == [3, 3]

    def test_two_batch_sizes_are_left_alone(self):
        given = [{"x": np.zeros((n, 2)), "factor": 1} for n in (1, 4)]
        assert len(make_probes([one()], {"scale": given})["scale"]) == 2

    @pytest.mark.parametrize(
        ("probes", "message"),
        [
            ([1], "dict from endpoint names"),
            ({"other": {}}, r"The endpoints are \['scale'\]"),
            ({"scale": []}, "a list of such dicts"),
            ({"scale": "x"}, r"\[0\] must be a dict with exactly"),
            ({"scale": {"x": [[1, 2]]}}, r"exactly the inputs \['x', 'factor'\]"),
            ({"scale": {"x": [["a", "b"]], "factor": 1}}, "convertible to a float32 tensor"),
            ({"scale": {"x": [[1, 2, 3]], "factor": 1}}, r"must have the shape \(None, 2\)"),
        ],
    )
    def test_bad_ones_are_refused(self, probes, message):
        with pytest.raises(ValueError, match=message):
            make_probes([one()], probes)
