"""What the inputs hold at masked steps, NaN too, counts nowhere; one row of mask serves all."""

import numpy as np
import pytest
import tensorflow as tf

import rnnlayers
from tests.cases import MASKS, each_core, randomize, sample, sample_states
from tests.numbers import assert_same, differentiate

pytestmark = pytest.mark.usefixtures("eagerly")


def assert_padding_counts_nowhere(layer, value, training, run=differentiate):
    """Assert that a value at masked steps gives the numbers that zeros there give."""
    mask, results = MASKS["every pattern"], []
    for padding in (0.0, value):
        x = tf.constant(np.where(mask[..., None], sample(), np.float32(padding)))
        results.append(run(layer, x, mask=tf.constant(mask), training=training))
    assert np.all([np.all(np.isfinite(value)) for value in tf.nest.flatten(results)])
    assert_same(*results)


@pytest.mark.parametrize("engine", ["stepwise", "compiled"])
@pytest.mark.parametrize(("value", "training"), [(np.nan, True), (np.inf, False)])
@each_core
def test_what_masked_steps_hold_reaches_neither_outputs_nor_gradients(
    case, value, training, engine
):
    layer = randomize(case.make_layer(engine=engine, return_sequences=True, return_state=True))
    assert_padding_counts_nowhere(layer, value, training)


@pytest.mark.parametrize(
    "training", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["training", "inference"]
)
def test_nor_where_it_is_compiled(training, not_eagerly):
    layer = randomize(rnnlayers.LSTM(4, engine="compiled", return_sequences=True))
    assert_padding_counts_nowhere(layer, np.nan, training, tf.function(differentiate))


def test_what_a_masked_step_holds_reaches_no_direction():
    layer = randomize(rnnlayers.Bidirectional(rnnlayers.GRU(4, return_sequences=True)))
    mask = MASKS["every pattern"]
    clean, bad = (
        differentiate(
            layer,
            tf.constant(np.where(mask[..., None], sample(), np.float32(padding))),
            mask=tf.constant(mask),
            training=True,
        )
        for padding in (0.0, np.nan)
    )
    assert_same(bad, clean)


def test_one_row_of_mask_or_state_serves_the_whole_batch():
    layer = randomize(rnnlayers.LSTM(4, return_sequences=True))
    x, mask = sample(), MASKS["every pattern"][3:4]
    states = [state[:1] for state in sample_states(layer)]
    expected = layer(
        x, initial_state=[np.repeat(s, 6, 0) for s in states], mask=np.repeat(mask, 6, 0)
    )
    assert_same(layer(x, initial_state=states, mask=mask), expected)
    tf.config.run_functions_eagerly(False)
    assert_same(tf.function(layer)(tf.constant(x), initial_state=states, mask=mask), expected)
