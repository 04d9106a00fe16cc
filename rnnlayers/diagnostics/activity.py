"""What the gates and states of recurrent layers do over time."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from rnnlayers.cells.base import Cell
from rnnlayers.cells.four_gated import FourGatedCell
from rnnlayers.cells.gru import GRUCell
from rnnlayers.cells.wrappers import CellWrapper
from rnnlayers.diagnostics.steps import Recorded, Recorder, Steps
from rnnlayers.types import Tensor

CLOSED, OPEN = 0.05, 0.95  # a gate below or above
DEAD = 1e-6  # a unit whose absolute value never exceeds it
CONSTANT = 1e-3  # a unit whose values differ by no more

# The gate that is the share of the old state in the new one.
FORGET_GATES: dict[type[Cell], str] = {FourGatedCell: "f", GRUCell: "z"}


@dataclass(frozen=True)
class LayerStates:
    """The states and gates of a recurrent layer; see `states`.

    Args:
        name: The path of the layer.
        states: Each state of the cell after each step, `(batch, timesteps, size)`.
        gates: The values of each gate, `(batch, timesteps, units)`; none if the cell has no
            `recurrent_activation`.
        valid: Booleans `(batch, timesteps)`, False at masked steps, which count nowhere.
        forget_gate: The name of the gate that says how much of the old state stays, or None.
    """

    name: str
    states: dict[str, np.ndarray]
    gates: dict[str, np.ndarray]
    valid: np.ndarray
    forget_gate: str | None

    @property
    def closed(self) -> dict[str, float]:
        """The share of each gate's values below 0.05."""
        return {name: float((g[self.valid] < CLOSED).mean()) for name, g in self.gates.items()}

    @property
    def open(self) -> dict[str, float]:
        """The share of each gate's values above 0.95."""
        return {name: float((g[self.valid] > OPEN).mean()) for name, g in self.gates.items()}

    @property
    def saturated(self) -> float | None:
        """The share of the outputs beyond 0.95 of their bound; None if they exceed -1 and 1."""
        h = np.abs(self._outputs)
        return float((h > OPEN).mean()) if h.size and h.max() <= 1 else None

    @property
    def time_constants(self) -> np.ndarray | None:
        """After how many steps each unit has forgotten all but 1/e, `(units,)`, or None.

        -1 / log(f), with the geometric mean of the forget gate over all rows and steps. A gate that
        is open all the time gives infinity.
        """
        if self.forget_gate is None:
            return None
        f = self.gates[self.forget_gate][self.valid].astype("float64")
        with np.errstate(divide="ignore"):
            return -1 / np.minimum(np.log(f).mean(0), 0.0)

    @property
    def dead(self) -> np.ndarray:
        """The numbers of the units whose output is zero at all steps of all rows."""
        h = self._outputs
        return np.flatnonzero(np.abs(h).max(0, initial=0) <= DEAD)

    @property
    def constant(self) -> np.ndarray:
        """The numbers of the units whose output is always the same, but not zero."""
        h = self._outputs
        same = np.ptp(h, 0) <= CONSTANT if len(h) else np.zeros(h.shape[1], bool)
        return np.setdiff1d(np.flatnonzero(same), self.dead)

    @property
    def effective_rank(self) -> float:
        """The exponential of the entropy of the singular values of the centred outputs.

        It is the number of directions in which the states move: at most the number of units, and 0
        for states that do not change.
        """
        h = self._outputs.astype("float64")
        values = np.linalg.svd(h - h.mean(0), compute_uv=False) if len(h) else np.zeros(1)
        if not np.isfinite(values).all() or values.sum() < 1e-12:
            return 0.0
        shares = values[values > 0] / values.sum()
        return float(np.exp(-(shares * np.log(shares)).sum()))

    @property
    def units(self) -> int:
        """The size of the first state."""
        return self._outputs.shape[-1]

    @property
    def _outputs(self) -> np.ndarray:
        """The first state at the steps that count, `(steps, units)`."""
        return next(iter(self.states.values()))[self.valid]

    def summary(self) -> dict[str, float]:
        """Return numbers for logs, by names such as `f/closed`."""
        values = {f"{gate}/closed": share for gate, share in self.closed.items()}
        values |= {f"{gate}/open": share for gate, share in self.open.items()}
        values |= {"dead_units": len(self.dead), "constant_units": len(self.constant)}
        values["effective_rank"] = self.effective_rank
        if self.time_constants is not None:
            values["median_time_constant"] = float(np.median(self.time_constants))
        if self.saturated is not None:
            values["saturated"] = self.saturated
        return values


