"""Jacobians of steps, and the parts of the gradient of the recurrent kernel."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnlayers
from rnnlayers.diagnostics import gradient_parts, step_jacobians
from tests.diagnostics.networks import STEPS, run

TIME, UNITS = 5, 3
MASKS = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [0, 1, 0, 1, 1]], bool)


@pytest.fixture(autouse=True)
def _float64(eagerly):
    keras.config.set_dtype_policy("float64")


def a_model(layer):
    inputs = keras.Input((TIME, 2), dtype="float64")
    model = keras.Model(inputs, layer(keras.layers.Masking(9.0)(inputs)))
    model.compile(loss="mse")
    rng = np.random.default_rng(1)
    layer.set_weights([0.7 * rng.normal(size=w.shape) for w in layer.get_weights()])
    x = rng.normal(size=(len(MASKS), TIME, 2))
    x[~MASKS] = 9.0
    return model, x, rng.normal(size=model(x).shape)


def numeric_jacobians(name, layer, x, mask, reverse, by=1e-6):
    """Return ds_t/ds_(t-1) of one row by central differences, the step computed last first."""
    step = STEPS[name](layer.get_weights())
    size = UNITS * (2 if name == "LSTM" else 1)
    states = run(step, x, mask, size, reverse=reverse)
    order = [t for t in (range(TIME) if reverse else reversed(range(TIME))) if mask[t]]
    found = []
    for t in order:
        before = t + 1 if reverse else t - 1
        previous = states[before] if 0 <= before < TIME else np.zeros(size)
        columns = [
            (step(x[t], previous + by * push) - step(x[t], previous - by * push)) / (2 * by)
            for push in np.eye(size)
        ]
        found.append(np.stack(columns, -1))
    return order, found


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", list(STEPS))
def test_singular_values_are_those_of_finite_differences(name, reverse):
    layer = getattr(rnnlayers, name)(UNITS, go_backwards=reverse, name="layer")
    model, x, _ = a_model(layer)
    exact = step_jacobians(model, x, spans=(1, 2, 4))["layer"]
    for row, mask in enumerate(MASKS):
        order, jacobians = numeric_jacobians(name, layer, x[row], mask, reverse)
        values = np.stack([np.linalg.svd(j, compute_uv=False) for j in jacobians])
        np.testing.assert_allclose(exact.singular_values[row, order], values, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(exact.largest[row, order], values[:, 0], rtol=1e-6)
        assert np.isnan(exact.largest[row, ~mask]).all()
        product = np.eye(jacobians[0].shape[0])
        for length, jacobian in enumerate(jacobians, start=1):
            product = product @ jacobian
            if length in exact.spans:
                norm = np.linalg.norm(product, 2)
                np.testing.assert_allclose(exact.spans[length][row], norm, rtol=1e-6)
        missing = [span for span in exact.spans if span > len(order)]
        assert all(np.isnan(exact.spans[span][row]) for span in missing)


@pytest.mark.parametrize("name", ["Elman", pytest.param("LSTM", marks=pytest.mark.slow)])
def test_the_power_method_comes_near_from_below(name, not_eagerly):
    model, x, _ = a_model(getattr(rnnlayers, name)(UNITS, name="layer"))
    exact = step_jacobians(model, x, spans=(3,))["layer"]
    near = step_jacobians(model, x, spans=(3,), exact_up_to=1)["layer"]
    assert near.singular_values is None
    # Slowly where the two largest are near each other.
    np.testing.assert_allclose(near.largest, exact.largest, rtol=0.05)
    np.testing.assert_allclose(near.spans[3], exact.spans[3], rtol=0.05)
    assert (near.largest <= exact.largest * (1 + 1e-6))[MASKS].all()


@pytest.mark.parametrize(
    ("layer", "reverse"),
    [
        (rnnlayers.Elman, False),
        (rnnlayers.Elman, True),
        (rnnlayers.LSTM, False),
        (rnnlayers.GRU, True),
    ],
)
@pytest.mark.parametrize("return_sequences", [False, True])
def test_explicit_and_implicit_parts_sum_to_the_gradient(layer, reverse, return_sequences):
    layer = layer(UNITS, go_backwards=reverse, return_sequences=return_sequences)
    model, x, y = a_model(layer)
    parts = gradient_parts(model, x, y)
    with tf.GradientTape() as tape:
        loss = model.compute_loss(y=y, y_pred=model(x))
    expected = tape.gradient(loss, layer.cell.recurrent_kernel.value)
    np.testing.assert_allclose(parts.gradient, expected, rtol=1e-8, atol=1e-12)
    above = np.triu(np.ones((TIME, TIME), bool), 1)
    assert (parts.norms[above] == 0).all()
    if not return_sequences:  # the loss reads the last step alone
        assert (parts.norms[:-1] < 1e-12).all()
        assert np.abs(parts.explicit[-1]).max() > 1e-6


def test_the_parts_of_a_scalar_linear_network_in_closed_form():
    """h_t = u h_(t-1) + x_t and L = h_3: dh_3/du = h_2 + u h_1, explicit and implicit."""
    inputs = keras.Input((3, 1))
    layer = rnnlayers.Elman(1, "linear", kernel_initializer="ones")
    model = keras.Model(inputs, layer(inputs))
    layer.cell.recurrent_kernel.assign([[0.5]])
    x = np.array([2.0, 3.0, 7.0]).reshape(1, 3, 1)
    h_1, h_2 = 2.0, 0.5 * 2.0 + 3.0
    parts = gradient_parts(model, x, loss=lambda y, outputs: outputs[:, 0])
    np.testing.assert_allclose(parts.explicit.ravel(), [0, 0, h_2])
    np.testing.assert_allclose(parts.implicit.ravel(), [0, 0, 0.5 * h_1])
    np.testing.assert_allclose(parts.norms[2], [0, 0.5 * h_1, h_2])


def test_a_cell_that_multiplies_twice_has_the_parts_of_each_kernel():
    layer = rnnlayers.GRU(UNITS, reset_after=False)
    model, x, y = a_model(layer)
    with tf.GradientTape() as tape:
        loss = model.compute_loss(y=y, y_pred=model(x))
    expected = tape.gradient(loss, layer.cell.recurrent_kernel.value)
    found = [gradient_parts(model, x, y, product=name).gradient for name in ("", "n")]
    np.testing.assert_allclose(np.concatenate(found, -1), expected, rtol=1e-8, atol=1e-12)


def test_bad_arguments_are_refused():
    model, x, y = a_model(rnnlayers.Elman(UNITS, name="elman"))
    with pytest.raises(ValueError, match="`layer` must be one of 'elman'; received 'lstm'"):
        gradient_parts(model, x, y, "lstm")
    with pytest.raises(ValueError, match=r"`product` must be one of ''.* ElmanCell; received 'n'"):
        gradient_parts(model, x, y, product="n")
    with pytest.raises(ValueError, match="`rows` must be a positive integer"):
        step_jacobians(model, x, rows=0)
    with pytest.raises(ValueError, match="`spans` must be a positive integer"):
        step_jacobians(model, x, spans=(0,))
