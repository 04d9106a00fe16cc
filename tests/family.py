"""The one list of the family: each cell with arguments, and the equations of its paper.

Every suite over cells runs this list. A new cell adds one entry to `FAMILY`.
"""

import dataclasses
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import rnnlayers
from rnnlayers.cells.base import Cell
from tests import equations as core_equations
from tests import family_equations as equations
from tests.cases import randomize
from tests.equations import ACTIVATIONS

UNITS = 4


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

    @property
    def layer(self) -> type[rnnlayers.Recurrent]:
        """The layer of the cell, a class."""
        return getattr(rnnlayers, self.cell.__name__.removesuffix("Cell"))

    def make(self, **options: Any) -> Cell:
        return self.cell(UNITS, **{**self.arguments, **options})

    def make_layer(self, **options: Any) -> rnnlayers.Recurrent:
        """Return the layer with random weights."""
        layer = self.layer(UNITS, **{**self.arguments, **options})
        return randomize(layer, self.features)

    def sample_states(self, cell: Cell, rows: int, seed: int = 2) -> list[np.ndarray]:
        """Return random states in float64, those that count steps with whole numbers."""
        rng = np.random.default_rng(seed)
        states = [rng.normal(size=(rows, size)) for size in cell.state_sizes]
        if "t" in cell.state_names:
            states[-1] = np.arange(rows)[:, None].astype("float64")
        return states

    def run(
        self,
        cell: Cell,
        sequences: np.ndarray,
        states: Sequence[np.ndarray],
        mask: np.ndarray | None = None,
        reverse: bool = False,
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Run the equations over `(batch, timesteps, features)` as a layer must.

        Returns the outputs, at their steps, and the final states. A masked step repeats the output
        before it, at first zeros.
        """
        weights = {w.name: np.asarray(w.numpy(), "float64") for w in cell.weights}
        functions, names = functions_of(cell), cell.state_names
        rows, steps, _ = sequences.shape
        mask = np.ones((rows, steps), bool) if mask is None else mask
        outputs = np.zeros((rows, steps, cell.output_size))
        after = [np.array(state, "float64") for state in states]
        for row in range(rows):
            output = np.zeros(cell.output_size)
            before = {name: state[row] for name, state in zip(names, after, strict=True)}
            for step in reversed(range(steps)) if reverse else range(steps):
                if mask[row, step]:
                    x = np.asarray(sequences[row, step], "float64")
                    output, before = self.equation(x, before, weights, functions, **self.numbers)
                outputs[row, step] = output
            for name, state in zip(names, after, strict=True):
                state[row] = before[name]
        return outputs, after


def of_core(equation, *names):
    """Return an equation of tests/equations.py as those of the family are written."""

    def step(x, s, w, f, **numbers):
        functions = {"activation": f.act, "recurrent_activation": f.gate}
        used = {name: functions[name] for name in names}
        states = equation(x, tuple(s.values()), **w, **used, **numbers)
        return states[0], dict(zip(s, states, strict=True))

    return step


GATED = ("activation", "recurrent_activation")
CORE = [
    Member(rnnlayers.ElmanCell, of_core(core_equations.elman, "activation")),
    Member(rnnlayers.LSTMCell, of_core(core_equations.lstm, *GATED)),
    Member(rnnlayers.GRUCell, of_core(core_equations.gru, *GATED), numbers={"reset_after": True}),
    Member(
        rnnlayers.GRUCell,
        of_core(core_equations.gru, *GATED),
        {"reset_after": False},
        {"reset_after": False},
        name="GRUCell, reset before",
    ),
]
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
    *(
        Member(
            cell,
            equation,
            {"num_heads": 2, "forget_gate": gate},
            {"heads": 2, "forget_gate": gate},
            name=f"{cell.__name__}, {gate}",
        )
        for cell, equation in (
            (rnnlayers.SLSTMCell, equations.slstm),
            (rnnlayers.MLSTMCell, equations.mlstm),
        )
        for gate in ("sigmoid", "exp")
    ),
    Member(rnnlayers.PhasedLSTMCell, equations.phased_lstm, {}, {"time_feature": False}),
    Member(
        rnnlayers.PhasedLSTMCell,
        equations.phased_lstm,
        {"time_feature": True, "leak": 0.1},
        {"time_feature": True},
        name="PhasedLSTMCell, times given",
    ),
    *(
        Member(
            rnnlayers.GRUDCell,
            equations.gru_d,
            {"time_feature": time_feature},
            {"time_feature": time_feature},
            name=f"GRUDCell, times {'given' if time_feature else 'counted'}",
        )
        for time_feature in (False, True)
    ),
    Member(rnnlayers.BRCCell, equations.brc),
    Member(rnnlayers.NBRCCell, equations.nbrc),
    Member(rnnlayers.SGRNCell, equations.sgrn),
    Member(rnnlayers.SGUCell, equations.sgu, {}, {"deep": False}),
    Member(rnnlayers.DSGUCell, equations.sgu, {}, {"deep": True}),
    *(
        Member(cell, equation, numbers, numbers)
        for cell, equation, numbers in (
            (rnnlayers.MiRU1Cell, equations.miru1, {"update_coefficient": 0.3}),
            (
                rnnlayers.MiRU2Cell,
                equations.miru2,
                {"update_coefficient": 0.3, "reset_coefficient": 0.8},
            ),
            (rnnlayers.TauGRUCell, equations.tau_gru, {"delay": 2}),
        )
    ),
    Member(rnnlayers.TRNNCell, equations.t_rnn),
    Member(rnnlayers.TGRUCell, equations.t_gru),
    Member(rnnlayers.TLSTMCell, equations.t_lstm),
    Member(rnnlayers.WorkingMemoryLSTMCell, equations.working_memory_lstm),
    Member(rnnlayers.ResidualLSTMCell, equations.residual_lstm),
    Member(
        rnnlayers.ResidualLSTMCell,
        equations.residual_lstm,
        features=UNITS,
        name="ResidualLSTMCell, inputs pass",
    ),
    Member(
        rnnlayers.MassConservingLSTMCell,
        equations.mass_conserving_lstm,
        {"mass_features": 2},
        {"masses": 2},
        features=4,
    ),
]
EVERY = [*CORE, *FAMILY]
each_member = pytest.mark.parametrize("member", FAMILY, ids=str)


def some(members, quick=6):
    """Parametrize by all members, of which the quick suite runs one in `quick`."""
    return pytest.mark.parametrize(
        "member",
        [
            pytest.param(m, id=str(m), marks=() if n % quick == 0 else pytest.mark.slow)
            for n, m in enumerate(members)
        ],
    )


def functions_of(cell):
    """Return the activations of a cell in NumPy."""

    def function(name):
        return ACTIVATIONS.get(getattr(getattr(cell, name, None), "__name__", None))

    return types.SimpleNamespace(
        act=function("activation"),
        gate=function("recurrent_activation"),
        output=function("output_activation"),
    )