def states(model: keras.Model, x: Any) -> dict[str, LayerStates]:
    """Return what the states and gates of each recurrent layer do over time, in inference.

    The model runs once. The gates are then computed from the known states, all steps at once.
    Layers with attention are left out.

    Args:
        model: A built model, as for `gradient_flow`.
        x: A batch of inputs.

    Returns:
        `LayerStates` by the path of the layer.

    Raises:
        ValueError: if the model has no recurrent layer or is not built.

    Example:

    >>> inputs = keras.Input((10, 3))
    >>> model = keras.Model(inputs, rnnlayers.LSTM(8, name="lstm")(inputs))
    >>> found = rnnlayers.diagnostics.states(model, np.zeros((4, 10, 3)))["lstm"]
    >>> found.gates["f"].shape  # the bias of the forget gate begins with 1
    (4, 10, 8)
    >>> np.round(found.time_constants[:2], 2).tolist()
    [3.19, 3.19]

    Reference of the effective rank: Roy and Vetterli (2007), The effective rank: a measure of
    effective dimensionality, definition 1.
    """
    return states_of(Recorder(model), x)


def states_of(recorder: Recorder, x: Any) -> dict[str, LayerStates]:
    """Return `LayerStates` by the path of the layer, from a recorder that may be used again."""
    return {call.name: _layer_states(call) for call in recorder(x)}


def _layer_states(call: Recorded) -> LayerStates:
    cuts = np.cumsum(call.cell.state_sizes)[:-1]
    by_state = np.split(call.states.numpy(), cuts, axis=-1)
    gates = _gates(call)
    kinds = [name for kind, name in FORGET_GATES.items() if isinstance(_inside(call.cell), kind)]
    return LayerStates(
        call.name,
        dict(zip(call.cell.state_names, by_state, strict=True)),
        gates,
        call.valid.numpy(),
        next((name for name in kinds if name in gates), None),
    )


def _inside(cell: Cell) -> Cell:
    """Return the cell inside all wrappers."""
    while isinstance(cell, CellWrapper):
        cell = cell.cell
    return cell


def _gates(call: Recorded) -> dict[str, np.ndarray]:
    """Return the values of each gate, `(batch, timesteps, units)`."""
    cell, steps = _inside(call.cell), Steps(call)
    if not hasattr(cell, "recurrent_activation"):
        return {}
    names = getattr(cell, "gates", ())
    parts = next((x for x in _lists(steps.rows.x) if len(x) == len(names)), [])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(parts)
        with _noting(cell) as values:
            steps.take(steps.rows)
    found: dict[str, np.ndarray] = {}
    for number, value in enumerate(values):
        # A gate is named after the one part of the inputs that it depends on.
        read = [n for n, d in enumerate(tape.gradient(value, parts)) if d is not None]
        if isinstance(cell, FourGatedCell):  # with peepholes the output gate reads the other parts
            read = read[-1:]
        name = names[read[0]] if len(read) == 1 else ""
        name = name if name and name not in found else f"gate {number + 1}"
        found[name] = steps.unfold(value).swapaxes(0, 1)
    return found


def _lists(x: Any) -> Iterator[list[Any]]:
    """Yield the fused parts of what a step reads."""
    if isinstance(x, list):
        yield x
    elif isinstance(x, tuple):
        for part in x:
            yield from _lists(part)


@contextmanager
def _noting(cell: Any) -> Iterator[list[Tensor]]:
    """Note what the activation of a cell's gates returns."""
    values: list[Tensor] = []
    own, activation = vars(cell), cell.recurrent_activation

    def noting(z: Tensor) -> Tensor:
        values.append(activation(z))
        return values[-1]

    own["recurrent_activation"] = noting
    try:
        yield values
    finally:
        own["recurrent_activation"] = activation
