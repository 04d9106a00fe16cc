import numpy as np
import pytest
import tensorflow as tf

from apps.common.signatures import Spec
from apps.serve.errors import ServingError
from apps.serve.json_tensors import parse
from apps.serve.json_values import check_lengths, to_tensor

FLOATS = Spec(tf.float32, (None, 2))
TEXTS = Spec(tf.string, (None,))


def refusal(call, *arguments):
    with pytest.raises(ServingError) as refused:
        call(*arguments)
    assert refused.value.status == 400
    return str(refused.value)


@pytest.mark.parametrize(
    ("value", "spec", "words"),
    [
        ([[1, 2], [3]], FLOATS, "same length"),
        ([[1, 2, 3]], FLOATS, "expecting shape [?,2] but got: [1,3]"),
        ([["1", "2"]], FLOATS, "type: float32"),
        ([[True, False]], FLOATS, "type: float32"),
        ([[None, 1]], FLOATS, "type: float32"),
        ([[1, {}]], FLOATS, "type: float32"),
        ([[2**24 + 1, 0]], FLOATS, "convert 16777217 to float32 without loss of precision"),
        ([[2**24 + 1, 0.5]], FLOATS, "convert 16777217 to float32 without loss of precision"),
        ([[2**60 + 1, 0.5]], FLOATS, "without loss of precision"),
        ([[True, 0.5]], FLOATS, "true is not of expected type: float32"),
        ([[0.5, True]], FLOATS, "true is not of expected type: float32"),
        ([[70000, 0]], Spec(tf.float16, (None, 2)), "convert 70000 to float16 without loss"),
        ([[257, 0.5]], Spec(tf.bfloat16, (None, 2)), "convert 257 to bfloat16 without loss"),
        ([[1e39, 0]], FLOATS, "without loss of precision"),
        ([[10**400, 0]], FLOATS, "float32"),
        ([1.0], Spec(tf.int32, (None,)), "type: int32"),
        ([1, 2.0], Spec(tf.int32, (None,)), "2.0 is not of expected type: int32"),
        ([2, True], Spec(tf.int32, (None,)), "true is not of expected type: int32"),
        ([2**63, -1], Spec(tf.int64, (None,)), "convert 9223372036854775808 to int64 without"),
        ([2**31], Spec(tf.int32, (None,)), "without loss"),
        ([-1], Spec(tf.uint8, (None,)), "without loss"),
        ([1], Spec(tf.bool, (None,)), "type: bool"),
        ([1], TEXTS, "type: string"),
        ([["x"], "y"], Spec(tf.string, (None, None)), "same length"),
        (["x", ["y"]], TEXTS, "type: string"),
        *(([{"b64": text}], TEXTS, "base64") for text in ("?", "eQ=", "e", "eQ==x", "e-_=", "é")),
        ([{"b64": "eQ==", "more": 1}], TEXTS, "type: string"),
        (["\ud800"], TEXTS, "Unicode"),
        ([["x" * 90]], Spec(tf.int32, (None, 1)), f"{'x' * 39}... is not"),
    ],
)
def test_values_that_are_not_what_the_input_takes_are_refused(value, spec, words):
    message = refusal(to_tensor, value, spec, "reading")
    assert message.startswith("reading: ")
    assert words in message


def test_numbers_that_are_none_are_numbers():
    tensor = to_tensor(parse(b'{"x": [[NaN, -Infinity]]}')["x"], FLOATS, "x")
    np.testing.assert_array_equal(tensor, [[np.nan, -np.inf]])


def test_long_sequences_are_refused():
    assert "x may have at most 3 time steps" in refusal(check_lengths, {"x": np.zeros((1, 4))}, 3)
    check_lengths({"x": np.zeros((4, 3))}, 3)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16"])
def test_numbers_stay_what_they_are_or_are_refused_one_by_one(dtype):
    """Against each number by itself, in exact arithmetic."""
    spec, kind = Spec(tf.as_dtype(dtype), (None,)), tf.as_dtype(dtype).as_numpy_dtype
    rng = np.random.default_rng(0)
    for size in (8, 11, 24, 53, 60):
        for number in (2**size, 2**size + 1, int(rng.integers(2**size)), -(2**size) - 2):
            with np.errstate(over="ignore"):
                near = float(np.array(number, "float64").astype(kind))
            for values in ([number], [0.5, number], [number, 1]):
                if np.isfinite(near) and int(near) == number:
                    found = to_tensor(values, spec, "x").astype("float64")
                    assert int(found[values.index(number)]) == number
                else:
                    assert f"convert {number} to" in refusal(to_tensor, values, spec, "x")


def test_decimals_are_rounded_to_the_nearest_as_in_tensorflow_serving():
    assert to_tensor([0.1, 16777217.5], Spec(tf.float32, (None,)), "x").tolist() == [
        np.float32(0.1),
        np.float32(16777217.5),
    ]


@pytest.mark.parametrize(
    "text",
    ["aGVsbG8h\r\nISE=", " aGVsbG8hISE", "aGVsbG8hISE.", "aGVs bG8h\tISE=\n", "aGVsbG8hISE="],
)
def test_base64_has_white_space_anywhere_and_padding_or_none(text):
    assert to_tensor([{"b64": text}], TEXTS, "x").tolist() == [b"hello!!!"]


def test_lists_that_are_nested_deep_are_refused_before_they_are_a_tensor():
    value = 1
    for _ in range(1000):
        value = [value]
    assert "at most 32 deep" in refusal(to_tensor, value, Spec(tf.float32, None), "x")
