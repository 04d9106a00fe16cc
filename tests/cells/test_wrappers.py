"""Cells around other cells: what they draw, what they compute with it, and what they refuse."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnlayers
from rnnlayers.engines.choose import run_on
from rnnlayers.testing import check_cell
from tests.cases import randomize, sample
from tests.equations import bind, gru, lstm
from tests.numbers import assert_same, refused

TIME, BATCH = 7, 3
ENGINES = pytest.mark.parametrize("engine", ["stepwise", "compiled"])


def run(engine, cell, x, side, mask=None, training=True):
    """Return the outputs `(batch, time, units)` of an engine from zeros, with given side inputs."""
    zeros = tuple(cell.get_initial_state(len(x)))
    mask = None if mask is None else tf.constant(mask.T[..., None])
    outputs, _ = run_on(
        engine,
        cell,
        tf.transpose(tf.constant(x), (1, 0, 2)),
        zeros,
        side=side,
        mask=mask,
        training=training,
    )
    return tf.transpose(outputs, (1, 0, 2))


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    "cell",
    [
        rnnlayers.ZoneoutCell(rnnlayers.LSTMCell(4), {"h": 0.1, "c": 0.3}, seed=1, name="mine"),
        rnnlayers.WeightDropCell(rnnlayers.GRUCell(4), 0.3, seed=1, name="mine"),
        # The limits are far away, so that central differences see no clipping.
        rnnlayers.ClippedGradientCell(rnnlayers.LSTMCell(4), max_value=1e6, name="mine"),
        rnnlayers.ClippedGradientCell(
            rnnlayers.ZoneoutCell(rnnlayers.ClockworkCell(4)), max_norm=1e6, name="mine"
        ),
    ],
    ids=["zoneout", "weight drop", "clipped", "clipped zoneout"],
)
def test_it_keeps_the_contract(cell):
    check_cell(cell)


@ENGINES
def test_zoneout_keeps_what_it_has_drawn(engine):
    inner = randomize(rnnlayers.Recurrent(rnnlayers.LSTMCell(4, dtype="float64"))).cell
    rates = {"h": 0.2, "c": 0.6}
    cell = rnnlayers.ZoneoutCell(inner, rates, seed=1)
    cell.built = True
    x = sample(BATCH, TIME, dtype="float64")
    side = cell.draw(tf.constant(x.transpose(1, 0, 2)))
    keep = [np.asarray(mask) for mask in side.steps]
    mask = np.ones((BATCH, TIME), bool)
    mask[1, 2:4] = False
    step, expected = bind(lstm, inner), np.zeros((BATCH, TIME, 4))
    for row in range(BATCH):
        states = [np.zeros(4), np.zeros(4)]
        for now in range(TIME):
            if mask[row, now]:
                new = step(x[row, now], states)
                kept = [k[now, row] for k in keep]
                states = [k * s + (1 - k) * n for k, s, n in zip(kept, states, new, strict=True)]
            expected[row, now] = states[0]
    assert_same(run(engine, cell, x, side, mask), expected, "float64")


def test_zoneout_draws_its_rates_and_expects_them_in_inference():
    cell = rnnlayers.ZoneoutCell(rnnlayers.GRUCell(8), 0.3, seed=1)
    kept = cell.draw(tf.zeros((100, 20, 3))).steps
    assert len(kept) == 1
    np.testing.assert_allclose(np.mean(kept[0]), 0.3, atol=0.02)
    assert set(np.unique(kept[0])) == {0, 1}
    layer = randomize(rnnlayers.Recurrent(cell, return_sequences=True))
    step = bind(gru, cell.cell)
    h, expected = np.zeros(8), []
    x = sample(1, TIME)
    for now in range(TIME):
        (new,) = step(x[0, now], [h])
        h = 0.3 * h + 0.7 * new
        expected.append(h)
    assert_same(layer(x)[0], np.array(expected))


@ENGINES
def test_dropped_weights_are_dropped_for_all_steps_and_get_no_gradient(engine):
    inner = randomize(rnnlayers.Recurrent(rnnlayers.LSTMCell(4, dtype="float64"))).cell
    cell = rnnlayers.WeightDropCell(inner, 0.4, seed=1)
    cell.build((None, 3))
    x = sample(BATCH, TIME, dtype="float64")
    side = cell.draw(tf.constant(x.transpose(1, 0, 2)))
    *_, mask = side.sequence
    assert set(np.unique(mask)) == {0, 1 / 0.6}
    with tf.GradientTape() as tape:
        outputs = run(engine, cell, x, side)
        total = tf.reduce_sum(outputs**2)
    gradient = tape.gradient(total, inner.recurrent_kernel.value)
    assert np.all((gradient.numpy() == 0) == (mask.numpy() == 0))
    plain = run(engine, cell, x, None)
    inner.recurrent_kernel.assign(inner.recurrent_kernel * mask)
    assert_same(outputs, run(engine, inner, x, None), "float64")
    assert np.abs(plain - outputs).max() > 0.01


def clipped_by_hand(U, h, upstream, clip):
    """Return dL/dx of a linear network h = x + U h_prev, the gradient clipped at each step."""
    d_x, d = np.zeros_like(h), np.zeros(h.shape[1:])
    for now in reversed(range(len(h))):
        d = d + upstream[now]
        d_x[now] = d
        d = clip(d @ U.T)
    return d_x


@ENGINES
@pytest.mark.parametrize(
    "limits",
    [{"max_value": 0.7}, {"max_norm": 0.9}],
    ids=["max_value", "max_norm"],
)
@pytest.mark.parametrize("cell_class", [rnnlayers.ElmanCell, rnnlayers.IRNNCell])
def test_the_gradient_is_clipped_between_steps(engine, limits, cell_class):
    """The first cell has a derivative written by hand, the second has none."""
    cell = rnnlayers.ClippedGradientCell(
        cell_class(4, activation="linear", use_bias=False, dtype="float64"), **limits
    )
    cell.build((None, 4))
    rng = np.random.default_rng(0)
    U = 1.5 * rng.normal(size=(4, 4))
    cell.set_weights([np.eye(4), U])
    x, upstream = rng.normal(size=(2, TIME, BATCH, 4))

    def clip(d):
        if "max_value" in limits:
            return np.clip(d, -0.7, 0.7)
        return d * np.minimum(1, 0.9 / np.linalg.norm(d, axis=-1, keepdims=True))

    inputs = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs, _ = run_on(
            engine, cell, inputs, tuple(cell.get_initial_state(BATCH)), training=True
        )
        total = tf.reduce_sum(outputs * upstream)
    h = np.zeros((TIME, BATCH, 4))
    for now in range(TIME):
        h[now] = x[now] + (h[now - 1] @ U if now else 0)
    assert_same(outputs, h, "float64")
    expected = clipped_by_hand(U, h, upstream, clip)
    assert_same(tape.gradient(total, inputs), expected, "float64")
    unclipped = clipped_by_hand(U, h, upstream, lambda d: d)
    assert np.abs(unclipped).max() > 10 * np.abs(expected).max()


def test_the_directions_draw_from_different_seeds():
    cell = rnnlayers.ZoneoutCell(rnnlayers.LSTMCell(4, seed=3), 0.1, seed=7)
    layer = rnnlayers.Bidirectional(rnnlayers.Recurrent(cell))
    cells = [layer.forward_layer.cell, layer.backward_layer.cell]
    assert [(c.seed, c.cell.seed) for c in cells] == [(7, 3), (8, 4)]


@pytest.mark.slow
@pytest.mark.usefixtures("eagerly")
def test_a_wrapped_cell_trains_in_a_model_and_is_saved_with_it(tmp_path):
    cell = rnnlayers.LSTMCell(4, recurrent_dropout=0.2)
    cell = rnnlayers.ZoneoutCell(rnnlayers.WeightDropCell(cell, 0.2), 0.1)
    layer = rnnlayers.Bidirectional(rnnlayers.Recurrent(cell))
    model = keras.Sequential([keras.Input((5, 3)), layer, keras.layers.Dense(1)])
    model.compile("adam", "mse")
    x = sample(8, 5)
    losses = model.fit(x, x[:, :1, 0], epochs=20, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert_same(again(x), model(x))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: rnnlayers.ZoneoutCell(keras.layers.LSTMCell(4)), ["`cell`", "rnnlayers.Cell"]),
        (lambda: rnnlayers.ZoneoutCell(rnnlayers.LSTMCell(4), 1.0), ["`rate`", "1.0"]),
        (lambda: rnnlayers.ZoneoutCell(rnnlayers.LSTMCell(4), {"z": 0.1}), ["`rate`", "h, c", "z"]),
        (lambda: rnnlayers.ZoneoutCell(rnnlayers.LSTMCell(4), {"c": 2}), ["`rate['c']`", "2"]),
        (lambda: rnnlayers.WeightDropCell(rnnlayers.LSTMCell(4), -0.1), ["`rate`", "-0.1"]),
        (
            lambda: rnnlayers.WeightDropCell(rnnlayers.MinGRUCell(4)).build((None, 3)),
            ["`cell`", "matrix", "MinGRUCell"],
        ),
        (lambda: rnnlayers.ClippedGradientCell(rnnlayers.LSTMCell(4)), ["max_value", "max_norm"]),
        (
            lambda: rnnlayers.ClippedGradientCell(rnnlayers.LSTMCell(4), max_norm=0),
            ["`max_norm`", "above 0", "0"],
        ),
    ],
)
def test_bad_arguments_are_refused(make, words):
    with refused(*words):
        make()
