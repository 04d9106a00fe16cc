"""The time gate of the phased LSTM: closed, leaking, and begun as its arguments say."""

import numpy as np
import tensorflow as tf

import rnnlayers
from tests.numbers import refused


def closed_layer(**options):
    """Return a layer whose gates are open for one per mille of a period of 8."""
    layer = rnnlayers.PhasedLSTM(
        3, min_period=8, max_period=8, open_ratio=1e-3, seed=0, return_sequences=True, **options
    )
    layer.build((None, None, 2))
    layer.cell.shift.assign(np.zeros(3))
    return layer


def test_a_closed_gate_keeps_the_state_and_leaks_in_training():
    layer = closed_layer(leak=0.5)
    x, states = np.ones((1, 4, 2), "float32"), [np.ones((1, 3))] * 2 + [np.full((1, 1), 2.0)]
    np.testing.assert_array_equal(layer(x, initial_state=states), np.ones((1, 4, 3)))
    leaking = np.asarray(layer(x, initial_state=states, training=True))
    proposed = rnnlayers.LSTM(3)
    proposed.build((None, None, 2))
    proposed.set_weights(layer.get_weights()[:3])
    h = np.asarray(proposed(x[:, :1], initial_state=states[:2]))
    k = 0.5 * 2 / 8  # the leak times the phase
    np.testing.assert_allclose(leaking[:, 0], k * h + (1 - k), atol=1e-6)


def test_times_that_are_given_equal_steps_that_are_counted():
    given = rnnlayers.PhasedLSTM(3, time_feature=True, return_sequences=True, seed=1)
    counted = rnnlayers.PhasedLSTM(3, return_sequences=True, seed=1)
    x = np.random.default_rng(0).normal(size=(2, 6, 2)).astype("float32")
    times = np.broadcast_to(np.arange(6, dtype="float32")[None, :, None], (2, 6, 1))
    given(np.concatenate([x, times], -1))
    counted(x)
    given.set_weights(counted.get_weights())
    np.testing.assert_allclose(given(np.concatenate([x, times], -1)), counted(x), atol=1e-6)


def test_periods_shifts_and_ratios_begin_in_their_range():
    cell = rnnlayers.PhasedLSTMCell(1000, min_period=2, max_period=50, open_ratio=0.1)
    cell.build((None, 1))
    period, shift = np.exp(cell.log_period.numpy()), cell.shift.numpy()
    assert 2 <= period.min() < 3
    assert 40 < period.max() <= 50 + 1e-4
    assert np.all((shift >= 0) & (shift <= period))
    np.testing.assert_allclose(tf.sigmoid(cell.open_logit), 0.1, rtol=1e-5)


def test_bad_arguments_are_refused():
    with refused("max_period", "2", "1"):
        rnnlayers.PhasedLSTM(4, min_period=2, max_period=1)
    with refused("time_feature", "two features", "(None, 1)"):
        rnnlayers.PhasedLSTMCell(4, time_feature=True).build((None, 1))
