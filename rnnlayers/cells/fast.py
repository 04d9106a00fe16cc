"""FastRNN and FastGRNN, for small devices."""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from rnnlayers.cells.gated import GatedCell, SigmoidGatedCell
from rnnlayers.cells.parts import Multiply, SideInputs, add
from rnnlayers.types import States, Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class FastRNNCell(GatedCell):
    """A simple network with a residual connection of two trained scalars, for small devices.

        n = activation(W x + b + U h_prev)
        h = sigmoid(alpha) * n + sigmoid(beta) * h_prev

    Weights: `kernel` W `(features, units)`, `recurrent_kernel` U `(units, units)`, `bias` b
    `(units,)`, `alpha` and `beta` `(1,)`, which begin at -3 and 3, so that the cell begins close to
    the identity.

    Args:
        units: Positive integer, the size of the output.
        **kwargs: All other arguments of `GatedCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = FastRNNCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Kusupati et al. (2018), FastGRNN: a fast, accurate, stable and tiny kilobyte sized
    gated recurrent neural network, equation 2.
    """

    gates: ClassVar[tuple[str, ...]] = ("n",)
    without: ClassVar[tuple[str, ...]] = ("recurrent_activation",)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of shape `(..., features)`."""
        super().build(input_shape)
        self.alpha, self.beta = (
            self.add_weight(name=name, shape=(1,), initializer=keras.initializers.Constant(value))
            for name, value in (("alpha", -3.0), ("beta", 3.0))
        )

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""
        (h_prev,) = states
        (n,) = add(x, product(self.drop(h_prev, constants)))
        return (ops.sigmoid(self.alpha) * self.activation(n) + ops.sigmoid(self.beta) * h_prev,)


@keras.saving.register_keras_serializable(package="rnnlayers")
class FastGRNNCell(SigmoidGatedCell):
    """FastRNN with a gate that shares the matrices of the candidate: half the weights of a GRU.

        z = recurrent_activation(W x + U h_prev + b_z)          gate
        n = activation(W x + U h_prev + b_n)                    candidate
        h = (sigmoid(zeta) * (1 - z) + sigmoid(nu)) * n + z * h_prev

    Weights: `kernel` W `(features, units)`, `recurrent_kernel` U `(units, units)`, `bias`
    `(2 * units,)`, cut in the order z, n, `zeta` and `nu` `(1,)`, which begin at 1 and -4.

    Args:
        units: Positive integer, the size of the output.
        **kwargs: All other arguments of `GRUCell`, without `reset_after`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = FastGRNNCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Kusupati et al. (2018), FastGRNN: a fast, accurate, stable and tiny kilobyte sized
    gated recurrent neural network, equation 3.
    """

    gates: ClassVar[tuple[str, ...]] = ("s",)

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """Shape of `bias`."""
        return (2 * self.units,)

    def prepare(self, inputs: Tensor, side: SideInputs | None = None) -> tuple[Any, Any]:
        """Return the inputs' part in the gate and in the candidate, and the dropout mask."""
        inputs, constants = self.drop_all(inputs, side)
        projected = ops.matmul(inputs, self.kernel)
        bias = (0.0, 0.0) if self.bias is None else ops.split(self.bias, 2)
        return (projected + bias[0], projected + bias[1]), constants

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of shape `(..., features)`."""
        super().build(input_shape)
        self.zeta, self.nu = (
            self.add_weight(name=name, shape=(1,), initializer=keras.initializers.Constant(value))
            for name, value in (("zeta", 1.0), ("nu", -4.0))
        )

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""
        (h_prev,), (x_z, x_n) = states, x
        (u,) = product(self.drop(h_prev, constants))
        z, n = self.recurrent_activation(x_z + u), self.activation(x_n + u)
        zeta, nu = ops.sigmoid(self.zeta), ops.sigmoid(self.nu)
        return ((zeta * (1 - z) + nu) * n + z * h_prev,)
