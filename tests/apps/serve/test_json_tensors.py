import json

import numpy as np
import pytest
import tensorflow as tf

from apps.common.signatures import Spec
from apps.serve.errors import ServingError
from apps.serve.examples import read_examples
from apps.serve.json_tensors import parse, read_inputs, write_outputs

FLOATS = Spec(tf.float32, (None, 2))
TEXTS = Spec(tf.string, (None,))


def refusal(call, *arguments):
    with pytest.raises(ServingError) as refused:
        call(*arguments)
    assert refused.value.status == 400
    return str(refused.value)


def test_rows_and_columns_say_the_same():
    specs = {"a": FLOATS, "b": TEXTS}
    rows = {"instances": [{"a": [1, 2.5], "b": "x"}, {"a": [3, 4], "b": {"b64": "eQA="}}]}
    columns = {"inputs": {"a": [[1, 2.5], [3, 4]], "b": ["x", {"b64": "eQA="}]}}
    for document, expected in ((rows, True), (columns, False)):
        tensors, by_row = read_inputs(document, specs, 10)
        assert by_row is expected
        assert tensors["a"].dtype == np.float32
        np.testing.assert_array_equal(tensors["a"], [[1, 2.5], [3, 4]])
        assert tensors["b"].tolist() == [b"x", b"y\0"]


@pytest.mark.parametrize(
    "document", [{"instances": ["x", "y"]}, {"inputs": ["x", "y"]}, {"inputs": {"b": ["x", "y"]}}]
)
def test_a_single_input_needs_no_name(document):
    tensors, _ = read_inputs(document, {"b": TEXTS}, 10)
    assert tensors["b"].tolist() == [b"x", b"y"]


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({}, "Missing 'inputs' or 'instances'"),
        ({"inputs": [], "instances": []}, "only one of"),
        ({"instances": {}}, "list/array"),
        ({"instances": []}, "No values"),
        ({"instances": [[1, 2]]}, "several inputs: a, b"),
        ({"inputs": [[1, 2]]}, "several inputs: a, b"),
        ({"instances": [{"a": [1, 2], "b": "x"}, [1]]}, "item 1"),
        ({"instances": [{"a": [1, 2]}]}, "keys must be equal to: a,b"),
        ({"inputs": {"a": [[1, 2]]}}, "Missing named input: b"),
        ({"instances": [{"a": [1, 2], "b": "x"}] * 11}, "at most 10"),
        ({"inputs": {"a": [[1, 2]] * 11, "b": ["x"]}}, "at most 10"),
    ],
)
def test_requests_that_name_their_tensors_wrongly_are_refused(document, words):
    assert words in refusal(read_inputs, document, {"a": FLOATS, "b": TEXTS}, 10)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1]", b"\xff", b"{'a': 1}", b"[" * 100_000, b"[" * 100_000 + b"NaN"]
)
def test_what_is_no_object_is_refused(body):
    assert "JSON" in refusal(parse, body)


def test_answers_come_as_they_were_asked_for():
    outputs = {
        "p": np.array([0.1, 0.25], "float32"),
        "t": np.array([b"a", b"\xffb"], object),
        "raw_bytes": np.array([b"\0", b"\1"], object),
    }
    rows = json.loads(write_outputs(outputs, by_row=True))["predictions"]
    assert rows == [
        {"p": 0.1, "t": "a", "raw_bytes": {"b64": "AA=="}},
        {"p": 0.25, "t": "\N{REPLACEMENT CHARACTER}b", "raw_bytes": {"b64": "AQ=="}},
    ]
    columns = json.loads(write_outputs(outputs, by_row=False))["outputs"]
    assert columns["p"] == [0.1, 0.25]
    assert columns["raw_bytes"] == [{"b64": "AA=="}, {"b64": "AQ=="}]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "uint64", "bool"])
def test_one_output_needs_no_name_and_no_digit_is_made_up(dtype):
    values = np.array([[0, 1], [1, 0]]).astype(dtype)
    for by_row, key in ((True, "predictions"), (False, "outputs")):
        answer = json.loads(write_outputs({"y": values}, by_row))
        assert answer == {key: values.tolist()}
    third = np.array([1 / 3], "float32")
    assert write_outputs({"y": third}, True) == b'{"predictions":[0.33333334]}'


def test_infinite_answers_keep_their_neighbours():
    outputs = {"y": np.array([[0.1, np.inf], [-np.inf, np.nan]], "float32"), "n": np.arange(2)}
    for by_row in (True, False):
        written = write_outputs(outputs, by_row)
        assert b"0.1," in written
        assert b"Infinity" in written
        assert b"NaN" in written


def test_outputs_without_a_common_batch_cannot_be_rows():
    assert "'inputs'" in refusal(write_outputs, {"a": np.zeros(2), "b": np.zeros(3)}, True)
    assert "'inputs'" in refusal(write_outputs, {"a": np.float32(1)[()]}, True)
    assert write_outputs({"a": np.array(1.5)}, False) == b'{"outputs":1.5}'


def test_examples_are_typed_by_their_values():
    document = {"context": {"c": 1}, "examples": [{"f": [0.5, 2.0], "s": "x"}, {"b": True}]}
    first, second = map(tf.train.Example.FromString, read_examples(document, 5))
    assert list(first.features.feature["f"].float_list.value) == [0.5, 2.0]
    assert list(first.features.feature["s"].bytes_list.value) == [b"x"]
    assert list(first.features.feature["c"].int64_list.value) == [1]
    assert list(second.features.feature["b"].int64_list.value) == [1]


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({}, "'examples' is expected"),
        ({"examples": "x"}, "'examples' is expected"),
        ({"examples": []}, "'examples' is expected"),
        ({"examples": [1]}, "must be JSON object"),
        ({"examples": [{}], "context": 1}, "must be JSON object"),
        ({"examples": [{"x": 1}], "context": {"x": 2}}, "both have: x"),
        ({"examples": [{"x": [1, "a"]}]}, "Feature: x"),
        ({"examples": [{"x": [1, 0.5]}]}, "Feature: x"),
        ({"examples": [{"x": None}]}, "Feature: x"),
        ({"examples": [{"x": 2**63}]}, "beyond int64"),
        ({"examples": [{"x": 1e39}]}, "beyond float32"),
        ({"examples": [{}] * 6}, "at most 5"),
    ],
)
def test_examples_that_are_none_are_refused(document, words):
    assert words in refusal(read_examples, document, 5)
