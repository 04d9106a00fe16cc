"""A cell that reads its outputs from states and inputs, against a plain loop in NumPy."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from rnnlayers import Bidirectional, Recurrent
from tests.cases import MASKS, randomize, sample, sample_states
from tests.engines.custom_cells import ReadingCell
from tests.engines.twins import OF_EVERY_CELL
from tests.numbers import assert_same, differentiate

pytestmark = pytest.mark.usefixtures("eagerly")

X = sample(dtype="float64")


def make(**options):
    return randomize(Recurrent(ReadingCell(4, dtype="float64"), dtype="float64", **options))


def loop(cell, states, mask, backwards, zero):
    """Return the outputs in the order of computation, and the final states."""
    kernel, U, skip, readout, gain = (weight.numpy() for weight in cell.weights)
    outputs, finals = np.zeros((6, 6, 2)), np.array(states)
    for row in range(6):
        h, shown = states[row], np.zeros(2)
        for count, now in enumerate(reversed(range(6)) if backwards else range(6)):
            if mask[row, now]:
                before, h = h, np.tanh(X[row, now] @ kernel + h @ U)
                shown = (1 + gain) * ((h - 0.5 * before) @ readout) + X[row, now] @ skip
            outputs[row, count] = 0 if zero and not mask[row, now] else shown
        finals[row] = h
    return outputs, finals


@pytest.mark.parametrize("engine", OF_EVERY_CELL)
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("backwards", [False, True])
def test_outputs_and_states_under_every_mask(engine, mask, backwards):
    valid = np.ones((6, 6), bool) if MASKS[mask] is None else MASKS[mask]
    noisy = np.where(valid[..., None], X, np.nan)
    for sequences, zero in itertools.product((True, False), repeat=2):
        layer = make(
            engine=engine,
            return_sequences=sequences,
            return_state=True,
            go_backwards=backwards,
            zero_output_for_mask=zero,
        )
        states = sample_states(layer, dtype="float64") if sequences != backwards else None
        first = np.zeros((6, 4)) if states is None else states[0]
        outputs, finals = loop(layer.cell, first, valid, backwards, zero)
        received = layer(noisy, initial_state=states, mask=MASKS[mask])
        assert_same(received, [outputs if sequences else outputs[:, -1], finals], "float64")


@pytest.mark.parametrize("options", [{}, {"return_sequences": True, "go_backwards": True}], ids=str)
def test_gradients_are_those_of_the_last_step_that_counts(options):
    mask = MASKS["every pattern"]
    layers = [make(engine=engine, **options) for engine in OF_EVERY_CELL]
    results = [differentiate(layer, tf.constant(X), mask=tf.constant(mask)) for layer in layers]
    assert_same(*results, "float64")
    _, (by_sequences, *_) = results[0]
    assert not np.any(by_sequences.numpy()[~mask])
    assert np.all(np.any(by_sequences.numpy()[:5], axis=(1, 2)))


def test_both_directions_lie_at_their_steps():
    mask = MASKS["every pattern"]
    pair = Bidirectional(make(return_sequences=True), merge_mode=None, dtype="float64")
    backward = pair(X, mask=mask)[1]
    outputs, _ = loop(pair.backward_layer.cell, np.zeros((6, 4)), mask, True, True)
    assert_same(backward, outputs[:, ::-1], "float64")


def test_no_step_gives_zeros():
    for engine in OF_EVERY_CELL:
        outputs, states = make(engine=engine, return_state=True)(X[:, :0])
        assert_same([outputs, states], [np.zeros((6, 2)), np.zeros((6, 4))], "float64")
