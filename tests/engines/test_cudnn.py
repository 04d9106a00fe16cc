"""The cuDNN engine against the reference engine, with a stand-in for cuDNN's operators."""

import numpy as np
import pytest
import tensorflow as tf

import rnnlayers
from rnnlayers.cells import SideInputs
from rnnlayers.engines import cudnn
from rnnlayers.engines.choose import Call
from rnnlayers.engines.cudnn import from_canonical, run_cudnn, to_canonical
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
    monkeypatch.setattr(cudnn, "operators", STAND_IN)
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
        for key in cudnn.WEIGHTS
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
