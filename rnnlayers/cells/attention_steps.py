"""An attention cell over time, as engines run it."""

from collections.abc import Mapping
from typing import Any

from keras import ops

from rnnlayers.cells.attention import Memory
from rnnlayers.cells.attentive import AttentionCell
from rnnlayers.cells.base import Cell
from rnnlayers.cells.parts import Multiply, Product, SideInputs
from rnnlayers.types import States, Tensor


class AttentionSteps(Cell):
    """An `AttentionCell` over time, as engines run it.

    The memory comes first in `side.sequence`, see `memory_of`. The outputs are the queries of the
    attention and, next to them, the outputs of the cell or, with input feeding, those that were fed
    back.

    Args:
        attentive: A built `AttentionCell`.
    """

    def __init__(self, attentive: AttentionCell) -> None:
        super().__init__(attentive.units, dtype=attentive.dtype_policy, name=attentive.name)
        self.attentive = attentive
        self.built = True

    @property
    def state_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """Names of the states."""
        return self.attentive.state_names

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Size of each of `state_names`."""
        return self.attentive.state_sizes

    @property
    def output_size(self) -> int:
        """Size of the queries and the outputs together."""
        return self.state_sizes[0] + self.state_sizes[-1 if self.attentive.input_feeding else 0]

    def get_initial_state(self, batch_size: Any = None) -> list[Tensor]:
        """Return a zero state for each of `state_names`."""
        return self.attentive.get_initial_state(batch_size)

    def draw(self, inputs: Tensor) -> SideInputs:
        """Return what is random in the training of inputs `(time, batch, features)`."""
        return self.attentive.draw(inputs)

    def prepare(
        self, inputs: Tensor, side: SideInputs | None = None
    ) -> tuple[Any, tuple[Tensor, ...]]:
        """Return what steps read, and the memory; see `Cell.prepare`."""
        side = SideInputs() if side is None else side
        values, keys, mask, *drawn = side.sequence
        memory = Memory(values, keys, mask > 0)
        rest = SideInputs(side.steps, tuple(drawn)) if drawn or side.steps else None
        return self.attentive.prepare_inputs(inputs, memory, rest)

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the matrices that a step multiplies with, by name."""
        drawn = SideInputs() if side is None else side._replace(sequence=side.sequence[3:])
        return self.attentive.products(drawn if drawn.sequence or drawn.steps else None)

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new states; see `Cell.step`."""
        return self.attentive.advance(x, states, product, constants)

    def read(
        self, x: Any, states: States, previous: States, constants: tuple[Tensor, ...] = ()
    ) -> Tensor:
        """Return the queries and the outputs of all steps, side by side."""
        queries = (previous if self.attentive.attend == "before" else states)[0]
        return ops.concatenate([queries, states[-1 if self.attentive.input_feeding else 0]], -1)


def memory_of(memory: Memory) -> tuple[Tensor, ...]:
    """Return a memory as the tensors that `AttentionSteps` takes, which have gradients."""
    values, keys, mask = memory
    if mask is None:
        mask = ops.ones_like(ops.transpose(values[..., :1], (0, 2, 1)))
    return values, keys, ops.cast(mask, values.dtype)
