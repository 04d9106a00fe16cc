"""The cuDNN engine against the reference engine, with a stand-in for cuDNN's operators."""

import numpy as np
import pytest
import tensorflow as tf

import rnnlayers
from rnnlayers.cells import SideInputs
from rnnlayers.engines import cudnn, cudnn_call
from rnnlayers.engines.choose import Call
from rnnlayers.engines.cudnn import run_both_cudnn, run_cudnn
from rnnlayers.engines.cudnn_call import from_canonical, to_canonical
from rnnlayers.engines.stepwise import run_stepwise
from tests.cases import MASKS, randomize, sample
from tests.engines.cudnn_stand_in import STAND_IN
from tests.numbers import assert_same

pytestmark = pytest.mark.usefixtures("eagerly", "with_a_gpu")

CELLS = {
    "elman": lambda **more: rnnlayers.ElmanCell(5, **more),
    "elman-relu": lambda **more: rnnlayers.ElmanCell(5, activation="relu", **more),
    "lstm": lambda **more: rnnlayers.LSTMCell(5, **more),
    "lstm-projected": lambda **more: rnnlayers.ProjectedLSTMCell(5, projection=3, **more),
    "gru": lambda **more: rnnlayers.GRUCell(5, **more),
}
each_cell = pytest.mark.parametrize("name", CELLS)


@pytest.fixture
def with_a_gpu(monkeypatch):
    monkeypatch.setattr(cudnn_call, "operators", STAND_IN)
    monkeypatch.setattr(cudnn, "gpu_is_there", lambda: True)


def make(name, dtype="float64", **more):
    """Return a cell with random weights, sequences `(batch, time, features)` and states."""
    cell = randomize(CELLS[name](dtype=dtype, **more))
    sizes = [state.shape[-1] for state in cell.get_initial_state(1)]
    states = [
        tf.constant(sample(6, 1, size, dtype, 7 + size)[:, 0]) for place, size in enumerate(sizes)
    ]
    return cell, tf.constant(sample(6, 6, dtype=dtype, seed=1)), states


def both(cell, x, states, mask=None, **options):
    """Return results and gradients of the reference engine, and those of this one."""
    if mask is not None:
        options["mask"] = tf.constant(np.swapaxes(mask, 0, 1)[..., None])
    sources = [x, *states, *cell.trainable_variables]
    found = []
    for run in (run_stepwise, run_cudnn):
        with tf.GradientTape() as tape:
            tape.watch([x, *states])
            outputs, after = run(cell, tf.transpose(x, (1, 0, 2)), tuple(states), **options)
            results = [*([] if outputs is None else [outputs]), *after]
            upstream = [
                tf.constant(np.random.default_rng(9).normal(size=result.shape), result.dtype)
                for result in results
            ]
        found.append([*results, *tape.gradient(results, sources, upstream)])
    return found


@each_cell
@pytest.mark.parametrize(
    ("mask", "reverse"),
    [("every pattern", False), ("every pattern", True), ("all masked", False)],
)
def test_any_mask_in_both_directions(name, mask, reverse):
    cell, x, states = make(name)
    expected, found = both(cell, x, states, MASKS[mask], reverse=reverse, training=True)
    for result, wanted in zip(found, expected, strict=True):
        assert_same(result, wanted)


@each_cell
def test_without_mask_bias_and_outputs(name):
    cell, x, states = make(name, use_bias=False)
    for wanted, result in zip(*both(cell, x, states, return_sequences=False), strict=True):
        assert_same(result, wanted)


