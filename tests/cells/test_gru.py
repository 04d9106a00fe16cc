"""What each gate of a GRU cell must do, where it lies in the fused weights, and its two forms."""

import numpy as np
import pytest

from rnnlayers import GRUCell
from tests.cases import randomize, sample
from tests.numbers import assert_same

OPEN, SHUT = 100.0, -100.0
each_form = pytest.mark.parametrize("reset_after", [True, False])


def set_gates(reset_after, **values):
    """Return a random cell in which the named gates, cut from the bias, stand at a value."""
    cell = randomize(GRUCell(4, reset_after=reset_after))
    bias = cell.bias.numpy()
    for gate, value in values.items():
        bias[..., 4 * "zrn".index(gate) :][..., :4] = value
    cell.bias.assign(bias)
    return cell


def step(cell):
    h_prev = sample(features=4)[:, 0]
    return np.asarray(cell(sample()[:, 0], [h_prev])[0]), h_prev


@each_form
def test_an_open_update_gate_keeps_the_state(reset_after):
    h, h_prev = step(set_gates(reset_after, z=OPEN))
    assert_same(h, h_prev)


@each_form
def test_a_shut_update_gate_replaces_it_by_the_candidate(reset_after):
    h, _ = step(set_gates(reset_after, z=SHUT, r=SHUT))
    cell = set_gates(reset_after)
    bias = cell.bias[0] if reset_after else cell.bias
    assert_same(h, np.tanh(sample()[:, 0] @ cell.kernel.numpy()[:, 8:] + bias[8:]))


def test_the_two_forms_agree_where_the_reset_gate_is_open():
    before, after = set_gates(False, r=OPEN), set_gates(True, r=OPEN)
    after.kernel.assign(before.kernel)
    after.recurrent_kernel.assign(before.recurrent_kernel)
    after.bias.assign([before.bias.numpy(), np.zeros(12)])
    assert_same(step(after)[0], step(before)[0])
    before.bias.assign(randomize(GRUCell(4, reset_after=False)).bias)
    after.bias.assign([before.bias.numpy(), np.zeros(12)])
    assert np.max(np.abs(step(after)[0] - step(before)[0])) > 0.01


@each_form
def test_the_shape_of_the_bias_says_which_form_it_is(reset_after):
    assert set_gates(reset_after).bias.shape == ((2, 12) if reset_after else (12,))
