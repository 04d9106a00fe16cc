"""GRU-D: what is missing, how long ago it was observed, and the means."""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnlayers
from tests import family_equations as equations
from tests.cases import randomize
from tests.engines.twins import assert_engines_agree
from tests.numbers import refused

FUNCTIONS = types.SimpleNamespace(act=np.tanh, gate=equations.sigmoid)


def series(rows=3, steps=7, features=2, seed=0):
    """Return values of which half are missing, and irregular times."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, steps, features))
    x[rng.random(x.shape) < 0.5] = np.nan
    times = 3 + np.cumsum(rng.random((rows, steps, 1)), 1)
    return x, times


def by_the_paper(x, times, w):
    """Return the outputs of a row, with delta and the last observation found by searching."""
    h = np.zeros(len(w["state_decay_bias"]))
    for t in range(len(x)):
        delta, last = np.zeros(x.shape[1]), w["means"].copy()
        for feature in range(x.shape[1]):
            observed = [s for s in range(t) if not np.isnan(x[s, feature])]
            if t:
                delta[feature] = times[t] - times[observed[-1] if observed else 0]
            if observed:
                last[feature] = x[observed[-1], feature]
        states = {"h": h, "e": last - w["means"], "d": delta, "clock": np.zeros(2)}
        h, _ = equations.gru_d(x[t], states, w, FUNCTIONS, False)
        yield h


@pytest.mark.parametrize("time_feature", [False, True])
def test_outputs_are_those_of_the_paper(time_feature):
    x, times = series()
    layer = randomize(
        rnnlayers.GRUD(4, time_feature=time_feature, return_sequences=True, dtype="float64"),
        3 if time_feature else 2,
    )
    outputs = layer(np.concatenate([x, times], -1) if time_feature else x)
    weights = {w.name: np.asarray(w.numpy()) for w in layer.weights}
    for row in range(len(x)):
        seconds = times[row, :, 0] if time_feature else np.arange(x.shape[1])
        np.testing.assert_allclose(
            outputs[row], list(by_the_paper(x[row], seconds, weights)), atol=1e-12
        )


@pytest.mark.usefixtures("eagerly")
def test_engines_agree_and_gradients_are_finite_where_values_are_missing():
    x, _ = series()
    layers = [
        randomize(rnnlayers.GRUD(4, return_sequences=True, engine=engine, dtype="float64"), 2)
        for engine in ("compiled", "stepwise")
    ]
    mask = np.arange(7) < [[7], [4], [0]]
    assert_engines_agree(layers, x, None, "float64", mask=mask, training=True)
    with tf.GradientTape() as tape:
        sequences = tf.constant(x)
        tape.watch(sequences)
        total = tf.reduce_sum(layers[0](sequences, training=True))
    gradient = tape.gradient(total, sequences).numpy()
    assert np.all(gradient[np.isnan(x)] == 0)
    assert np.all(gradient[~np.isnan(x)] != 0)


def test_adapt_takes_the_means_of_what_is_observed():
    x, times = series()
    layer = rnnlayers.GRUD(4, time_feature=True)
    layer.adapt(np.concatenate([x, times], -1))
    np.testing.assert_allclose(layer.cell.mean, np.nanmean(x, (0, 1)), rtol=1e-6)
    nothing = np.full((1, 1, 2), np.nan)
    empty = layer(np.concatenate([nothing, np.ones((1, 1, 1))], -1))
    as_mean = rnnlayers.GRUD(4, time_feature=True, means=layer.cell.mean.numpy().tolist())
    as_mean.build((None, None, 3))
    as_mean.set_weights(layer.get_weights())
    np.testing.assert_array_equal(as_mean(np.concatenate([nothing, np.ones((1, 1, 1))], -1)), empty)
    with refused("data", "observed", "0"):
        layer.adapt(np.concatenate([nothing, np.ones((1, 1, 1))], -1))


def test_bad_arguments_are_refused():
    with refused("means", "2 features", "3"):
        rnnlayers.GRUDCell(4, means=(1, 2, 3)).build((None, 2))
    with refused("depend on the number of features", "build"):
        _ = rnnlayers.GRUDCell(4).state_sizes


@pytest.mark.slow
def test_a_model_learns_and_saves_where_values_are_missing(tmp_path):
    x, _ = series(64, 6)
    y = np.nan_to_num(x).sum(1)
    inputs = keras.Input((None, 2))
    model = keras.Model(inputs, keras.layers.Dense(2)(rnnlayers.GRUD(8)(inputs)))
    model.compile(keras.optimizers.Adam(0.02), "mse")
    losses = model.fit(x, y, epochs=60, verbose=0).history["loss"]
    assert losses[-1] < 0.3 * losses[0]
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