def test_dropout_of_the_inputs_and_truncated_gradients(not_eagerly):
    cell, x, states = make("lstm", dtype="float32")
    dropped = tf.constant(np.random.default_rng(0).integers(0, 2, (1, 6, 3)).astype("float32"))
    for options in ({"side": SideInputs(sequence=(dropped, None))}, {"truncate": 2}):
        for wanted, result in zip(*both(cell, x, states, **options), strict=True):
            np.testing.assert_allclose(result, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("around", [lambda layer: layer, rnnlayers.Bidirectional])
def test_nan_at_masked_steps_reaches_no_gradient(around):
    mask = np.array([[True, False, True], [False] * 3, [True] * 3])
    x = tf.constant(np.where(mask[..., None], normal(1, (3, 3, 4)), np.nan))
    layer = around(rnnlayers.GRU(5, engine="cudnn", return_sequences=True, dtype="float64"))
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(layer(x, mask=mask, training=True) ** 2)
    for gradient in tape.gradient(total, [x, *layer.trainable_variables]):
        assert np.all(np.isfinite(gradient))


def normal(seed, shape):
    return np.random.default_rng(seed).normal(size=shape)


def in_both_directions(name, mask, run, **options):
    """Return results and gradients of two cells in opposite directions, `run` at once or not."""
    cells = [make(name, **options)[0] for _ in range(2)]
    cells[1].set_weights([-0.7 * weight for weight in cells[0].get_weights()])
    _, x, states = make(name, **options)
    with tf.GradientTape() as tape:
        tape.watch([x, *states])
        starts = (tuple(states), tuple(2 * state for state in states))
        if run is run_both_cudnn:
            found = run(tuple(cells), x, starts, mask=mask, training=True)
        else:
            found = [
                run(cell, tf.transpose(x, (1, 0, 2)), start, mask=mask, reverse=reverse)
                for cell, start, reverse in zip(cells, starts, (False, True), strict=True)
            ]
            found = [(tf.transpose(outputs, (1, 0, 2)), after) for outputs, after in found]
        results = [tensor for outputs, after in found for tensor in (outputs, *after)]
        total = sum(
            tf.reduce_sum(tf.constant(normal(place, result.shape), result.dtype) * result)
            for place, result in enumerate(results)
        )
    weights = [weight for cell in cells for weight in cell.trainable_variables]
    return [*results, *tape.gradient(total, [x, *states, *weights])]


@pytest.mark.parametrize(
    ("name", "mask"),
    [*((name, "every pattern") for name in CELLS), ("lstm", "all masked"), ("gru", None)],
)
def test_both_directions_in_one_call(name, mask, monkeypatch):
    calls = []

    def counted(**given):
        calls.append(given["direction"])
        return STAND_IN.forward(**given)

    mask = mask and tf.constant(np.swapaxes(MASKS[mask], 0, 1)[..., None])
    expected = in_both_directions(name, mask, run_stepwise)
    monkeypatch.setattr(cudnn_call, "operators", STAND_IN._replace(forward=counted))
    for result, wanted in zip(
        in_both_directions(name, mask, run_both_cudnn), expected, strict=True
    ):
        assert_same(result, wanted)
    assert calls == ["bidirectional"]


@pytest.mark.parametrize(
    ("options", "together"),
    [
        ({}, True),
        ({"return_sequences": False}, True),
        ({"dropout": 0.5}, False),
        ({"truncate": 2}, False),
        ({"activity_regularizer": "l2"}, False),
    ],
)
def test_a_bidirectional_layer_runs_both_directions_at_once(options, together, monkeypatch):
    directions = []

    def counted(**given):
        directions.append(given["direction"])
        return STAND_IN.forward(**given)

    monkeypatch.setattr(cudnn_call, "operators", STAND_IN._replace(forward=counted))
    options = {"return_sequences": True, "return_state": True, **options}
    mask, x = MASKS["every pattern"], tf.constant(sample(6, 6))

    def results(engine, training):
        layer = randomize(rnnlayers.Bidirectional(rnnlayers.GRU(4, engine=engine, **options)))
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = tf.nest.flatten(layer(x, mask=mask, training=training))
            total = sum(tf.reduce_sum(output**2) for output in outputs)
        return [*outputs, *tape.gradient(total, [x, *layer.trainable_variables])]

    results("cudnn", training=True)
    assert (directions == ["bidirectional"]) == together
    if "dropout" not in options:
        for result, wanted in zip(results("cudnn", False), results("stepwise", False), strict=True):
            assert_same(result, wanted)


def test_whether_both_directions_run_at_once_is_explained():
    def last_line(layer, **options):
        layer = rnnlayers.Bidirectional(layer, name="both", **options)
        return rnnlayers.explain_engine(layer, (3, 5, 4)).splitlines()[-1]

    cudnn = {"engine": "cudnn"}
    assert "in one call: they are of one kind and size" in last_line(rnnlayers.GRU(4, **cudnn))
    other = rnnlayers.LSTM(4, go_backwards=True, **cudnn)
    refusal = "one after the other: cuDNN wants two directions of one kind and size"
    assert refusal in last_line(rnnlayers.GRU(4, **cudnn), backward_layer=other)
    line = last_line(rnnlayers.GRU(4, dropout=0.5, **cudnn))
    assert "dropout gives each direction inputs of its own" in line
    assert "the stepwise engine runs one" in last_line(rnnlayers.GRU(4, engine="stepwise"))
    for options, reason in {
        ("stateful", True): "is stateful",
        ("activity_regularizer", "l2"): "has an activity regularizer",
        ("dtype", "bfloat16"): "computes with bfloat16, and not with float32",
    }.items():
        line = last_line(rnnlayers.GRU(4, **cudnn, **dict([options])), dtype="float32")
        assert "one after the other" in line
        assert reason in line


@pytest.mark.slow
def test_second_derivatives_of_both_directions(not_eagerly):
    cells, _, states = [make("gru")[0] for _ in range(2)], *make("gru")[1:]
    x, found = make("gru")[1], []
    for at_once in (False, True):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                if at_once:
                    pair = run_both_cudnn(tuple(cells), x, (tuple(states),) * 2)
                    total = tf.add_n([tf.reduce_sum(outputs) for outputs, _ in pair])
                else:
                    steps, start = tf.transpose(x, (1, 0, 2)), tuple(states)
                    pair = [run_stepwise(cells[n], steps, start, reverse=n == 1) for n in (0, 1)]
                    total = tf.add_n([tf.reduce_sum(outputs) for outputs, _ in pair])
            norm = tf.reduce_sum(inner.gradient(total, x) ** 2)
        found.append(outer.gradient(norm, x))
    assert_same(*found)


def test_second_derivatives(not_eagerly):
    cell, x, states = make("gru")
    found = []
    for run in (run_stepwise, run_cudnn):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                outputs, _ = run(cell, tf.transpose(x, (1, 0, 2)), tuple(states))
            norm = tf.reduce_sum(inner.gradient(outputs, x) ** 2)
        found.append(outer.gradient(norm, x))
    assert_same(*found)


@each_cell
def test_the_canonical_form_comes_back(name):
    cell, *_ = make(name)
    form = rnnlayers.standard_form(cell)
    weights = {
        key: tf.convert_to_tensor(getattr(cell, key))
        for key in cudnn_call.WEIGHTS
        if getattr(cell, key, None) is not None
    }
    back = from_canonical(form, *to_canonical(form, cell.units, weights))
    assert back.keys() == weights.keys()
    for key, value in weights.items():
        assert_same(back[key], value)


def test_a_layer_runs_on_it_if_asked():
    x = sample(3, 5, dtype="float32")
    layer = rnnlayers.GRU(4, engine="cudnn", name="gru")
    assert rnnlayers.explain_engine(layer, (3, 5, 4)).startswith("gru runs on the cudnn engine")
    twin = rnnlayers.GRU(4, engine="stepwise")
    twin.build(x.shape)
    layer.build(x.shape)
    twin.set_weights(layer.get_weights())
    np.testing.assert_allclose(layer(x), twin(x), atol=1e-6)


@pytest.mark.parametrize(
    ("cell", "asked", "reason"),
    [
        (lambda: rnnlayers.LSTMCell(4), False, "it has never run on a GPU; try it with"),
        (lambda: rnnlayers.NASCell(4), True, "cuDNN has no NASCell with these arguments"),
        (lambda: rnnlayers.LSTMCell(4, activation="relu"), True, "cuDNN has no LSTMCell"),
        (lambda: rnnlayers.GRUCell(4, reset_after=False), True, "cuDNN has no GRUCell"),
        (
            lambda: rnnlayers.LSTMCell(4, recurrent_dropout=0.5),
            True,
            "cuDNN has no dropout of the recurrent state",
        ),
    ],
)
def test_it_refuses_in_words(cell, asked, reason):
    refusal = cudnn.cudnn_refuses(cell(), Call(3, 5, training=True, asked=asked))
    assert refusal.startswith(reason)


def test_without_a_gpu_it_is_named_only_if_asked_for(monkeypatch):
    monkeypatch.setattr(cudnn, "gpu_is_there", lambda: False)
    assert "cudnn" not in rnnlayers.explain_engine(rnnlayers.LSTM(4), (3, 5, 4))
    asked = rnnlayers.explain_engine(rnnlayers.LSTM(4, engine="cudnn"), (3, 5, 4))
    assert "Not on cudnn: there is no GPU." in asked


@pytest.mark.gpu
@each_cell
def test_on_a_gpu(name, monkeypatch, not_eagerly):
    monkeypatch.undo()
    cell, x, states = make(name, dtype="float32")
    mask = np.array([[True] * 6, [False] * 6, [True] * 3 + [False] * 3] * 2)
    for reverse in (False, True):
        expected, found = both(cell, x, states, mask, reverse=reverse, training=True)
        for result, wanted in zip(found, expected, strict=True):
            np.testing.assert_allclose(result, wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.gpu
@each_cell
def test_both_directions_on_a_gpu(name, monkeypatch, not_eagerly):
    monkeypatch.undo()
    mask = np.array([[True] * 6, [False] * 6, [True] * 3 + [False] * 3] * 2)
    mask = tf.constant(np.swapaxes(mask, 0, 1)[..., None])
    expected = in_both_directions(name, mask, run_stepwise, dtype="float32")
    found = in_both_directions(name, mask, run_both_cudnn, dtype="float32")
    for result, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(result, wanted, rtol=1e-3, atol=1e-4)
