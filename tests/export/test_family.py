"""Every cell in one SavedModel, and in ONNX where its operators allow."""

import numpy as np
import pytest
import tensorflow as tf

import rnnlayers
from rnnlayers.testing.numbers import EVERY_PATTERN
from tests.family import EVERY, some
from tests.numbers import assert_same

ROWS, STEPS = EVERY_PATTERN.shape
# What ONNX cannot hold, and words of the message that says why.
NOT_IN_ONNX = {
    "RGLRUCell": "ONNX, which has no Expm1",  # 1 - a^2 where a is almost 1 needs it
}


class Exported(tf.Module):
    """A layer as a function of sequences, a mask and states."""

    def __init__(self, member):
        super().__init__()
        self.member = member
        self.layer = member.make_layer(return_sequences=True, return_state=True)

    @property
    def signature(self):
        states = enumerate(self.layer.cell.state_sizes)
        return {
            "x": tf.TensorSpec([None, None, self.member.features], tf.float32),
            "valid": tf.TensorSpec([None, None], tf.bool),
            **{f"state_{n}": tf.TensorSpec([None, size], tf.float32) for n, size in states},
        }

    def __call__(self, x, valid, **states):
        names = self.layer.cell.state_names
        start = [states[f"state_{number}"] for number in range(len(names))]
        outputs, *after = self.layer(x, mask=valid, initial_state=start)
        return {"y": outputs, **dict(zip(names, after, strict=True))}

    def question(self):
        rng = np.random.default_rng(3)
        states = self.member.sample_states(self.layer.cell, ROWS)
        tensors = [rng.normal(size=(ROWS, STEPS, self.member.features)), EVERY_PATTERN, *states]
        return {
            name: np.asarray(tensor, spec.dtype.as_numpy_dtype)
            for (name, spec), tensor in zip(self.signature.items(), tensors, strict=True)
        }

    def answer(self):
        """Return the answer to the question by the equations of the paper."""
        x, valid, *states = self.question().values()
        cell = self.layer.cell
        outputs, after = self.member.run(cell, x, states, valid)
        return {"y": outputs, **dict(zip(cell.state_names, after, strict=True))}


def name_of(member):
    return "".join(letter if letter.isalnum() else "_" for letter in str(member))


@pytest.mark.slow
def test_one_saved_model_holds_every_cell(tmp_path):
    # `export_model` itself asks a fresh process without Keras, and withdraws what answers
    # differently; here are the numbers of the papers.
    modules = {name_of(member): Exported(member) for member in EVERY}
    folder = rnnlayers.export_model(
        list(modules.values()),
        tmp_path,
        {name: (module, module.signature) for name, module in modules.items()},
        {name: module.question() for name, module in modules.items()},
    )
    loaded = tf.saved_model.load(folder)
    assert set(loaded.signatures) == set(modules)
    for name, module in modules.items():
        question = {key: tf.constant(value) for key, value in module.question().items()}
        received, expected = loaded.signatures[name](**question), module.answer()
        assert received.keys() == expected.keys()
        assert_same([received[key] for key in expected], list(expected.values()))


def test_what_onnx_cannot_hold_is_a_short_list_of_members():
    assert set(NOT_IN_ONNX) <= {str(member) for member in EVERY}
    assert len(NOT_IN_ONNX) < len(EVERY) / 10


@some(EVERY, 24)
def test_onnx_holds_a_cell_or_the_list_says_why_not(member, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
    pytest.importorskip("tf2onnx", reason="the extra `onnx` is not installed")
    module, path = Exported(member), tmp_path / "cell.onnx"
    arguments = module, path, (module, module.signature), module.question()
    if str(member) in NOT_IN_ONNX:
        with pytest.raises(ValueError, match=NOT_IN_ONNX[str(member)]):
            rnnlayers.export_onnx(*arguments)
        return
    rnnlayers.export_onnx(*arguments)
    session = onnxruntime.InferenceSession(path)
    read = {tensor.name for tensor in session.get_inputs()}
    question = {key: value for key, value in module.question().items() if key in read}
    names = [tensor.name for tensor in session.get_outputs()]
    received, expected = session.run(names, question), module.answer()
    assert_same(received, [expected[name] for name in names])
