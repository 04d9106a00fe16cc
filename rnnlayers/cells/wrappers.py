"""A cell around another cell, which it changes in one respect."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from rnnlayers.cells.base import Cell
from rnnlayers.cells.parts import Multiply, Product, SideInputs
from rnnlayers.types import States, Tensor


class CellWrapper(Cell):
    """A cell around another one, which does all that a subclass does not override.

    Weights and states are those of the cell inside. What a subclass adds to `side` comes last in
    `SideInputs.steps` and `SideInputs.sequence`, and it takes it away before the cell inside sees
    them.

    Args:
        cell: A `Cell`, such as `LSTMCell(64)`. It may be a wrapper too.
        **kwargs: `name`, `dtype`, `trainable` of `keras.Layer`; the dtype is that of `cell` unless
            it is given.

    Raises:
        ValueError: if `cell` is none.
    """

    def __init__(self, cell: Cell, **kwargs: Any) -> None:
        if not isinstance(cell, Cell) or type(cell).call is not Cell.call:
            raise ValueError(
                "`cell` must be an `rnnlayers.Cell` that defines its equations in `step`, such as "
                f"LSTMCell(64); received {cell!r}."
            )
        super().__init__(cell.units, **{"dtype": cell.dtype_policy, **kwargs})
        self.cell = cell

    @property
    def state_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """Names of the states."""
        return self.cell.state_names

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Size of each of `state_names`."""
        return self.cell.state_sizes

    @property
    def output_size(self) -> int:
        """Size of the output."""
        return self.cell.output_size

    @property
    def reads(self) -> bool:
        """Whether the output is more than the first state."""
        return self.cell.reads

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights of the cell inside for inputs of shape `(..., features)`."""
        if not self.cell.built:
            self.cell.build(input_shape)

    def get_initial_state(self, batch_size: Any = None) -> list[Tensor]:
        """Return the states before the first step, `(batch_size, size)` each."""
        return self.cell.get_initial_state(batch_size)

    def draw(self, inputs: Tensor) -> SideInputs:
        """Return what is random in the training of inputs `(time, batch, features)`."""
        return self.cell.draw(inputs)

    def prepare(
        self, inputs: Tensor, side: SideInputs | None = None
    ) -> tuple[Any, tuple[Tensor, ...]]:
        """Return what a step reads, and what is the same for all steps; see `Cell.prepare`."""
        return self.cell.prepare(inputs, side)

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the matrices that a step multiplies with, by name."""
        return self.cell.products(side)

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new states; see `Cell.step`."""
        return self.cell.step(x, states, product, constants)

    def read(
        self, x: Any, states: States, previous: States, constants: tuple[Tensor, ...] = ()
    ) -> Tensor:
        """Return the outputs of all steps; see `Cell.read`."""
        return self.cell.read(x, states, previous, constants)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        config = super().get_config()
        del config["units"]
        return {**config, "cell": keras.saving.serialize_keras_object(self.cell)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "CellWrapper":
        """Create a cell from the result of `get_config`."""
        cell = keras.saving.deserialize_keras_object(config["cell"])
        return cls(**{**config, "cell": cell})


class InnerDerivative:
    """The derivative written by hand of the cell inside a wrapper; see `LSTMDerivative`."""

    def __init__(self, cell: Any) -> None:
        self.cell = cell
        self.inner = self._of(cell.cell)(cell.cell)
        self.needs_products = self.inner.needs_products

    @staticmethod
    def _of(cell: Cell) -> Any:
        written = vars(type(cell)).get("derivatives", ())
        return next((one for one in written if one.fits(cell)), None)

    @classmethod
    def fits(cls, cell: CellWrapper) -> bool:
        """Return whether the cell inside has a derivative that fits."""
        return cls._of(cell.cell) is not None

    def linearize(self, x: Any, products: Any, previous: States, states: States) -> Any:
        """Return the factors of the derivative of the cell inside, for all steps."""
        return self.inner.linearize(x, products, previous, states)

    def pull_back(
        self, factors: Any, d_states: States, back: Multiply, constants: tuple[Tensor, ...]
    ) -> tuple[Any, States]:
        """Return the gradients of `x` and of the previous states."""
        return self.inner.pull_back(factors, d_states, back, constants)
