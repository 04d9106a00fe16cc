"""Recurrences that are linear in the state, so that all steps can be computed in parallel."""

from typing import Any, ClassVar

import keras
from keras import ops

from rnnlayers.cells.gated import OF_RECURRENT_KERNEL, GatedCell
from rnnlayers.cells.parts import Multiply
from rnnlayers.types import States, Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class LinearCell(GatedCell):
    """A cell whose state is a * h_prev + b, with a and b that depend on the inputs alone.

    Subclass it and write `coefficients`. The engine "scan" then computes all steps of a sequence in
    a time that grows with the logarithm of their number; `step` serves single steps. There is no
    recurrent kernel, and none of the arguments that begin with `recurrent_`.

    Class attributes:
        gates: Names of the parts of the kernel.
        is_complex: Whether the state, a and b are complex, the real parts first and the imaginary
            parts behind them. `state_sizes` is twice the number of units then.

    Args:
        units: Positive integer, the size of the output.
        **kwargs: All other arguments of `GatedCell` whose names do not begin with `recurrent_`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> @keras.saving.register_keras_serializable(package="example")
    ... class MovingAverageCell(LinearCell):
    ...     gates = ("x",)
    ...
    ...     def coefficients(self, x, constants=()):
    ...         return 0.9 * ops.ones_like(x[0]), 0.1 * x[0]
    >>> rnnlayers.Recurrent(MovingAverageCell(4))(np.ones((2, 50, 3))).shape
    TensorShape([2, 4])
    """

    is_complex: ClassVar[bool] = False
    recurrent_gates: ClassVar[int | None] = 0
    without: ClassVar[tuple[str, ...]] = OF_RECURRENT_KERNEL

    def coefficients(self, x: Any, constants: tuple[Tensor, ...] = ()) -> tuple[Tensor, Tensor]:
        """Return a and b `(..., size)` of one step or of all, from what `prepare` returned."""
        raise NotImplementedError(f"{type(self).__name__} must define `coefficients`.")

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""
        a, b = self.coefficients(x, constants)
        return (times(a, states[0], self.is_complex) + b,)


def times(a: Tensor, h: Tensor, is_complex: bool) -> Tensor:
    """Return a * h, of numbers whose imaginary parts lie behind the real ones if they have any."""
    if not is_complex:
        return a * h
    (a_re, a_im), (h_re, h_im) = (ops.split(tensor, 2, axis=-1) for tensor in (a, h))
    return ops.concatenate([a_re * h_re - a_im * h_im, a_re * h_im + a_im * h_re], -1)
