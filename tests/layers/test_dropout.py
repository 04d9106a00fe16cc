"""Dropout: off in inference, one mask a sequence, the share asked for, the mean kept."""

import numpy as np
import pytest
import tensorflow as tf

from rnnlayers import LSTM, Bidirectional, Elman
from tests.cases import each_core, randomize, sample, sample_states
from tests.numbers import assert_same

pytestmark = pytest.mark.usefixtures("eagerly")

RATE = 0.3
UNITS = 100


def seen_through(options, kernel, recurrent_kernel, timesteps=4):
    """Return the outputs of a linear layer whose weights are scaled identities, from ones."""
    layer = Elman(
        UNITS, activation="linear", use_bias=False, return_sequences=True, seed=5, **options
    )
    layer.build((None, None, UNITS))
    layer.set_weights([kernel * np.eye(UNITS), recurrent_kernel * np.eye(UNITS)])
    ones = np.ones((UNITS, timesteps, UNITS), "float32")
    return layer(ones, initial_state=np.ones((UNITS, UNITS)), training=True).numpy()


def assert_share(mask, rate):
    """Assert that a mask has values 0 and 1 / (1 - rate), with the share of zeros asked for."""
    np.testing.assert_allclose(np.unique(mask), [0, 1 / (1 - rate)], rtol=1e-6)
    five_sigma = 5 * np.sqrt(rate * (1 - rate) / mask.size)
    assert abs(np.mean(mask == 0) - rate) < five_sigma
    assert abs(np.mean(mask) - 1) < five_sigma / (1 - rate)


def test_dropout_of_inputs_is_one_mask_a_sequence_and_keeps_the_mean():
    outputs = seen_through({"dropout": RATE}, kernel=1, recurrent_kernel=0)
    assert_share(outputs[:, 0], RATE)
    for step in range(1, outputs.shape[1]):
        assert_same(outputs[:, step], outputs[:, 0])


def test_recurrent_dropout_is_one_mask_a_sequence_and_keeps_the_mean():
    outputs = seen_through({"recurrent_dropout": RATE}, kernel=0, recurrent_kernel=1)
    mask = outputs[:, 0]
    assert_share(mask, RATE)
    for step in range(1, outputs.shape[1]):
        assert_same(outputs[:, step], mask ** (step + 1))


@each_core
def test_dropout_is_the_layer_without_it_on_dropped_inputs(case):
    layer = randomize(case.make_layer(dropout=RATE, seed=5, return_sequences=True))
    mask = case.make_cell(dropout=RATE, seed=5).drop_inputs(tf.ones((6, 3)))
    assert 0 < np.count_nonzero(mask) < mask.numpy().size
    assert_same(layer(sample(), training=True), layer(sample() * mask[:, None]))


@each_core
def test_recurrent_dropout_reaches_the_product_alone(case):
    layer = randomize(case.make_layer(recurrent_dropout=RATE, seed=5))
    mask = case.make_cell(recurrent_dropout=RATE, seed=5).draw_recurrent_dropout_mask(
        tf.ones((6, 4))
    )
    states = [tf.constant(state) for state in sample_states(layer)]
    expected = layer.cell.step(layer.cell.project(sample()[:, 0]), tuple(states), mask)[0]
    assert_same(layer(sample()[:, :1], initial_state=states, training=True), expected)
    undropped = layer(sample()[:, :1], initial_state=states)
    assert np.max(np.abs(expected - undropped)) > 0.01


@each_core
@pytest.mark.parametrize("kind", ["dropout", "recurrent_dropout"])
def test_dropout_is_off_in_inference_and_follows_its_seed(case, kind):
    def make(seed, rate=RATE):
        return randomize(case.make_layer(**{kind: rate, "seed": seed}))

    def results(layer, count=2):
        return [layer(sample(), training=True).numpy() for _ in range(count)]

    plain, layer = make(1, rate=0.0), make(1)
    assert_same(layer(sample()), plain(sample()))
    assert_same(layer(sample(), training=False), plain(sample(), training=True))
    first, second = results(layer)
    assert_same([first, second], results(make(1)))
    for other in (second, results(make(2), 1)[0], plain(sample()).numpy()):
        assert np.max(np.abs(first - other)) > 0.01


@pytest.mark.parametrize("seed", [None, 5])
@pytest.mark.parametrize("kind", ["dropout", "recurrent_dropout"])
def test_the_two_directions_of_a_bidirectional_layer_draw_different_masks(kind, seed):
    layer = Bidirectional(Elman(4, seed=seed, **{kind: 0.5}), merge_mode=None)
    layer.build((None, None, 3))
    layer.set_weights([*randomize(Elman(4)).get_weights()] * 2)
    symmetric = np.concatenate([sample(), sample()[:, ::-1]], axis=1)
    forward, backward = layer(symmetric)
    assert_same(forward, backward)
    forward, backward = layer(symmetric, training=True)
    assert np.max(np.abs(forward - backward)) > 0.01


def test_dropout_under_a_compiled_function_draws_anew_at_each_call():
    tf.config.run_functions_eagerly(False)
    layer = randomize(LSTM(4, dropout=RATE, recurrent_dropout=RATE))

    @tf.function(jit_compile=True)
    def train(x):
        return layer(x, training=True)

    first, second = train(sample()), train(sample())
    assert np.all(np.isfinite(first))
    assert np.max(np.abs(first - second)) > 0.01
