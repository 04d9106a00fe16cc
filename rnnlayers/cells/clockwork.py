"""Clockwork networks."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from rnnlayers.cells.gated import GatedCell
from rnnlayers.cells.parts import Multiply, Product, SideInputs, add
from rnnlayers.checks import check_positive_integer
from rnnlayers.types import States, Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class ClockworkCell(GatedCell):
    """A clockwork network: modules of units that are updated every 1, 2, 4, 8, ... steps.

    A module hears those that are as slow as itself or slower, and keeps its state in between.

        h = activation(W x + b + U h_prev)      of modules whose period divides the step's number
        h = h_prev                              of the others

    Weights: `kernel` W `(features, units)`, `recurrent_kernel` U `(units, units)`, of which
    only the blocks from a module to itself and to faster ones count, `bias` b `(units,)`.
    States: h, and t `(batch, 1)`, the number of the step, from 0. Masked steps are not counted.

    Args:
        units: Positive integer, the size of the output, a multiple of the number of periods.
        activation: Function of the state.
        periods: Positive integers, the period of each module in steps.
        **kwargs: All other arguments of `GatedCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = ClockworkCell(4)(np.ones((2, 3)), [np.zeros((2, 4)), np.zeros((2, 1))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Koutník et al. (2014), A clockwork RNN, section 3.
    """

    gates: ClassVar[tuple[str, ...]] = ("h",)
    state_names: ClassVar[tuple[str, ...]] = ("h", "t")
    fixed_by_weights: ClassVar[tuple[str, ...]] = (*GatedCell.fixed_by_weights, "periods")

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        periods: Sequence[int] = (1, 2, 4, 8),
        **kwargs: Any,
    ) -> None:
        for period in periods:
            check_positive_integer("periods", period, "a number of steps for each module")
        if not periods or units % len(periods):
            raise ValueError(
                f"`units` must be a multiple of the number of `periods`, {len(periods)}, since all "
                f"modules have one size; received {units}."
            )
        super().__init__(units, activation, **kwargs)
        self.periods = tuple(sorted(map(int, periods)))

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Sizes of h and of t."""
        return (self.units, 1)

    @property
    def unit_periods(self) -> list[int]:
        """The period of each unit."""
        size = self.units // len(self.periods)
        return [period for period in self.periods for _ in range(size)]

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the recurrent kernel without the blocks from faster modules to slower ones."""
        periods = ops.convert_to_tensor(self.unit_periods)
        hears = ops.expand_dims(periods, 1) >= ops.expand_dims(periods, 0)
        U = ops.convert_to_tensor(self.recurrent_kernel)
        return {"": Product(ops.where(hears, U, ops.zeros_like(U)), parts=1)}

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        return {**super().get_config(), "periods": self.periods}

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new states; see `Cell.step`."""
        h_prev, t = states
        (z,) = add(x, product(self.drop(h_prev, constants)))
        periods = ops.cast(self.unit_periods, t.dtype)
        due = ops.equal(ops.mod(t, periods), 0)
        return ops.where(due, self.activation(z), h_prev), t + 1
