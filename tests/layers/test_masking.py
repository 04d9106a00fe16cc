"""Padding never changes a result, whatever the mask, the direction and the stack of layers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnnlayers import GRU, LSTM, Bidirectional, Elman
from rnnlayers.testing.numbers import EVERY_PATTERN
from tests.cases import each_core, randomize, sample, sample_states
from tests.numbers import assert_same, differentiate

pytestmark = pytest.mark.usefixtures("eagerly")

MASK = EVERY_PATTERN
REVERSED = MASK[:, ::-1]


def alone(layer, sequences, mask, states=None):
    """Return, row by row, what a layer makes of the steps that count and of nothing else."""
    for row, valid, *state in zip(sequences, mask, *(states or []), strict=True):
        yield layer(row[valid][None], initial_state=[s[None] for s in state] or None)


def noisy(sequences, mask):
    """Return the sequences with large values at the masked steps: they must not be seen."""
    return np.where(mask[..., None], sequences, np.float32(1e3))


@each_core
@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("starts", ["zeros", "states"])
def test_a_masked_row_equals_its_steps_alone(case, go_backwards, starts):
    layer = randomize(
        case.make_layer(return_sequences=True, return_state=True, go_backwards=go_backwards)
    )
    states = sample_states(layer) if starts == "states" else None
    outputs, *finals = layer(noisy(sample(), MASK), initial_state=states, mask=MASK)
    shown = REVERSED if go_backwards else MASK
    for row, result in enumerate(alone(layer, sample(), MASK, states)):
        assert_same(outputs[row][shown[row]], result[0][0])
        assert_same([final[row : row + 1] for final in finals], result[1:])


@each_core
def test_masked_steps_get_no_gradient_and_give_none(case):
    layer = randomize(case.make_layer())
    _, (by_sequences, *by_weights) = differentiate(
        layer, tf.constant(noisy(sample(), MASK)), mask=tf.constant(MASK)
    )
    assert np.all(by_sequences.numpy()[~MASK] == 0)
    _, (_, *clean) = differentiate(layer, tf.constant(sample()), mask=tf.constant(MASK))
    assert_same(by_weights, clean)
    assert np.any(by_sequences.numpy()[MASK] != 0)


@each_core
def test_the_mask_of_the_sequences_counts_with_an_initial_state_too(case):
    layer = randomize(case.make_layer())
    states = sample_states(layer)
    masked = keras.layers.Masking(mask_value=7.0)(np.where(MASK[..., None], sample(), 7.0))
    expected = layer(sample(), initial_state=states, mask=MASK)
    assert_same(layer(masked, initial_state=states), expected)
    overruled = layer(masked, initial_state=states, mask=np.ones_like(MASK))
    assert np.max(np.abs(overruled - expected)) > 0.01


def test_a_mask_may_be_of_numbers_and_have_an_axis_of_one():
    layer = randomize(LSTM(4))
    expected = layer(sample(), mask=MASK)
    for mask in (MASK.astype("int32"), MASK.astype("float32"), MASK[..., None], tf.constant(MASK)):
        assert_same(layer(sample(), mask=mask), expected)


def test_both_outputs_of_a_bidirectional_layer_carry_the_mask():
    embedding = keras.layers.Embedding(9, 3, mask_zero=True)
    pair = Bidirectional(GRU(4, return_sequences=True), merge_mode=None)
    last = LSTM(4)
    words = np.random.default_rng(3).integers(1, 9, MASK.shape)
    padded = [last(output) for output in pair(embedding(np.where(MASK, words, 0)))]
    for row, valid in enumerate(MASK[:-1]):
        alone = [last(output) for output in pair(embedding(words[row][valid][None]))]
        assert_same([output[row : row + 1] for output in padded], alone)


def stacks():
    """Stacks of two layers through which a mask must pass, ours in one place or in both."""
    kept = {"return_sequences": True}
    yield "ours, ours", LSTM(4, **kept), GRU(4)
    yield "ours, keras", Elman(4, **kept), keras.layers.LSTM(4, use_cudnn=False)
    yield "keras, ours", keras.layers.GRU(4, **kept, use_cudnn=False), LSTM(4)
    yield "ours zeroing, ours", GRU(4, **kept, zero_output_for_mask=True), Elman(4)
    yield "ours backwards, ours", LSTM(4, **kept, go_backwards=True), GRU(4)
    yield "ours, ours backwards", LSTM(4, **kept), GRU(4, go_backwards=True)
    yield "bidirectional, ours", Bidirectional(GRU(4, **kept)), LSTM(4)
    yield "ours, bidirectional", Elman(4, **kept), Bidirectional(LSTM(4), merge_mode="sum")
    yield (
        "bidirectional, keras pooling",
        Bidirectional(LSTM(4, **kept)),
        keras.layers.GlobalAveragePooling1D(),
    )
    yield (
        "keras bidirectional of ours, ours",
        keras.layers.Bidirectional(LSTM(4, **kept)),
        GRU(4),
    )


@pytest.mark.parametrize("layers", [pytest.param(stack[1:], id=stack[0]) for stack in stacks()])
def test_the_mask_passes_through_a_stack(layers):
    # Word 0 is padding; an embedding sends the mask. A pooling layer has no mean of an empty row.
    model = keras.Sequential([keras.layers.Embedding(9, 3, mask_zero=True), *layers])
    mask = MASK[:-1]
    words = np.random.default_rng(3).integers(1, 9, mask.shape)
    padded = model(np.where(mask, words, 0))
    for row, valid in enumerate(mask):
        assert_same(padded[row : row + 1], model(words[row][valid][None]))
