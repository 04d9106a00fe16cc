"""Each cell of the family against the equations of its paper, and against the contract."""

import inspect
from pathlib import Path

import numpy as np
import pytest

import rnnlayers
from rnnlayers.cells.base import Cell
from rnnlayers.cells.wrappers import CellWrapper
from rnnlayers.testing import check_cell
from tests.family import FAMILY, UNITS, each_member, functions_of, some
from tests.numbers import assert_same, refused

ROOT = Path(__file__).parents[2]
ROWS = 5


@each_member
def test_a_step_is_that_of_the_paper(member):
    cell = member.make(dtype="float64")
    cell.build((None, member.features))
    rng = np.random.default_rng(0)
    cell.set_weights([0.5 * rng.normal(size=weight.shape) for weight in cell.weights])
    x = rng.normal(size=(ROWS, member.features))
    states = [rng.normal(size=(ROWS, size)) for size in cell.state_sizes]
    if "t" in cell.state_names:
        states[-1] = np.arange(ROWS)[:, None].astype("float64")  # the number of a step
    output, new = cell(x, states)
    weights = {weight.name: np.asarray(weight.numpy()) for weight in cell.weights}
    for row in range(ROWS):
        before = {n: s[row] for n, s in zip(cell.state_names, states, strict=True)}
        y, after = member.equation(x[row], before, weights, functions_of(cell), **member.numbers)
        assert_same(output[row], y, "float64")
        assert_same([s[row] for s in new], [after[n] for n in cell.state_names], "float64")


@pytest.mark.usefixtures("eagerly")
@some(FAMILY)
def test_it_keeps_the_contract(member):
    check_cell(member.make(dropout=0.1, name="mine"), features=member.features)


@each_member
def test_its_layer_takes_the_arguments_and_has_the_shapes(member):
    layer_class = getattr(rnnlayers, member.cell.__name__.removesuffix("Cell"))
    layer = layer_class(UNITS, return_sequences=True, return_state=True, **member.arguments)
    outputs, *states = layer(np.ones((2, 3, member.features), "float32"))
    assert outputs.shape == (2, 3, layer.cell.output_size)
    assert [tuple(state.shape) for state in states] == [(2, n) for n in layer.cell.state_sizes]
    assert layer_class.from_config(layer.get_config()).get_config() == layer.get_config()


def test_every_cell_is_a_member():
    of_the_family = {
        value
        for value in vars(rnnlayers).values()
        if isinstance(value, type) and issubclass(value, Cell) and value.__name__.endswith("Cell")
        if not issubclass(value, CellWrapper)
    }
    others = {"Cell", "GatedCell", "LinearCell", "ChunkedCell", "ElmanCell", "LSTMCell", "GRUCell"}
    members = {member.cell.__name__ for member in FAMILY}
    assert {cell.__name__ for cell in of_the_family} - others == members


def test_the_page_of_cells_has_a_line_for_each_layer():
    page = (ROOT / "docs" / "cells.md").read_text("utf-8")
    layers = {member.cell.__name__.removesuffix("Cell") for member in FAMILY}
    for name in (*layers, "Elman", "LSTM", "GRU"):
        layer = getattr(rnnlayers, name)
        line = inspect.getdoc(layer).splitlines()[0].rstrip(".")
        states = ", ".join(layer.cell_class.state_names)
        assert f"| `{name}` | {line} | {states} |" in page
    assert f"| {len(layers)} more recurrences" in (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: rnnlayers.ProjectedLSTMCell(4, 0), ["projection", "0"]),
        (lambda: rnnlayers.MogrifierLSTMCell(4, rounds=0), ["rounds", "0"]),
        (lambda: rnnlayers.ClockworkCell(4, periods=(1, 2.5)), ["periods", "2.5"]),
        (lambda: rnnlayers.ClockworkCell(5, periods=(1, 2)), ["units", "multiple", "5"]),
        (lambda: rnnlayers.EchoStateCell(4, spectral_radius=0), ["spectral_radius", "0"]),
        (lambda: rnnlayers.LRUCell(4, max_radius=1.5), ["max_radius", "1.5"]),
        (lambda: rnnlayers.IntersectionCell(4).build((None, 3)), ["units", "features", "3"]),
        (lambda: rnnlayers.SLSTM(6), ["units", "num_heads", "4", "6"]),
        (lambda: rnnlayers.MLSTM(6, num_heads=0), ["num_heads", "0"]),
        (lambda: rnnlayers.MLSTM(4, forget_gate="tanh"), ["forget_gate", "sigmoid", "tanh"]),
        (lambda: rnnlayers.TauGRU(4, delay=0), ["delay", "0"]),
        (lambda: rnnlayers.MiRU2Cell(4, reset_coefficient=2), ["reset_coefficient", "2"]),
        (lambda: rnnlayers.MassConservingLSTMCell(4).build((None, 1)), ["mass_features", "1"]),
        (lambda: rnnlayers.TGRUCell(4).state_sizes, ["features", "build"]),
        (lambda: rnnlayers.LSTM(4, engine="scan"), ["engine='scan'", "linear", "LSTMCell"]),
    ],
)
def test_sizes_and_engines_that_do_not_fit_are_refused(make, words):
    with refused(*words):
        make()


