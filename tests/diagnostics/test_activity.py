"""Gates and states over time, against NumPy, and the advice that follows from them."""

import keras
import numpy as np
import pytest

import rnnlayers
from rnnlayers.diagnostics import advise, gradient_flow, states
from tests.diagnostics.networks import STEPS, run, sigmoid

TIME, UNITS = 6, 3


@pytest.fixture(autouse=True)
def _eagerly(eagerly):
    pass


def a_model(layer, features=2, time=TIME, masking=True):
    inputs = keras.Input((time, features), dtype=keras.config.dtype_policy().compute_dtype)
    h = keras.layers.Masking(9.0)(inputs) if masking else inputs
    model = keras.Model(inputs, layer(h))
    model.compile(loss="mse")
    return model


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", list(STEPS))
def test_states_and_gates_are_those_of_the_equations(name, reverse):
    keras.config.set_dtype_policy("float64")
    rng = np.random.default_rng(1)
    layer = getattr(rnnlayers, name)(UNITS, go_backwards=reverse, name="layer")
    model = a_model(layer)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()])
    x, mask = rng.normal(size=(2, TIME, 2)), np.ones((2, TIME), bool)
    mask[0, 4:], mask[1, 2] = False, False
    x[~mask] = 9.0
    found = states(model, x)["layer"]
    np.testing.assert_array_equal(found.valid, mask)
    step, size = STEPS[name](layer.get_weights()), UNITS * (2 if name == "LSTM" else 1)
    for row in range(2):
        expected = run(step, x[row], mask[row], size, reverse=reverse)
        together = np.concatenate([values[row] for values in found.states.values()], -1)
        np.testing.assert_allclose(together, expected, rtol=1e-9, atol=1e-12)
        first = np.zeros((1, size))
        if reverse:
            before = np.concatenate([expected[1:], first])[:, :UNITS]
        else:
            before = np.concatenate([first, expected[:-1]])[:, :UNITS]
        W, U, b = layer.get_weights()
        if name == "Elman":
            assert found.gates == {}
            continue
        b, d = b if name == "GRU" else (b, 0)
        z = np.split(x[row] @ W + b + before @ U + d, W.shape[1] // UNITS, -1)
        gates = {"i": 0, "f": 1, "o": 3} if name == "LSTM" else {"z": 0, "r": 1}
        assert found.gates.keys() == gates.keys()
        for gate, place in gates.items():
            values = sigmoid(z[place])[mask[row]]
            np.testing.assert_allclose(found.gates[gate][row][mask[row]], values, rtol=1e-9)


def test_gates_with_peepholes_and_in_wrappers_have_their_names():
    for cell in (
        rnnlayers.PeepholeLSTMCell(UNITS),
        rnnlayers.ZoneoutCell(rnnlayers.LSTMCell(UNITS), 0.1),
    ):
        layer = rnnlayers.Recurrent(cell, name="layer")
        found = states(a_model(layer), np.zeros((1, TIME, 2), "f"))["layer"]
        assert [*found.gates] == ["i", "f", "o"]
        assert found.forget_gate == "f"


def test_time_constants_are_those_of_an_exponential():
    layer = rnnlayers.LSTM(UNITS, kernel_initializer="zeros", recurrent_initializer="zeros")
    model = a_model(layer)
    bias = np.zeros(4 * UNITS, "f")
    f = np.array([0.5, 0.9, 0.99])
    bias[UNITS : 2 * UNITS] = np.log(f / (1 - f))
    layer.cell.bias.assign(bias)
    (found,) = states(model, np.zeros((2, TIME, 2), "f")).values()
    np.testing.assert_allclose(np.exp(-1 / found.time_constants), f, rtol=1e-5)


def test_dead_and_constant_units_and_the_rank_of_the_others():
    layer = rnnlayers.Elman(4, "relu", recurrent_initializer="zeros", name="elman")
    model = a_model(layer, masking=False)
    x = np.random.default_rng(2).normal(size=(8, TIME, 2)).astype("f")
    layer.cell.kernel.assign([[1.0, 0, 0, 0.0], [0, 0, 0, 1.0]])
    layer.cell.bias.assign([9.0, -9.0, 0.5, 9.0])
    found = states(model, x)["elman"]
    np.testing.assert_array_equal(found.dead, [1])
    np.testing.assert_array_equal(found.constant, [2])
    moving = x.reshape(-1, 2) - x.reshape(-1, 2).mean(0)
    shares = np.linalg.svd(moving, compute_uv=False)
    shares = shares / shares.sum()
    expected = np.exp(-(shares * np.log(shares)).sum())
    np.testing.assert_allclose(found.effective_rank, expected, rtol=1e-4)


def test_masked_steps_count_nowhere():
    layer = rnnlayers.LSTM(UNITS, name="lstm")
    model = a_model(layer)
    x = np.random.default_rng(2).normal(size=(2, TIME, 2)).astype("f")
    cut, padded = x[:, :4], x.copy()
    padded[:, 4:] = 9.0
    inputs = keras.Input((4, 2))
    shorter = keras.Model(inputs, layer(inputs))
    one, other = states(shorter, cut)["lstm"].summary(), states(model, padded)["lstm"].summary()
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_allclose(other[name], value, rtol=1e-4, err_msg=name)


def flow_of(layer, time=40, size=1.0):
    model = a_model(layer, features=1, time=time, masking=False)
    x = np.full((2, time, 1), size, "f")
    return gradient_flow(model, x, np.zeros((2, layer.units), "f"))


def constant(value):
    return keras.initializers.Constant(value)


def test_advice_on_gradients_that_vanish():
    layer = rnnlayers.Elman(1, "linear", recurrent_initializer=constant(0.5), name="elman")
    (line,) = advise(flow_of(layer))
    assert line.startswith(
        "gradients of layer 'elman' are below 1 % after 7 of 40 steps: what lies further back"
    )
    assert "Try LSTM or GRU" in line
    closed = rnnlayers.LSTM(1, bias_initializer=constant(-3.0), unit_forget_bias=False, name="lstm")
    (line,) = advise(flow_of(closed))
    assert "larger bias of the forget gate" in line


def test_advice_on_gradients_that_explode():
    layer = rnnlayers.Elman(1, "linear", recurrent_initializer=constant(1.2), name="elman")
    flow = flow_of(layer, size=1e-6)
    (line,) = advise(flow)
    assert line.startswith("exploding: the gradient of layer 'elman' is 1.22e+03 times as large")
    assert "clip at 1; the 99th percentile" in line
    norms = [*range(1, 21), float("nan")]
    (line,) = advise(flow, norms=norms)
    seen = [*range(1, 21), flow.gradient_norm]
    assert f"clip at {np.median(seen):.2g}; the 99th percentile" in line
    assert f"is {np.percentile(seen, 99):.2g}." in line


def test_sums_of_gradients_of_many_steps_do_not_explode():
    """With a loss at each step, the gradient at the first of 120 steps is 120 times the last."""
    layer = rnnlayers.Elman(
        1, "linear", recurrent_initializer="ones", return_sequences=True, name="elman"
    )
    model = a_model(layer, features=1, time=120, masking=False)
    x = np.ones((1, 120, 1), "f")
    flow = gradient_flow(model, x, loss=lambda y, outputs: outputs)
    np.testing.assert_allclose(flow.layers["elman"].norm[0, 0] * 120, 120, rtol=1e-4)
    assert advise(flow) == []


def test_advice_on_a_loss_that_is_lost():
    layer = rnnlayers.Elman(1, "linear", recurrent_initializer=constant(1e3), name="elman")
    (line,) = advise(flow_of(layer), norms=10 * [2.0])
    assert line.startswith("the loss is ")
    assert ": clip at 2, lower the learning rate" in line


def test_no_advice_on_a_network_that_is_well():
    layer = rnnlayers.Elman(2, "linear", kernel_initializer="ones", name="elman")
    assert advise(flow_of(layer, size=0.01)) == []  # orthogonal
    x = np.random.default_rng(0).normal(size=(4, TIME, 2)).astype("f")
    assert advise(states=states(a_model(rnnlayers.LSTM(UNITS)), x)) == []


@pytest.mark.parametrize(
    ("layer", "size", "expected"),
    [
        (
            lambda: rnnlayers.LSTM(
                8, bias_initializer=constant(-5.0), unit_forget_bias=False, name="lstm"
            ),
            1.0,
            "100 % of the forget gates of layer 'lstm' are closed at 0",
        ),
        (
            lambda: rnnlayers.Elman(8, "relu", bias_initializer=constant(-50.0), name="elman"),
            1.0,
            "8 of 8 units of layer 'elman' are dead",
        ),
        (
            lambda: rnnlayers.Elman(8, bias_initializer=constant(50.0), name="elman"),
            1.0,
            "8 of 8 units of layer 'elman' never change",
        ),
        (lambda: rnnlayers.Elman(8, name="elman"), 1e3, "of the outputs of layer 'elman' are bey"),
        (
            lambda: rnnlayers.Elman(
                32,
                "linear",
                kernel_initializer="ones",
                recurrent_initializer=constant(0.0),
                name="elman",
            ),
            1.0,
            "the states of layer 'elman' move in 1.0 directions, with 32 units",
        ),
    ],
)
def test_advice_on_states(layer, size, expected):
    x = size * np.random.default_rng(0).normal(size=(4, TIME, 2)).astype("f")
    lines = advise(states=states(a_model(layer(), masking=False), x))
    assert any(expected in line for line in lines), lines
