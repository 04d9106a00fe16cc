"""The simple recurrent cell of Elman (1990)."""

from collections.abc import Sequence
from typing import ClassVar

import keras
from keras import ops

from rnnlayers.cells.base import Gates, RecurrentCell
from rnnlayers.cells.slopes import has_slope, slope
from rnnlayers.types import States, Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class ElmanCell(RecurrentCell):
    """One step of Elman's network, the twin of `keras.layers.SimpleRNNCell`.

    The state is one vector, rewritten at each step. It is the cheapest cell and the textbook
    example. Its gradient vanishes or explodes over long spans; `LSTMCell` and `GRUCell` carry it
    further.

        h = activation(W x + b + U h_prev)

    Weights: `kernel` W `(features, units)`, `recurrent_kernel` U `(units, units)`, `bias` b
    `(units,)`. There is one gate, the candidate `h`.

    Args:
        units: Positive integer, the size of the output and of the state.
        activation: "tanh", "relu", "sigmoid" or anything `keras.activations.get` takes.
        **kwargs: All other arguments of `RecurrentCell`.

    Call arguments, returns and errors are those of `RecurrentCell`.

    Example:

    >>> output, states = ElmanCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Elman, J. L. (1990). Finding structure in time. Cognitive Science 14(2).
    """

    gates: ClassVar[tuple[str, ...]] = ("h",)
    sums_gates: ClassVar[bool] = True
    linearizes_states: ClassVar[bool] = True

    def update(self, projected: Gates, recurrent: Gates, states: States) -> States:
        """Return the new states; see `RecurrentCell.update`."""
        (x,) = self.split(projected)
        (u,) = self.split(recurrent)
        return (self.activation(x + u),)

    @property
    def has_own_derivative(self) -> bool:
        """Whether the slope of the activation can be computed from its output."""
        return has_slope(self.activation)

    def linearize(
        self, projected: Gates, recurrent: Gates, previous: States, states: States
    ) -> tuple[Tensor, ...]:
        """Return dh/dz of each step; see `RecurrentCell.linearize`."""
        (h,) = states
        return (slope(self.activation, h),)

    def pull_back(
        self, factors: Sequence[Tensor], d_states: States
    ) -> tuple[Sequence[Tensor], Sequence[Tensor], States]:
        """Return the gradients of one step; see `RecurrentCell.pull_back`."""
        (h_by_z,), (d_h,) = factors, d_states
        d_gates = [d_h * h_by_z]
        return d_gates, d_gates, (ops.zeros_like(d_h),)