@pytest.mark.parametrize(
    ("cell", "argument", "value"),
    [
        (rnnlayers.FastRNNCell, "recurrent_activation", "sigmoid"),
        (rnnlayers.ATRCell, "activation", "tanh"),
        (rnnlayers.RGLRUCell, "activation", "tanh"),
        (rnnlayers.LRUCell, "use_bias", False),
        (rnnlayers.SRUCell, "recurrent_dropout", 0.0),
        (rnnlayers.MinGRUCell, "recurrent_initializer", "orthogonal"),
    ],
)
def test_an_argument_without_effect_is_hidden_and_refused_but_not_in_saved_models(
    cell, argument, value
):
    layer = getattr(rnnlayers, cell.__name__.removesuffix("Cell"))
    for made in (cell, layer):
        assert argument not in inspect.signature(made).parameters
        with refused(argument, cell.__name__, "Leave it out"):
            made(UNITS, **{argument: value})
        config = made(UNITS).get_config()
        assert argument not in config
        assert made.from_config({**config, argument: value}).get_config() == config


@some(FAMILY)
def test_every_argument_that_is_shown_has_an_effect(member):
    def run(training=False, **options):
        cell = member.make(**options, seed=1)
        cell.build((None, member.features))
        rng = np.random.default_rng(0)
        x = rng.normal(size=(ROWS, member.features)).astype("float32")
        states = member.sample_states(cell, ROWS)
        for weight in cell.weights:
            if weight.dtype == "float32":
                weight.assign(rng.normal(size=weight.shape))
        output, new = cell(x, states, training=training)
        return cell, np.concatenate([np.ravel(tensor) for tensor in (output, *new)])

    shown = inspect.signature(member.cell).parameters
    plain, expected = run()
    for name in ("activation", "recurrent_activation", "output_activation"):
        if name in shown:
            assert not np.allclose(run(**{name: "elu"})[1], expected), name
    for name in ("dropout", "recurrent_dropout"):
        if name in shown:
            assert not np.allclose(run(True, **{name: 0.7})[1], run(True)[1]), name
    if "use_bias" in shown:
        assert len(run(use_bias=False)[0].weights) < len(plain.weights)
    for weight in ("kernel", "recurrent", "bias"):
        for kind, value in (("regularizer", "l2"), ("constraint", "non_neg")):
            if f"{weight}_{kind}" in shown:
                weights = run(**{f"{weight}_{kind}": value})[0].weights
                assert any(getattr(w, kind) is not None for w in weights), f"{weight}_{kind}"


def test_the_matrix_of_an_echo_state_network_has_its_spectral_radius():
    cell = rnnlayers.EchoStateCell(60, spectral_radius=0.7, connectivity=0.2)
    cell.build((None, 3))
    matrix = cell.recurrent_kernel.numpy()
    np.testing.assert_allclose(np.abs(np.linalg.eigvals(matrix)).max(), 0.7, rtol=1e-4)
    assert 0.1 < np.mean(matrix != 0) < 0.3
    assert cell.trainable_weights == []


def test_mass_is_conserved():
    layer = rnnlayers.MassConservingLSTM(
        5, mass_features=2, return_sequences=True, return_state=True, dtype="float64"
    )
    rng = np.random.default_rng(0)
    x = rng.random((3, 20, 4))
    layer.build(x.shape)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])
    mask = np.arange(20) < [[20], [7], [0]]
    outputs, _, stored = layer(x, mask=mask)
    flown = np.where(mask[..., None], outputs, 0)
    given = [x[row, :steps, :2].sum() for row, steps in enumerate((20, 7, 0))]
    np.testing.assert_allclose(flown.sum((1, 2)) + np.sum(stored, 1), given, atol=1e-12)


def test_an_slstm_begins_alike_however_small_its_input_gate_is():
    cell = rnnlayers.SLSTMCell(4, num_heads=2)
    cell.build((None, 3))
    x = np.random.default_rng(0).normal(size=(2, 3)).astype("float32")
    z, _, _, o = np.split(x @ cell.kernel.numpy(), 4, -1)
    for exponent in (-1000.0, 1000.0):
        cell.bias.assign(np.repeat([0, exponent, 0, 0], 4))
        output, states = cell(x, cell.get_initial_state(2))
        np.testing.assert_allclose(output, np.tanh(z) / (1 + np.exp(-o)), atol=1e-6)
        again, _ = cell(x, states)
        assert np.all(np.isfinite(again))


def test_delayed_feedback_arrives_after_as_many_steps():
    layer = rnnlayers.TauGRU(2, delay=3, return_sequences=True, use_bias=False)
    x = np.zeros((1, 8, 1), "float32")
    x[0, 0] = 1
    layer.build(x.shape)
    before = np.asarray(layer(x))
    layer.cell.delay_kernel.assign(layer.cell.delay_kernel + 1)
    changed = np.any(np.asarray(layer(x)) != before, (0, 2))
    # The first output is h after step 0, and h_prev of step 1; three steps later it comes back.
    assert changed.tolist() == [False] * 4 + [True] * 4
