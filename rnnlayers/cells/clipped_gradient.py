"""Gradients that are clipped on their way from step to step."""

from typing import Any, ClassVar

import keras
from keras import ops

from rnnlayers.cells.base import Cell
from rnnlayers.cells.parts import Multiply
from rnnlayers.cells.wrappers import CellWrapper, InnerDerivative
from rnnlayers.checks import check_number
from rnnlayers.types import States, Tensor


class ClippedDerivative(InnerDerivative):
    """The derivative written by hand of the cell in a `ClippedGradientCell`, clipped."""

    def pull_back(
        self, factors: Any, d_states: States, back: Multiply, constants: tuple[Tensor, ...]
    ) -> tuple[Any, States]:
        """Return the gradients of `x` and, clipped, of the previous states."""
        d_x, d_previous = super().pull_back(factors, d_states, back, constants)
        return d_x, tuple(map(self.cell.clip, d_previous))


@keras.saving.register_keras_serializable(package="rnnlayers")
class ClippedGradientCell(CellWrapper):
    """A cell that clips the gradient on its way from each step to the step before.

    The outputs are those of the cell inside. In the backward pass, the gradient with respect to
    each previous state, dL/ds_prev as far as it comes through the step, is limited before it goes
    on. An exploding product of many steps is stopped where it arises, which clipping the gradient
    of the weights, as `rnnlayers.optimizers.ClippedOptimizer` does, cannot.

    Args:
        cell: A `Cell`.
        max_value: Limit of each element: a gradient g becomes min(max(g, -max_value), max_value).
        max_norm: Limit of the norm of each row of each state: g becomes
            g * min(1, max_norm / norm(g)). Exactly one of the two must be given.
        **kwargs: As for `CellWrapper`.

    Call arguments and returns are those of `Cell`.

    Raises:
        ValueError: unless exactly one limit is given, and it is above zero.

    Example:

    >>> cell = rnnlayers.ClippedGradientCell(rnnlayers.LSTMCell(4), max_value=1.0)
    >>> rnnlayers.Recurrent(cell)(np.ones((2, 5, 3))).shape
    TensorShape([2, 4])

    References: Graves (2013), Generating sequences with recurrent neural networks, section 2.1
    (elements, before each step); Pascanu, Mikolov and Bengio (2013), On the difficulty of training
    recurrent neural networks, section 3.2 (norms).
    """

    derivatives: ClassVar[tuple[Any, ...]] = (ClippedDerivative,)

    def __init__(
        self,
        cell: Cell,
        max_value: float | None = None,
        max_norm: float | None = None,
        **kwargs: Any,
    ) -> None:
        if (max_value is None) == (max_norm is None):
            raise ValueError(
                "Exactly one of `max_value` and `max_norm` must be given; received "
                f"{max_value!r} and {max_norm!r}."
            )
        for name, value in (("max_value", max_value), ("max_norm", max_norm)):
            if value is not None:
                check_number(name, value, "(0, inf)", "the limit of the gradient")
        super().__init__(cell, **kwargs)
        self.max_value = max_value
        self.max_norm = max_norm

    def clip(self, gradient: Tensor) -> Tensor:
        """Return a gradient `(batch, size)` within the limit."""
        if self.max_value is not None:
            return ops.clip(gradient, -self.max_value, self.max_value)
        norm = ops.sqrt(ops.sum(ops.square(gradient), -1, keepdims=True))
        # Where the norm is zero, so is the gradient, and its factor must not be NaN.
        return gradient * (self.max_norm / ops.maximum(norm, self.max_norm))

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new states; see `Cell.step`."""

        @ops.custom_gradient
        def clipped(state: Tensor) -> tuple[Tensor, Any]:
            return ops.copy(state), self.clip

        return self.cell.step(x, tuple(map(clipped, states)), product, constants)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        return {**super().get_config(), "max_value": self.max_value, "max_norm": self.max_norm}
