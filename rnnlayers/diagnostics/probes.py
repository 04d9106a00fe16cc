"""Cells whose states take an addend at each step, the gradient of which is that of the state."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from keras import ops

from rnnlayers.cells.base import Cell
from rnnlayers.cells.linear import LinearCell
from rnnlayers.cells.parts import Multiply, Product, SideInputs
from rnnlayers.cells.wrappers import CellWrapper, InnerDerivative
from rnnlayers.types import States, Tensor


class ProbedDerivative(InnerDerivative):
    """The derivative written by hand of the cell in a `ProbedCell`."""

    def linearize(self, x: Any, products: Any, previous: States, states: States) -> Any:
        """Return the factors of the cell inside, and the mask, for all steps."""
        inner, _, valid = x
        return super().linearize(inner, products, previous, states), valid

    def pull_back(
        self, factors: Any, d_states: States, back: Multiply, constants: tuple[Tensor, ...]
    ) -> tuple[Any, States]:
        """Return the gradients of `x` and of the previous states."""
        inner, valid = factors
        through, past = tuple(d_states), None
        if valid:
            counts = valid[0] > 0
            past = [ops.where(counts, ops.zeros_like(d), d) for d in d_states]
            through = tuple(ops.where(counts, d, ops.zeros_like(d)) for d in d_states)
        d_x, d_previous = super().pull_back(inner, through, back, constants)
        if past is not None:
            d_previous = tuple(d + p for d, p in zip(d_previous, past, strict=True))
        # The probe is added to the new state, so its gradient is that of the state: dL/ds_t.
        d_probes = tuple(d_states) if self.cell.probes else ()
        return (d_x, d_probes, (None,) * len(valid)), d_previous


class ProbedCell(CellWrapper):
    """A cell with a probe p_t, zeros, for each state s_t.

        s_t = m_t * step(x_t, s_(t-1)) + (1 - m_t) * s_(t-1) + p_t

    where m_t is the mask. The gradient of the loss with respect to p_t is dL/ds_t, by way of all
    later steps, so that one backward pass of any engine returns it for all steps. The mask is part
    of the step, and masked steps have a gradient too.

    It serves one call of a layer, whose probes and mask it holds. They cost less than if they came
    with the inputs, but may not be cut into segments.

    Args:
        cell: A built cell.
        probes: For each state `(time, batch, size)`, or empty.
        valid: The mask as 0 or 1, `(time, batch, 1)`, or None.
        recorded: Whether the outputs are followed by the states after each step.
        drops: Whether dropout applies. Engines are told in any case that gradients follow.
    """

    derivatives: ClassVar[tuple[Any, ...]] = (ProbedDerivative,)

    def __init__(
        self,
        cell: Cell,
        probes: Sequence[Tensor],
        valid: Tensor | None,
        *,
        recorded: bool,
        drops: bool,
    ) -> None:
        # Past `GatedCell`, whose seed would be a variable of the graph that is being traced.
        Cell.__init__(self, cell.units, dtype=cell.dtype_policy, name=cell.name)
        self.cell = cell
        self.probes = tuple(probes)
        self.valid = () if valid is None else (valid,)
        self.recorded = recorded
        self.drops = drops
        self.built = True

    @property
    def output_size(self) -> int:
        """Size of the output, with that of the states if they are recorded."""
        return self.cell.output_size + sum(self.state_sizes) * self.recorded

    @property
    def reads(self) -> bool:
        """Whether the output is more than the first state."""
        return self.recorded or self.cell.reads

    def draw(self, inputs: Tensor) -> SideInputs:
        """Return what the cell inside draws, if dropout applies."""
        return self.cell.draw(inputs) if self.drops else SideInputs()

    def prepare(
        self, inputs: Tensor, side: SideInputs | None = None
    ) -> tuple[Any, tuple[Tensor, ...]]:
        """Return what the cell inside prepares, the probes and the mask; see `Cell.prepare`."""
        x, constants = self.cell.prepare(inputs, self._drawn(side))
        return (x, self.probes, self.valid), constants

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the matrices of the cell inside."""
        return self.cell.products(self._drawn(side))

    def _drawn(self, side: SideInputs | None) -> SideInputs | None:
        """Return side inputs as the cell inside takes them: None if there are none."""
        return side if self.drops or (side is not None and side.sequence) else None

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new states; see `Cell.step`."""
        inner, probes, valid = x
        new = self.cell.step(inner, states, product, constants)
        if valid:
            new = tuple(ops.where(valid[0] > 0, n, s) for n, s in zip(new, states, strict=True))
        if probes:
            new = tuple(n + p for n, p in zip(new, probes, strict=True))
        return tuple(new)

    def read(
        self, x: Any, states: States, previous: States, constants: tuple[Tensor, ...] = ()
    ) -> Tensor:
        """Return the outputs of all steps, and the states next to them if they are recorded."""
        outputs = self.cell.read(x[0], states, previous, constants)
        return ops.concatenate([outputs, *states], -1) if self.recorded else outputs


class ProbedLinearCell(ProbedCell, LinearCell):
    """A `ProbedCell` around a `LinearCell`, which runs on the scan engine too: b_t takes p_t."""

    derivatives: ClassVar[tuple[Any, ...]] = ()

    @property
    def is_complex(self) -> bool:  # type: ignore[override]
        """Whether the state is complex."""
        return self.cell.is_complex

    def coefficients(self, x: Any, constants: tuple[Tensor, ...] = ()) -> tuple[Tensor, Tensor]:
        """Return a and b of the cell inside, which are 1 and 0 at masked steps, with the probe."""
        inner, probes, valid = x
        a, b = self.cell.coefficients(inner, constants)
        if valid:
            one = ops.ones_like(a)
            if self.is_complex:
                re, im = ops.split(one, 2, axis=-1)
                one = ops.concatenate([re, ops.zeros_like(im)], -1)
            a = ops.where(valid[0] > 0, a, one)
            b = ops.where(valid[0] > 0, b, ops.zeros_like(b))
        return a, b + probes[0] if probes else b


def with_probes(cell: Cell, *arguments: Any, **options: Any) -> ProbedCell:
    """Return a built cell with probes; see `ProbedCell`."""
    kind = ProbedLinearCell if isinstance(cell, LinearCell) else ProbedCell
    return kind(cell, *arguments, **options)
