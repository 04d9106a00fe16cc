"""The simple recurrent cell of Elman (1990)."""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras

from rnnlayers.cells.gated import GatedCell
from rnnlayers.cells.parts import Multiply, add
from rnnlayers.cells.slopes import has_slope, slope
from rnnlayers.types import States, Tensor


class ElmanDerivative:
    """The derivative of `ElmanCell.step`, see `rnnlayers.cells.lstm.LSTMDerivative`."""

    needs_products = False

    def __init__(self, cell: "ElmanCell") -> None:
        self.cell = cell

    @staticmethod
    def fits(cell: "ElmanCell") -> bool:
        """Return whether the slope of the activation can be computed from its output."""
        return has_slope(cell.activation)

    def linearize(
        self, x: Any, products: Any, previous: States, states: States
    ) -> Sequence[Tensor]:
        """Return dh/dz of each step."""
        (h,) = states
        return (slope(self.cell.activation, h),)

    def pull_back(
        self,
        factors: Sequence[Tensor],
        d_states: States,
        back: Multiply,
        constants: tuple[Tensor, ...],
    ) -> tuple[Any, States]:
        """Return the gradients of `x` and of the previous states."""
        (h_by_z,), (d_h,) = factors, d_states
        d_z = [d_h * h_by_z]
        return d_z, (self.cell.drop(back(d_z), constants),)


@keras.saving.register_keras_serializable(package="rnnlayers")
class ElmanCell(GatedCell):
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
        **kwargs: All other arguments of `GatedCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = ElmanCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Elman, J. L. (1990). Finding structure in time. Cognitive Science 14(2).
    """

    gates: ClassVar[tuple[str, ...]] = ("h",)
    derivatives = (ElmanDerivative,)

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""
        (h_prev,) = states
        (z,) = add(x, product(self.drop(h_prev, constants)))
        return (self.activation(z),)
