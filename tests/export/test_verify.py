import json
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from rnnlayers.export.endpoints import make_endpoints
from rnnlayers.export.fresh import decode, encode
from rnnlayers.export.verify import LAUNCH, answer_live, compare, verify

TOLERANCE = 1e-5


@pytest.mark.parametrize(
    ("live", "exported"),
    [
        (np.float32([1, -2]), np.float32([1.000009, -2])),
        (np.float32([1e6]), np.float32([1e6 + 1])),  # relative above 1
        (np.float32([np.nan, np.inf, -np.inf]), np.float32([np.nan, np.inf, -np.inf])),
        (np.float16([1]), np.float16([1.001])),
        (np.complex64([1 + 2j]), np.complex64([1 + 2.000001j])),
        (np.array([b"a", b""], object), np.array([b"a", b""], object)),
        (np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32)),
        (np.float32(1), np.float32(1)),
    ],
)
def test_close_enough(live, exported):
    assert compare(np.asarray(live), np.asarray(exported), TOLERANCE) is None


@pytest.mark.parametrize(
    ("live", "exported", "complaint"),
    [
        (np.float32([1, 2]), np.float32([1.5, 2]), r"is 0\.5, more than the tolerance of 1e-05"),
        (np.float32([0]), np.float32([1.2e-5]), "1.2e-05"),
        (np.float32([np.nan, 1]), np.float32([1, 1]), "is inf"),
        (np.float32([1]), np.float32([np.nan]), "is inf"),
        (np.float32([np.inf]), np.float32([-np.inf]), "is inf"),
        (np.float16([1]), np.float16([1.01]), "tolerance of 0.00195"),
        (np.complex64([1 + 2j]), np.complex64([1 - 2j]), "difference"),
        (np.int32([1, 2, 3]), np.int32([1, 2, 4]), "1 of 3 values differ"),
        (np.array([b"a"], object), np.array([b"b"], object), "1 of 1 values differ"),
        (np.float32([1]), np.float32([[1]]), r"\(1,\).*\(1, 1\)"),
        (np.float32([1]), np.float64([1]), "float32.*float64"),
        (None, np.float32([1]), "only the exported"),
        (np.float32([1]), None, "only the live"),
    ],
)
def test_different(live, exported, complaint):
    assert re.search(complaint, compare(live, exported, TOLERANCE))


@pytest.mark.parametrize(
    "value",
    [
        tf.constant(1.5, tf.bfloat16),
        tf.constant([[True, False]]),
        tf.constant("a string"),
        tf.constant([b"\xff\x00", ""]),
        tf.zeros([0, 2], tf.string),
        tf.constant([1 + 2j]),
    ],
)
def test_every_dtype_survives_the_way_to_the_other_process(value):
    array = decode(encode({"x": value.numpy()}))["x"]
    back = tf.constant(array)
    assert (back.dtype, back.shape) == (value.dtype, value.shape)
    assert tf.reduce_all(back == value)


@pytest.mark.parametrize("module", ["keras", "rnnlayers"])
def test_the_fresh_process_has_neither_keras_nor_this_library(module, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(f"import {module}")
    command = [sys.executable, "-I", "-c", LAUNCH, json.dumps(sys.path), str(script)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    assert f"import of {module} halted" in done.stderr


def test_an_error_of_the_live_model_names_endpoint_and_probe():
    signature = {"x": tf.TensorSpec([None, 2])}
    endpoints = make_endpoints(None, {"cast": (lambda x: tf.reshape(x, [5]), signature)})
    with pytest.raises(tf.errors.InvalidArgumentError) as raised:
        answer_live(endpoints, {"cast": [{"x": tf.zeros([3, 2])}]})
    assert "'cast'" in raised.value.__notes__[0]
    assert "x float32 (3, 2)" in raised.value.__notes__[0]


def test_a_saved_model_with_a_custom_operator_does_not_pass(tmp_path):
    endpoints = make_endpoints(None, {"serve": (tf.tanh, {"x": tf.TensorSpec([None])})})
    calls = answer_live(endpoints, {"serve": [{"x": tf.zeros([2])}]})
    path = tmp_path / "model"
    tf.saved_model.save(tf.Module(), str(path), signatures={"serve": endpoints[0].trace()})
    file = path / "saved_model.pb"
    file.write_bytes(file.read_bytes().replace(b"\x12\x04Tanh", b"\x12\x04Tonk"))  # field 2: op
    with pytest.raises(RuntimeError, match=r"not registered.*Tonk"):
        verify(path, calls, TOLERANCE)
