"""What the applications' endpoints refuse, asked of their small old runs."""

import functools
import importlib
import re
import struct
import time
import typing
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from apps.common.endpoint_checks import checked, checked_for_rows
from apps.common.runs import Run
from apps.forecasting.exported import time_requirements
from apps.serve.errors import from_tensorflow

OLD_RUNS = Path(__file__).parents[1] / "old_runs"


@functools.cache
def endpoints(name):
    """Return the endpoints of an application as they are exported."""
    app = importlib.import_module(f"apps.{name}.app")
    load = next(
        function
        for function in vars(app).values()
        if getattr(function, "__name__", "").startswith("load_") and takes_a_run(function)
    )
    return checked_for_rows(load(Run.open(OLD_RUNS / name)).endpoints())


def takes_a_run(function):
    hints = typing.get_type_hints(function)
    return [kind for name, kind in hints.items() if name != "return"] == [Run]


def inputs_of(signature):
    """Return two rows of ones, or of a letter, in the shape that the signature asks for."""
    inputs = {}
    for name, spec in signature.items():
        shape = [2 if at == 0 else size or 3 for at, size in enumerate(spec.shape)]
        if spec.dtype == tf.string:
            inputs[name] = np.full(shape, b"a", object)
        else:
            inputs[name] = np.ones(shape, spec.dtype.as_numpy_dtype)
    return inputs


def refusal(name, endpoint, changed):
    function, signature = endpoints(name)[endpoint]
    inputs = {**inputs_of(signature), **changed}
    assert inputs.keys() == signature.keys()
    tensors = {key: tf.constant(inputs[key], spec.dtype) for key, spec in signature.items()}
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        function(**tensors)
    return str(from_tensorflow(error.value))


@pytest.mark.parametrize(
    ("endpoint", "changed", "words"),
    [
        ("serving_default", {"temperature": 0}, "above 0 (from 1e-30 to 1e+30); received 0"),
        ("generate", {"temperature": -1}, "temperature must be above 0"),
        ("generate", {"temperature": 1e-40}, "temperature must be above 0"),
        ("generate", {"temperature": np.nan}, "temperature must be finite; received nan"),
        ("generate", {"length": -5}, "length must be from 1 to 10,000 characters; received -5"),
        ("generate", {"length": 0}, "received 0"),
        ("generate", {"length": 10_001}, "received 10001"),
        ("generate", {"prompt": np.array([], object)}, "prompt must have at least one row"),
        ("generate", {"prompt": ["é" * 20_001]}, "at most 20,000 characters; received 20001"),
        ("generate", {"prompt": [b"\x80" * 3_000_000] * 2}, "at most 20,000 characters"),
        ("generate", {"prompt": ["a"] * 1024, "length": 10_000}, "at most 200,000 steps, its rows"),
        ("step", {"character": ["a", "ab"]}, "character must be 1 character a row; received 2"),
        ("step", {"character": ["", "a"]}, "character must be 1 character a row; received 0"),
        ("step", {"character": ["a"]}, "character and state_0 must have as many rows"),
    ],
)
def test_a_generator_of_text(endpoint, changed, words):
    assert words in refusal("textgen", endpoint, changed)


def test_a_forecaster():
    _, signature = endpoints("forecasting")["serving_default"]
    window = inputs_of(signature)["window"]
    window[1, -1, 0] = np.nan
    for endpoint in ("serving_default", "step"):
        assert refusal("forecasting", endpoint, {"window": window}) == (
            "window must be finite; received nan"
        )
    observation = np.full((2, window.shape[-1]), np.inf)
    found = refusal("forecasting", "step", {"observation": observation})
    assert found == "observation must be finite; received inf"


@pytest.mark.parametrize(
    ("time", "words"),
    [
        ([[0, 3, 4, 4, 5]], "time must increase from step to step; received 4 after 4"),
        ([[0, 3, 4, 5], [5, 4, 3, 2]], "time must increase from step to step; received 4 after 5"),
        ([[1_700_000_000_000, 1_700_000_003_600]], "up to the year 9999 (not milliseconds); "),
    ],
)
def test_the_times_of_a_forecaster_with_a_calendar(time, words):
    signature = {"time": tf.TensorSpec([None, None], tf.int64)}
    endpoint = checked(lambda time: time, signature, time_requirements)
    assert endpoint(tf.constant([[-5, 0, 3]], tf.int64)).shape == (1, 3)
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        endpoint(tf.constant(time, tf.int64))
    assert words in str(from_tensorflow(error.value))


def test_a_translator():
    for token, words in ((-1, "an id from 0 to"), (10**6, "received 1000000")):
        assert words in refusal("translation", "decode_step", {"token": [0, token]})
    found = refusal("translation", "decode_step", {"token": [1]})
    assert found.startswith("token and ")
    assert found.endswith(" must have as many rows; received 1 and 2")


LONG = {
    "one kind": "é" * 2_000_001,
    "ligatures": "\ufdfa" * 700_000,
    "no UTF-8": b"\x80" * 2_000_001,
}


@pytest.mark.parametrize("kind", LONG)
@pytest.mark.parametrize(
    ("name", "endpoint", "most"),
    [
        ("sentiment", "serving_default", 2_000_000),
        ("sentiment", "explain", 2_000_000),
        *(("translation", way, 100_000) for way in ("serving_default", "n_best", "encode")),
    ],
)
def test_long_texts_are_refused_before_anything_else_looks_at_them(name, endpoint, most, kind):
    texts = [LONG[kind]] * (3 if kind == "ligatures" else 1)
    began = time.process_time()
    found = refusal(name, endpoint, {"text": texts})
    assert found.startswith(f"text may have at most {most:,} characters in a request; received ")
    assert time.process_time() - began < 2  # a megabyte of ligatures takes ten seconds to be split


def test_an_explanation_has_a_bound_on_its_words(monkeypatch):
    monkeypatch.setattr("apps.sentiment.exported.MAX_EXPLAINED_WORDS", 1)  # one text of any length
    assert "explain takes at most 8 texts" in refusal("sentiment", "explain", {"text": ["a"] * 9})
    found = refusal("sentiment", "explain", {"text": ["good ! " * 500] * 8})
    assert re.match(r"explain reads at most \d+ words of all texts, .*; received \d+$", found)


def png(side):
    """Return the head of a PNG, which is all that is read of it."""
    head = struct.pack(">4sIIBBBBB", b"IHDR", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head


def gif(screen, frame):
    """Return the head of a GIF whose first frame may be larger than its screen."""
    block = struct.pack("<BHHHHB", 0x2C, 0, 0, frame, frame, 0)
    return b"GIF89a" + struct.pack("<HHBBB", screen, screen, 0, 0, 0) + block


@pytest.mark.parametrize("endpoint", ["serving_default", "caption_greedily"])
def test_images_are_counted_before_any_is_decoded(endpoint):
    for file in (png(7_000), gif(7_000, 1), gif(1, 7_000)):
        found = refusal("captioning", endpoint, {"image": [file] * 3})
        assert found == (
            "image may have at most 100,000,000 pixels in a request; received 147000000"
        )
    found = refusal("captioning", endpoint, {"image": [png(1)] * 257})
    assert found == "image may have at most 256 rows in a request; received 257"
