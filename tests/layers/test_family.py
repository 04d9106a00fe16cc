"""Every cell of the library over time: masks, directions, states, streaming, saving, precision."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnlayers
from rnnlayers.testing.numbers import EVERY_PATTERN
from tests.cases import randomize
from tests.family import EVERY, FAMILY, some
from tests.numbers import assert_same, differentiate

ROWS, STEPS = EVERY_PATTERN.shape


def sample(features, dtype="float64"):
    return np.random.default_rng(1).normal(size=(ROWS, STEPS, features)).astype(dtype)


@pytest.mark.usefixtures("eagerly")
@some(EVERY, 4)
def test_both_directions_under_every_mask_are_loops_over_the_equations(member):
    pattern = member.make_layer(return_sequences=True, return_state=True, dtype="float64")
    pair = rnnlayers.Bidirectional(pattern, merge_mode=None, dtype="float64")
    randomize(pair, member.features)
    sequences = sample(member.features)
    cells = pair.forward_layer.cell, pair.backward_layer.cell
    states = [member.sample_states(cell, ROWS, seed) for seed, cell in enumerate(cells)]
    (*outputs,) = pair(sequences, initial_state=[*states[0], *states[1]], mask=EVERY_PATTERN)
    finals = outputs[2:]
    for number, reverse in enumerate((False, True)):
        expected, after = member.run(
            cells[number], sequences, states[number], EVERY_PATTERN, reverse
        )
        assert_same(outputs[number], expected * EVERY_PATTERN[..., None], "float64")
        count = len(after)
        assert_same(finals[number * count : (number + 1) * count], after, "float64")


@pytest.mark.usefixtures("eagerly")
@some(EVERY, 4)
def test_steps_one_by_one_give_the_whole_sequence(member):
    layer = member.make_layer(return_sequences=True, return_state=True, dtype="float64")
    sequences = sample(member.features)
    start = member.sample_states(layer.cell, ROWS)
    outputs, *after = layer(sequences, initial_state=start)
    by_cell = by_layer = [tf.constant(state) for state in start]
    for step in range(STEPS):
        output, by_cell = layer.cell(sequences[:, step], by_cell)
        again, *by_layer = layer(sequences[:, step : step + 1], initial_state=by_layer)
        assert_same([output, again[:, 0]], [outputs[:, step]] * 2, "float64")
    assert_same([by_cell, by_layer], [after, after], "float64")


@some(EVERY, 24)
def test_every_engine_gives_the_gradients_of_stepwise_from_any_states(member):
    names = ["compiled", "stepwise"]
    if isinstance(member.make(), rnnlayers.LinearCell | rnnlayers.ChunkedCell):
        names.insert(0, "scan")
    layers = [
        member.make_layer(
            return_sequences=True,
            return_state=True,
            go_backwards=True,
            dtype="float64",
            engine=name,
        )
        for name in names
    ]
    sequences = tf.constant(sample(member.features))
    states = list(map(tf.constant, member.sample_states(layers[0].cell, ROWS)))
    *fast, slow = (
        differentiate(layer, sequences, states, mask=tf.constant(EVERY_PATTERN), training=True)
        for layer in layers
    )
    for outputs, gradients in fast:
        assert_same(outputs, slow[0], "float64")
        assert_same(gradients, slow[1], "float64")
    assert all(np.any(gradient) for gradient in slow[1][:2]), "nothing was compared"


def model_of(members):
    """Return a model whose outputs are those of a layer of each member, and its inputs."""
    widths = sorted({member.features for member in members})
    inputs = {width: keras.Input((None, width)) for width in widths}
    outputs = [member.make_layer()(inputs[member.features]) for member in members]
    return keras.Model(list(inputs.values()), outputs), [sample(w, "float32") for w in widths]


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    "members",
    [EVERY[::8], pytest.param(EVERY, marks=pytest.mark.slow)],
    ids=["some", "all"],
)
def test_saved_models_and_weights_give_the_same_outputs(members, tmp_path):
    model, inputs = model_of(members)
    expected = model(inputs)
    assert all(np.any(output) for output in expected)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    assert_same(keras.saving.load_model(tmp_path / "model.keras")(inputs), expected)
    other = keras.models.model_from_json(model.to_json())
    other.load_weights(tmp_path / "model.weights.h5")
    assert_same(other(inputs), expected)


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
@some(EVERY, 12)
def test_mixed_precision_computes_the_same_in_few_digits(member, dtype):
    exact = member.make_layer(return_sequences=True, dtype="float64")
    exact.set_weights([weight / 2 for weight in exact.get_weights()])
    layer = member.make_layer(return_sequences=True, dtype=dtype)
    layer.set_weights(exact.get_weights())
    sequences = tf.constant(sample(member.features), layer.compute_dtype)
    with tf.GradientTape() as tape:
        outputs = layer(sequences, mask=tf.constant(EVERY_PATTERN), training=True)
        total = tf.reduce_sum(outputs**2)
    assert outputs.dtype == layer.compute_dtype
    expected = exact(tf.cast(sequences, "float64"), mask=EVERY_PATTERN)
    largest = max(1.0, np.abs(expected).max())
    assert np.abs(tf.cast(outputs, "float64") - expected).max() < 0.05 * largest
    gradients = tape.gradient(total, [weight.value for weight in layer.trainable_weights])
    assert all(np.all(np.isfinite(g)) and g.dtype == "float32" for g in gradients)


def test_the_list_has_every_cell():
    assert len({member.cell for member in EVERY}) >= 45
    assert len({str(member) for member in EVERY}) == len(EVERY) > len(FAMILY)
