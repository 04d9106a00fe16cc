"""The matrix products of a cell alone, as a cell: what its step costs without its equations."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import tensorflow as tf

from rnnlayers.cells import Product
from rnnlayers.cells.base import Cell
from rnnlayers.cells.parts import SideInputs, by, for_step, tensors_of
from rnnlayers.types import States, Tensor


class ProductsCell(Cell):
    """A cell with the weights, states and products of another, and hardly anything else in a step.

    Each product has the sizes of the other cell's, in the same order: of a state where that has
    one of a state, otherwise of the product before it. Their mean is half of every new state, so
    that nothing grows, and what the cell prepares of the inputs is added, so that nothing fades.

    Args:
        cell: The other cell.
    """

    fixed_by_weights: ClassVar[tuple[str, ...]] = ()

    def __init__(self, cell: Cell) -> None:
        super().__init__(cell.units, dtype=cell.dtype_policy)
        self.cell = cell
        self.calls: list[tuple[str, int, int | None]] = []  # name, size of the operand, state

    @property
    def state_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """Names of the states."""
        return self.cell.state_names

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Sizes of the states."""
        return self.cell.state_sizes

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Build the cell, and trace one step of it to see its products."""
        if not self.cell.built:
            self.cell.build(input_shape)
        x, constants = self.cell.prepare(tf.zeros((1, 1, input_shape[-1]), self.compute_dtype))
        states = tuple(self.cell.get_initial_state(1))
        compute = by(self.cell.products())

        def product(v: Tensor, name: str = "") -> Any:
            of = next((number for number, state in enumerate(states) if state is v), None)
            self.calls.append((name, v.shape[-1], of))
            return compute(v, name)

        self.cell.step(for_step(x, lambda tensor: tensor[0]), states, product, constants)
        self.built = True

    def prepare(self, inputs: Tensor, side: SideInputs | None = None) -> Any:
        """Return what the cell prepares of the inputs, in one piece each."""
        return tuple(tensors_of(self.cell.prepare(inputs)[0])), ()

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the cell's, in one piece each."""
        return {name: p._replace(parts=None) for name, p in self.cell.products().items()}

    def step(
        self, x: Any, states: States, product: Any, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Multiply, and add up."""
        size, prepared = states[0].shape[-1], list(x)
        last, results = states[0], []
        for name, width, state in self.calls:
            last = product(_fit(last if state is None else states[state], width), name)
            same = next((n for n, part in enumerate(prepared) if part.shape == last.shape), None)
            # Cells add what is prepared to a product of its size.
            results.append(last if same is None else last + 0.1 * prepared.pop(same))
        mean = tf.add_n([_fit(result, size) for result in results]) / (2 * len(results))
        new = mean + sum(0.1 * _fit(part, size) for part in prepared)
        return tuple(_fit(new, state.shape[-1]) for state in states)


def _fit(tensor: Tensor, size: int) -> Tensor:
    """Return the mean of pieces of a size, or the tensor repeated up to it."""
    width = tensor.shape[-1]
    if width == size:
        return tensor
    if width < size:
        return tf.tile(tensor, (1, -(-size // width)))[:, :size]
    pieces = width // size
    return tf.reduce_mean(tf.reshape(tensor[:, : pieces * size], (-1, pieces, size)), 1)
