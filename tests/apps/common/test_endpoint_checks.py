import numpy as np
import pytest
import tensorflow as tf

import rnnlayers
from apps.common.endpoint_checks import checked, checked_for_rows, every
from apps.serve.errors import ServingError, from_tensorflow
from apps.serve.servable import Servable

SIGNATURE = {
    "x": tf.TensorSpec([None, 2], tf.float32),
    "n": tf.TensorSpec([None], tf.int32),
    "scale": tf.TensorSpec([], tf.float32),
}


def scaled(x, n, scale):
    # An operation of its own that fails, which must not be what is reported.
    chosen = tf.gather([1.0, 2.0, 3.0], n)
    return {"y": scale * x * chosen[:, None]}


def requirements(inputs):
    yield every("n", inputs["n"], (inputs["n"] >= 0) & (inputs["n"] < 3), "a number from 0 to 2")
    yield every("scale", inputs["scale"], inputs["scale"] > 0, "above 0")


def endpoints():
    return checked_for_rows(
        {"serving_default": (checked(scaled, SIGNATURE, requirements), SIGNATURE)}
    )


@pytest.fixture(scope="module")
def ways(tmp_path_factory):
    """The endpoint as it is called, and as it is exported and served."""
    function, _ = endpoints()["serving_default"]
    traced = tf.function(function, autograph=False).get_concrete_function(**SIGNATURE)
    folder = tmp_path_factory.mktemp("model") / "1"
    tf.saved_model.save(tf.Module(), str(folder), signatures={"serving_default": traced})
    servable = Servable(folder)

    def called(inputs):
        try:
            return function(**{name: tf.constant(value) for name, value in inputs.items()})
        except tf.errors.OpError as error:
            raise from_tensorflow(error) from error

    return called, lambda inputs: servable.predict("serving_default", inputs)


GOOD = {
    "x": np.ones((2, 2), "float32"),
    "n": np.array([0, 2], "int32"),
    "scale": np.float32(2),
}


def test_right_inputs_are_answered_as_without_the_checks(ways):
    for ask in ways:
        np.testing.assert_array_equal(ask(GOOD)["y"], [[2, 2], [6, 6]])


def test_no_row_is_answered_with_none(ways):
    for ask in ways:
        assert ask({**GOOD, "x": GOOD["x"][:0], "n": GOOD["n"][:0]})["y"].shape == (0, 2)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"n": np.array([0], "int32")}, "x and n must have as many rows; received 2 and 1"),
        ({"x": np.array([[1, np.nan]] * 2, "float32")}, "x must be finite; received nan"),
        ({"scale": np.float32("-inf")}, "scale must be finite; received -inf"),
        ({"n": np.array([1, 3], "int32")}, "n must be a number from 0 to 2; received 3"),
        ({"n": np.array([-5, 3], "int32")}, "n must be a number from 0 to 2; received -5"),
        ({"scale": np.float32(0)}, "scale must be above 0; received 0"),
        ({"scale": np.float32(-0.25)}, "scale must be above 0; received -0.25"),
    ],
)
def test_each_requirement_has_its_sentence_and_nothing_else(ways, wrong, words):
    for ask in ways:
        with pytest.raises(ServingError) as refused:
            ask({**GOOD, **wrong})
        assert str(refused.value) == words
        assert refused.value.status == 400


def test_an_endpoint_of_one_input_takes_it_without_its_name():
    signature = {"text": tf.TensorSpec([None], tf.string)}
    ((function, found),) = checked_for_rows({"a": (tf.strings.length, signature)}).values()
    assert found is signature
    assert function(tf.constant(["ab"])).numpy().tolist() == [2]
    assert function(text=tf.constant(["ab"])).numpy().tolist() == [2]


def test_what_is_exported_verifies_itself(tmp_path, in_process):
    path = rnnlayers.export_model(
        tf.Module(), tmp_path / "model", endpoints(), {"serving_default": GOOD}
    )
    assert (path / "saved_model.pb").is_file()
