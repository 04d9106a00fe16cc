"""A GRU that also sees its state of some steps ago."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from rnnlayers.cells.gated import SigmoidGatedCell
from rnnlayers.cells.parts import Multiply, Product, SideInputs, add
from rnnlayers.checks import check_positive_integer
from rnnlayers.types import States, Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class TauGRUCell(SigmoidGatedCell):
    """A GRU with weighted time-delay feedback: its state of `delay` steps before comes back.

        u = activation(W_u x + b_u + U_u h_prev)                candidate
        g = recurrent_activation(W_g x + b_g + U_g h_prev)      update gate
        a = recurrent_activation(W_a x + b_a + U_a h_prev)      weight of the feedback
        z = activation(W_z x + b_z + V h_delayed)               feedback
        h = (1 - g) * h_prev + g * (u + a * z)

    h_delayed is the state `delay` steps before h_prev, and zero up to there.

    Weights: `kernel` W `(features, 4 * units)` and `bias` b `(4 * units,)`, cut in the order u, g,
    a, z; `recurrent_kernel` U `(units, 3 * units)`, in the order u, g, a; `delay_kernel` V
    `(units, units)`. States: h, and past `(batch, delay * units)`, the states before h, the latest
    first. Masked steps are not counted.

    Args:
        units: Positive integer, the size of the output.
        activation: Function of the candidate and of the feedback.
        recurrent_activation: Function of the two gates.
        delay: Positive integer, in steps.
        **kwargs: All other arguments of `GatedCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> before = [np.zeros((2, 4)), np.zeros((2, 12))]
    >>> output, states = TauGRUCell(4, delay=3)(np.ones((2, 3)), before)
    >>> output.shape
    TensorShape([2, 4])

    Reference: Erichson, Lim and Mahoney (2023), Gated recurrent neural networks with weighted
    time-delay feedback, the discretized equations.
    """

    gates: ClassVar[tuple[str, ...]] = ("u", "g", "a", "z")
    recurrent_gates: ClassVar[int | None] = 3
    state_names: ClassVar[tuple[str, ...]] = ("h", "past")
    fixed_by_weights: ClassVar[tuple[str, ...]] = (*SigmoidGatedCell.fixed_by_weights, "delay")

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        delay: int = 10,
        **kwargs: Any,
    ) -> None:
        check_positive_integer("delay", delay, "a number of steps")
        super().__init__(units, activation, recurrent_activation, **kwargs)
        self.delay = int(delay)

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Sizes of h and of its past."""
        return (self.units, self.delay * self.units)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of shape `(..., features)`."""
        super().build(input_shape)
        self.delay_kernel = self.add_recurrent("delay_kernel", (self.units, self.units))

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the recurrent kernel and that of the delayed state."""
        return {**super().products(side), "z": Product(self.delay_kernel)}

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new states; see `Cell.step`."""
        (x_u, x_g, x_a, x_z), (h_prev, past) = x, states
        kept = (self.delay - 1) * self.units
        u, g, a = add((x_u, x_g, x_a), product(self.drop(h_prev, constants)))
        z = self.activation(x_z + product(self.drop(past[:, kept:], constants), "z"))
        g, a = self.recurrent_activation(g), self.recurrent_activation(a)
        h = (1 - g) * h_prev + g * (self.activation(u) + a * z)
        return h, ops.concatenate([h_prev, past[:, :kept]], -1)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        return {**super().get_config(), "delay": self.delay}
