"""Bistable cells, whose units remember by themselves."""

from collections.abc import Mapping
from typing import Any, ClassVar

import keras
from keras import ops

from rnnlayers.cells.gated import SigmoidGatedCell
from rnnlayers.cells.parts import Multiply, Product, SideInputs
from rnnlayers.types import States, Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class NBRCCell(SigmoidGatedCell):
    """The recurrently neuromodulated bistable cell: a GRU whose units can hold one of two values.

    Where a is above one, a unit feeds its own state back so strongly that it stays in one of two
    states, as long as the inputs do not push it into the other.

        a = 1 + activation(W_a x + b_a + U_a h_prev)            feedback, 0 to 2
        c = recurrent_activation(W_c x + b_c + U_c h_prev)      update gate
        h = c * h_prev + (1 - c) * activation(W_h x + b_h + a * h_prev)

    Weights: `kernel` W `(features, 3 * units)` and `bias` b `(3 * units,)`, cut in the order a, c,
    h; `recurrent_kernel` U `(units, 2 * units)`, in the order a, c. The paper has no bias.

    Args:
        units: Positive integer, the size of the output.
        activation: Function of the feedback and of the candidate.
        recurrent_activation: Function of the update gate.
        **kwargs: All other arguments of `GatedCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = NBRCCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Vecoven, Ernst and Drion (2021), A bio-inspired bistable recurrent cell allows for
    long-lasting memory, the equations of nBRC.
    """

    gates: ClassVar[tuple[str, ...]] = ("a", "c", "h")
    recurrent_gates: ClassVar[int | None] = 2

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""
        (h_prev,), (x_a, x_c, x_h) = states, x
        u_a, u_c = product(self.drop(h_prev, constants))
        a = 1 + self.activation(x_a + u_a)
        c = self.recurrent_activation(x_c + u_c)
        return (c * h_prev + (1 - c) * self.activation(x_h + a * h_prev),)


@keras.saving.register_keras_serializable(package="rnnlayers")
class BRCCell(NBRCCell):
    """The bistable cell: `NBRCCell` whose units hear their own past alone.

    A step needs no matrix product.

        a = 1 + activation(W_a x + b_a + u_a * h_prev)          feedback, 0 to 2
        c = recurrent_activation(W_c x + b_c + u_c * h_prev)    update gate
        h = c * h_prev + (1 - c) * activation(W_h x + b_h + a * h_prev)

    Weights: those of `NBRCCell`, but `recurrent_kernel` u is `(2 * units,)`, in the order a, c, and
    begins between -1 and 1.

    Args:
        units: Positive integer, the size of the output.
        activation: Function of the feedback and of the candidate.
        recurrent_activation: Function of the update gate.
        recurrent_initializer: Initializer of u.
        **kwargs: All other arguments of `GatedCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = BRCCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Vecoven, Ernst and Drion (2021), see `NBRCCell`, the equations of BRC.
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        recurrent_initializer: Any = None,
        **kwargs: Any,
    ) -> None:
        if recurrent_initializer is None:
            recurrent_initializer = keras.initializers.RandomUniform(-1.0, 1.0)
        super().__init__(
            units,
            activation,
            recurrent_activation,
            recurrent_initializer=recurrent_initializer,
            **kwargs,
        )

    @property
    def recurrent_shape(self) -> tuple[int, ...]:
        """Shape of `recurrent_kernel`."""
        return (2 * self.units,)

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the factors of each gate."""
        a, c = ops.split(ops.convert_to_tensor(self.recurrent_kernel), 2)
        return {"a": Product(a), "c": Product(c)}

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""

        def both(h: Tensor) -> list[Tensor]:
            return [product(h, "a"), product(h, "c")]

        return super().step(x, states, both, constants)
