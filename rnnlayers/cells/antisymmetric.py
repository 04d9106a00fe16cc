"""Networks whose recurrent matrix is antisymmetric, so that no state grows or dies away."""

from collections.abc import Mapping
from typing import Any, ClassVar

import keras
from keras import ops

from rnnlayers.cells.gated import GatedCell
from rnnlayers.cells.parts import Multiply, Product, SideInputs, add
from rnnlayers.checks import check_number
from rnnlayers.types import States, Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class AntisymmetricCell(GatedCell):
    """A stable network: its recurrent matrix is antisymmetric, so that no state grows or dies away.

    A step is one of the forward Euler method for an ordinary differential equation.

        A = U - U^T - gamma I
        h = h_prev + epsilon * activation(W x + b + A h_prev)

    Weights: `kernel` W `(features, units)`, `recurrent_kernel` U `(units, units)`, of which
    only the antisymmetric part counts, `bias` b `(units,)`.

    Args:
        units: Positive integer, the size of the output and of the state.
        activation: Function of the change.
        epsilon: Positive number, the size of a step.
        gamma: Number of at least 0, the diffusion, which makes the method stable.
        **kwargs: All other arguments of `GatedCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = AntisymmetricCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Chang et al. (2019), AntisymmetricRNN: a dynamical system view on recurrent neural
    networks, equation 10.
    """

    gates: ClassVar[tuple[str, ...]] = ("h",)

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        epsilon: float = 0.1,
        gamma: float = 0.01,
        **kwargs: Any,
    ) -> None:
        check_number("epsilon", epsilon, "(0, inf)", "the size of a step")
        check_number("gamma", gamma, "[0, inf)", "the diffusion")
        super().__init__(units, activation, **kwargs)
        self.epsilon = float(epsilon)
        self.gamma = float(gamma)

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the antisymmetric matrix."""
        U = ops.convert_to_tensor(self.recurrent_kernel)
        A = U - ops.transpose(U) - self.gamma * ops.eye(self.units, dtype=U.dtype)
        return {"": Product(ops.transpose(A), parts=1)}

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        return {**super().get_config(), "epsilon": self.epsilon, "gamma": self.gamma}

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""
        (h_prev,) = states
        (z,) = add(x, product(self.drop(h_prev, constants)))
        return (h_prev + self.epsilon * self.activation(z),)


@keras.saving.register_keras_serializable(package="rnnlayers")
class GatedAntisymmetricCell(AntisymmetricCell):
    """An `AntisymmetricCell` with a gate that shares its matrix.

        A = U - U^T - gamma I
        z = recurrent_activation(W_z x + b_z + A h_prev)        gate
        h = h_prev + epsilon * z * activation(W_h x + b_h + A h_prev)

    Weights: `kernel` W `(features, 2 * units)` and `bias` b `(2 * units,)`, cut in the order z, h;
    `recurrent_kernel` U `(units, units)`.

    Args:
        units: Positive integer, the size of the output and of the state.
        activation: Function of the change.
        epsilon: Positive number, the size of a step.
        gamma: Number of at least 0, the diffusion, which makes the method stable.
        recurrent_activation: Function of the gate.
        **kwargs: All other arguments of `GatedCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = GatedAntisymmetricCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Chang et al. (2019), AntisymmetricRNN: a dynamical system view on recurrent neural
    networks, equation 12.
    """

    gates: ClassVar[tuple[str, ...]] = ("z", "h")
    recurrent_gates: ClassVar[int | None] = 1

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        epsilon: float = 0.1,
        gamma: float = 0.01,
        recurrent_activation: Any = "sigmoid",
        **kwargs: Any,
    ) -> None:
        super().__init__(units, activation, epsilon, gamma, **kwargs)
        self.recurrent_activation = keras.activations.get(recurrent_activation)

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""
        (h_prev,), (x_z, x_h) = states, x
        (u,) = product(self.drop(h_prev, constants))
        z = self.recurrent_activation(x_z + u)
        return (h_prev + self.epsilon * z * self.activation(x_h + u),)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        gate = keras.activations.serialize(self.recurrent_activation)
        return {**super().get_config(), "recurrent_activation": gate}
