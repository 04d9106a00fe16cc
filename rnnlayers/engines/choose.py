"""Which engine runs a cell: the one place where this is decided."""

from collections.abc import Callable

from rnnlayers.cells.base import RecurrentCell, States, Tensor
from rnnlayers.engines import stepwise

Engine = Callable[..., tuple[Tensor | None, States]]


def choose(cell: RecurrentCell) -> Engine:
    """Return the `run` function of the engine for `cell`; its contract is `stepwise.run`'s."""
    return stepwise.run
