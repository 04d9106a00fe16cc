"""The scan engine in chunks equals the stepwise engine, within a chunk and over several."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnlayers
from rnnlayers.engines import chunks
from tests.cases import randomize, some
from tests.engines.twins import assert_engines_agree
from tests.numbers import differentiate

OPTIONS = ({}, {"go_backwards": True}, {"truncate": 6}, {"return_sequences": False})


@pytest.fixture(autouse=True)
def _short_chunks(monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK", 4)


def twins(dtype="float64", engines=("scan", "stepwise"), forget_gate="sigmoid", **options):
    options = {"return_sequences": True, "return_state": True, **options}
    return [
        randomize(
            rnnlayers.MLSTM(
                4, num_heads=2, forget_gate=forget_gate, engine=engine, dtype=dtype, **options
            )
        )
        for engine in engines
    ]


def arguments(length, rows=3):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, length, 3))
    states = [rng.normal(size=(rows, size)) for size in (4, 8, 4, 2)]
    mask = rng.random((rows, length)) > 0.3
    mask[0] = False
    return x, states, mask


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("length", some([11, 4, 1]))
@pytest.mark.parametrize("masked", [False, True])
def test_it_equals_stepwise(length, options, masked):
    x, states, mask = arguments(length)
    assert_engines_agree(
        twins(**options), x, states, "float64", mask=mask if masked else None, training=True
    )


@pytest.mark.usefixtures("eagerly")
def test_large_exponents_cancel():
    layers = twins(forget_gate="exp")
    x, _, mask = arguments(11)
    assert_engines_agree(layers, 60 * x, None, "float64", mask=mask, training=True)


def test_the_parts_that_xla_compiles_equal_stepwise():
    scan, stepwise = twins("float32", truncate=6)
    x, states, mask = arguments(11)
    x, states = tf.cast(x, "float32"), [tf.cast(state, "float32") for state in states]
    results = [
        tf.function(
            lambda x, states, layer=layer: differentiate(
                layer, x, states, mask=tf.constant(mask), training=True
            )
        )(x, states)
        for layer in (scan, stepwise)
    ]
    for ours, theirs in zip(*map(tf.nest.flatten, results), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.slow
def test_fit_with_lengths_that_change_takes_the_steps_of_the_stepwise_engine():
    models = []
    for layer in twins("float32", ("auto", "stepwise"), return_state=False):
        inputs = keras.Input((None, 3))
        models.append(keras.Model(inputs, layer(inputs)))
        models[-1].compile(keras.optimizers.SGD(0.1), "mse")
        for length in (5, 9):
            x = np.random.default_rng(length).normal(size=(4, length, 3)).astype("float32")
            models[-1].fit(x, np.ones((4, length, 4)), verbose=0, shuffle=False)
    for ours, theirs in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    explained = rnnlayers.explain_engine(models[0].layers[-1], (32, None, 3))
    assert "scan" in explained.splitlines()[0]


@pytest.mark.usefixtures("eagerly")
def test_a_sequence_without_steps_leaves_the_states_as_they_are():
    layer, _ = twins()
    x, states, _ = arguments(1)
    outputs, *after = layer(x[:, :0], initial_state=[tf.constant(state) for state in states])
    assert outputs.shape == (3, 0, 4)
    for state, before in zip(after, states, strict=True):
        np.testing.assert_array_equal(state, before)


@pytest.mark.slow
@pytest.mark.usefixtures("eagerly")
def test_second_derivatives():
    scan, stepwise = twins()
    x, _, _ = arguments(6)

    def penalty(layer):
        weights = layer.trainable_variables
        with tf.GradientTape() as outer:
            sequences = tf.constant(x)
            with tf.GradientTape() as inner:
                inner.watch(sequences)
                total = tf.reduce_sum(layer(sequences, training=True)[0] ** 3)
            first = tf.reduce_sum(inner.gradient(total, sequences) ** 2)
        return outer.gradient(first, [w.value for w in weights])

    for ours, theirs in zip(penalty(scan), penalty(stepwise), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-9)
