"""Each cell of the family against the equations of its paper, and against the contract."""

import dataclasses
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rnnlayers
from rnnlayers.cells.base import Cell
from rnnlayers.testing import check_cell
from tests import family_equations as equations
from tests.equations import ACTIVATIONS
from tests.numbers import assert_same, refused

UNITS, ROWS = 4, 5


@dataclasses.dataclass(frozen=True)
class Member:
    """A cell with arguments, and its equation with the numbers that it reads."""

    cell: type[Cell]
    equation: Callable[..., Any]
    arguments: dict[str, Any] = dataclasses.field(default_factory=dict)
    numbers: dict[str, Any] = dataclasses.field(default_factory=dict)
    features: int = 3
    name: str = ""

    def __str__(self) -> str:
        return self.name or self.cell.__name__

    def make(self, **options):
        return self.cell(UNITS, **{**self.arguments, **options})


LAYER_NORM = {"layer_norm": True}
PEEPHOLE = {"peephole": True}
FAMILY = [
    Member(rnnlayers.PeepholeLSTMCell, equations.peephole_lstm),
    Member(
        rnnlayers.ProjectedLSTMCell,
        equations.peephole_lstm,
        {"projection": 3},
        {"projection": 3, "peephole": False},
    ),
    Member(
        rnnlayers.ProjectedLSTMCell,
        equations.peephole_lstm,
        {"projection": 6, **PEEPHOLE, **LAYER_NORM},
        {"projection": 6, **LAYER_NORM},
        name="ProjectedLSTMCell of all options",
    ),
    Member(
        rnnlayers.LayerNormLSTMCell,
        equations.peephole_lstm,
        {},
        {**LAYER_NORM, "peephole": False},
    ),
    Member(rnnlayers.LayerNormGRUCell, equations.layer_norm_gru),
    Member(rnnlayers.CoupledLSTMCell, equations.coupled_lstm),
    Member(rnnlayers.OriginalLSTMCell, equations.original_lstm),
    Member(rnnlayers.JANETCell, equations.janet, {"beta": 0.5}, {"beta": 0.5}),
    Member(rnnlayers.NASCell, equations.nas),
    Member(rnnlayers.MultiplicativeLSTMCell, equations.multiplicative_lstm),
    Member(rnnlayers.MogrifierLSTMCell, equations.mogrifier_lstm, {"rounds": 4}, {"rounds": 4}),
    Member(rnnlayers.MinimalGatedCell, equations.minimal_gated),
    Member(rnnlayers.LiGRUCell, equations.li_gru),
    Member(rnnlayers.LightRecurrentCell, equations.light_recurrent),
    Member(rnnlayers.STARCell, equations.star),
    Member(rnnlayers.ATRCell, equations.atr),
    Member(rnnlayers.MinimalRNNCell, equations.minimal_rnn),
    Member(rnnlayers.MUT1Cell, equations.mut1),
    Member(rnnlayers.MUT2Cell, equations.mut2),
    Member(rnnlayers.MUT3Cell, equations.mut3),
    Member(rnnlayers.RANCell, equations.ran),
    Member(rnnlayers.UGRNNCell, equations.ugrnn),
    Member(rnnlayers.IntersectionCell, equations.intersection, features=UNITS),
    Member(rnnlayers.CFNCell, equations.cfn),
    Member(rnnlayers.FastRNNCell, equations.fast_rnn),
    Member(rnnlayers.FastGRNNCell, equations.fast_grnn),
    Member(rnnlayers.IndRNNCell, equations.ind_rnn),
    Member(rnnlayers.IRNNCell, equations.irnn),
    Member(rnnlayers.JordanCell, equations.jordan, {"hidden_units": 6}, {"hidden_units": 6}),
    Member(
        rnnlayers.SCRNCell,
        equations.scrn,
        {"alpha": 0.8, "context_units": 2},
        {"alpha": 0.8, "context_units": 2},
    ),
    *(
        Member(cell, equation, numbers, numbers)
        for cell, equation, numbers in (
            (
                rnnlayers.AntisymmetricCell,
                equations.antisymmetric,
                {"epsilon": 0.3, "gamma": 0.05},
            ),
            (
                rnnlayers.GatedAntisymmetricCell,
                equations.gated_antisymmetric,
                {"epsilon": 0.3, "gamma": 0.05},
            ),
            (rnnlayers.CoRNNCell, equations.co_rnn, {"dt": 0.2, "gamma": 1.5, "epsilon": 0.7}),
            (rnnlayers.UnICORNNCell, equations.unicornn, {"dt": 0.2, "alpha": 0.7}),
            (rnnlayers.LEMCell, equations.lem, {"dt": 0.6}),
            (rnnlayers.RecurrentHighwayCell, equations.recurrent_highway, {"depth": 3}),
            (rnnlayers.ClockworkCell, equations.clockwork, {"periods": (1, 3)}),
        )
    ),
    Member(
        rnnlayers.EchoStateCell,
        equations.echo_state,
        {"leak": 0.4, "trainable": True},
        {"leak": 0.4},
    ),
    Member(rnnlayers.MinGRUCell, equations.min_gru),
    Member(rnnlayers.MinLSTMCell, equations.min_lstm),
    Member(rnnlayers.SRUCell, equations.sru),
    Member(rnnlayers.SRUCell, equations.sru, features=UNITS, name="SRUCell, inputs pass"),
    Member(rnnlayers.QRNNCell, equations.qrnn),
    Member(rnnlayers.RGLRUCell, equations.rg_lru),
    Member(rnnlayers.LRUCell, equations.lru),
]
each_member = pytest.mark.parametrize("member", FAMILY, ids=str)


def functions_of(cell):
    def function(name):
        return ACTIVATIONS.get(getattr(getattr(cell, name, None), "__name__", None))

    return types.SimpleNamespace(
        act=function("activation"),
        gate=function("recurrent_activation"),
        output=function("output_activation"),
    )


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
@pytest.mark.parametrize(
    "member",
    [
        pytest.param(m, id=str(m), marks=() if n % 6 == 0 else pytest.mark.slow)
        for n, m in enumerate(FAMILY)
    ],
)
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
    }
    others = {"Cell", "GatedCell", "LinearCell", "ElmanCell", "LSTMCell", "GRUCell"}
    members = {member.cell.__name__ for member in FAMILY}
    assert {cell.__name__ for cell in of_the_family} - others == members


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
        (lambda: rnnlayers.LSTM(4, engine="scan"), ["engine='scan'", "linear", "LSTMCell"]),
    ],
)
def test_sizes_and_engines_that_do_not_fit_are_refused(make, words):
    with refused(*words):
        make()


def test_the_matrix_of_an_echo_state_network_has_its_spectral_radius():
    cell = rnnlayers.EchoStateCell(60, spectral_radius=0.7, connectivity=0.2)
    cell.build((None, 3))
    matrix = cell.recurrent_kernel.numpy()
    np.testing.assert_allclose(np.abs(np.linalg.eigvals(matrix)).max(), 0.7, rtol=1e-4)
    assert 0.1 < np.mean(matrix != 0) < 0.3
    assert cell.trainable_weights == []
