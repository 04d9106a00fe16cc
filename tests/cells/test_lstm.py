"""What each gate of an LSTM cell must do, and where it lies in the fused weights."""

import keras
import numpy as np
import pytest

from rnnlayers import LSTMCell
from tests.cases import randomize, sample
from tests.numbers import assert_same

OPEN, SHUT = 100.0, -100.0


def set_gates(**values):
    """Return a random cell in which the named gates, cut from the bias, stand at a value."""
    cell = randomize(LSTMCell(4))
    bias = cell.bias.numpy()
    for gate, value in values.items():
        bias[4 * "ifgo".index(gate) :][:4] = value
    cell.bias.assign(bias)
    return cell


def step(cell):
    h_prev, c_prev = sample(features=4)[:, 0], sample(features=4)[:, 1]
    _, (h, c) = cell(sample()[:, 0], [h_prev, c_prev])
    return np.asarray(h), np.asarray(c), c_prev


def test_an_open_forget_gate_and_a_shut_input_gate_keep_the_cell_state():
    _, c, c_prev = step(set_gates(f=OPEN, i=SHUT))
    assert_same(c, c_prev)


def test_an_open_input_gate_and_a_shut_forget_gate_replace_it_by_the_candidate():
    _, c, _ = step(set_gates(f=SHUT, i=OPEN, g=OPEN))
    assert_same(c, np.ones((6, 4)))


def test_the_output_gate_decides_what_shows():
    h, c, _ = step(set_gates(o=SHUT))
    assert_same(h, np.zeros((6, 4)))
    assert np.max(np.abs(c)) > 0.1
    h, c, _ = step(set_gates(o=OPEN))
    assert_same(h, np.tanh(c))


@pytest.mark.parametrize("initializer", ["zeros", keras.initializers.Constant(0.3)])
def test_the_forget_gate_starts_open_where_so_asked(initializer):
    biases = {}
    for unit_forget_bias in (False, True):
        cell = LSTMCell(4, bias_initializer=initializer, unit_forget_bias=unit_forget_bias)
        cell.build((None, 3))
        biases[unit_forget_bias] = np.split(cell.bias.numpy(), 4)
    for gate, plain, opened in zip("ifgo", biases[False], biases[True], strict=True):
        assert_same(opened, np.ones(4) if gate == "f" else plain)
