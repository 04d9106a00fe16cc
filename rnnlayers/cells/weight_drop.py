"""Dropout of the weights between steps."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from rnnlayers.cells.base import Cell
from rnnlayers.cells.parts import Product, SideInputs
from rnnlayers.cells.wrappers import CellWrapper, InnerDerivative
from rnnlayers.checks import check_rate
from rnnlayers.types import Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class WeightDropCell(CellWrapper):
    """A cell whose recurrent weights are dropped while training: DropConnect between steps.

    Each weight of each matrix that a step multiplies with, such as the recurrent kernel, is zero
    with the probability `rate` and else divided by 1 - rate. One mask is drawn for a call and
    serves all its steps and rows, so the step runs as fast as without it.

    Args:
        cell: A `Cell` with products in its step.
        rate: The share of weights to drop, in [0, 1).
        seed: Seed of the masks.
        **kwargs: As for `CellWrapper`.

    Call arguments and returns are those of `Cell`.

    Raises:
        ValueError: if the rate is out of its range; when the weights are built, if no step of the
            cell multiplies with a matrix.

    Example:

    >>> cell = rnnlayers.WeightDropCell(rnnlayers.LSTMCell(4), 0.5)
    >>> rnnlayers.Recurrent(cell)(np.ones((2, 5, 3)), training=True).shape
    TensorShape([2, 4])

    Reference: Merity, Keskar and Socher (2018), Regularizing and optimizing LSTM language models,
    section 2.
    """

    derivatives: ClassVar[tuple[Any, ...]] = (InnerDerivative,)

    def __init__(
        self, cell: Cell, rate: float = 0.5, seed: int | None = None, **kwargs: Any
    ) -> None:
        check_rate("rate", rate)
        super().__init__(cell, **kwargs)
        self.rate = float(rate)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights of the cell inside for inputs of shape `(..., features)`."""
        super().build(input_shape)
        if not self.cell.products():
            raise ValueError(
                "`cell` must multiply with a matrix in its step, so that there are weights to "
                f"drop; {type(self.cell).__name__} does not. Use its `dropout`."
            )

    def draw(self, inputs: Tensor) -> SideInputs:
        """Return what the cell draws, and a mask for each kernel, of its shape."""
        steps, sequence = self.cell.draw(inputs)
        kernels = (product.kernel for product in self.cell.products().values())
        masks = tuple(
            keras.random.dropout(
                ops.ones(kernel.shape, self.compute_dtype), self.rate, seed=self.seed_generator
            )
            for kernel in kernels
        )
        return SideInputs(steps, (*sequence, *masks))

    def prepare(
        self, inputs: Tensor, side: SideInputs | None = None
    ) -> tuple[Any, tuple[Tensor, ...]]:
        """Return what a step reads; see `Cell.prepare`."""
        return self.cell.prepare(inputs, self._inner(side))

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the matrices that a step multiplies with, in training masked."""
        products = self.cell.products(self._inner(side))
        if side is None:
            return products
        masks = side.sequence[len(side.sequence) - len(products) :]
        return {
            name: product._replace(kernel=ops.convert_to_tensor(product.kernel) * mask)
            for (name, product), mask in zip(products.items(), masks, strict=True)
        }

    def _inner(self, side: SideInputs | None) -> SideInputs | None:
        """Return the side inputs of the cell."""
        if side is None:
            return None
        return side._replace(sequence=side.sequence[: -len(self.cell.products())])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
