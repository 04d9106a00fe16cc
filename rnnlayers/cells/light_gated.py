"""Relatives of the GRU with one gate or fewer products."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from rnnlayers.cells.gated import SigmoidGatedCell
from rnnlayers.cells.parts import Multiply, Product, SideInputs, add
from rnnlayers.types import States, Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class MinimalGatedCell(SigmoidGatedCell):
    """The minimal gated unit: a GRU with one gate.

    The gate that mixes also resets. It has two products in each step, one after the other.

        f = recurrent_activation(W_f x + b_f + U_f h_prev)      forget gate
        n = activation(W_n x + b_n + U_n (f * h_prev))          candidate
        h = (1 - f) * h_prev + f * n

    Weights, cut in the order f, n: `kernel` W `(features, 2 * units)`, `recurrent_kernel` U
    `(units, 2 * units)`, `bias` b `(2 * units,)`.

    Args:
        units: Positive integer, the size of the output.
        **kwargs: All other arguments of `GRUCell`, without `reset_after`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = MinimalGatedCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Zhou et al. (2016), Minimal gated unit for recurrent neural networks, equations 6a to
    6c.
    """

    gates: ClassVar[tuple[str, ...]] = ("f", "n")

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the recurrent kernel, cut into what is multiplied before and after the reset."""
        first, last = ops.split(self.recurrent_kernel, [1 * self.units], axis=-1)
        return {"": Product(first, parts=1), "n": Product(last)}

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""
        (h_prev,) = states
        h_masked = self.drop(h_prev, constants)
        x_f, x_n = x
        (u_f,) = product(h_masked)
        f = self.recurrent_activation(x_f + u_f)
        n = self.activation(x_n + product(f * h_masked, "n"))
        return ((1 - f) * h_prev + f * n,)


@keras.saving.register_keras_serializable(package="rnnlayers")
class LiGRUCell(SigmoidGatedCell):
    """The light GRU of speech recognition: no reset gate, and relu.

    Without a bounded candidate it may need `keras.layers.BatchNormalization` of its inputs, as
    in the paper, and clipped gradients.

        z = recurrent_activation(W_z x + b_z + U_z h_prev)      update gate
        n = activation(W_n x + b_n + U_n h_prev)                candidate
        h = z * h_prev + (1 - z) * n

    Weights, cut in the order z, n: `kernel` W `(features, 2 * units)`, `recurrent_kernel` U
    `(units, 2 * units)`, `bias` b `(2 * units,)`. `activation` is "relu" by default.

    Args:
        units: Positive integer, the size of the output.
        **kwargs: All other arguments of `GRUCell`, without `reset_after`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = LiGRUCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Ravanelli et al. (2018), Light gated recurrent units for speech recognition,
    equations 4 to 6, without their batch normalization.
    """

    gates: ClassVar[tuple[str, ...]] = ("z", "n")

    def __init__(
        self,
        units: int,
        activation: Any = "relu",
        recurrent_activation: Any = "sigmoid",
        **kwargs: Any,
    ) -> None:
        super().__init__(units, activation, recurrent_activation, **kwargs)

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""
        (h_prev,) = states
        z, n = add(x, product(self.drop(h_prev, constants)))
        z = self.recurrent_activation(z)
        return (z * h_prev + (1 - z) * self.activation(n),)


@keras.saving.register_keras_serializable(package="rnnlayers")
class LightRecurrentCell(SigmoidGatedCell):
    """The light recurrent unit: a candidate of the inputs alone, and one gate.

        f = recurrent_activation(W_f x + b_f + U_f h_prev)      forget gate
        n = activation(W_n x + b_n)                             candidate
        h = (1 - f) * h_prev + f * n

    Weights: `kernel` W `(features, 2 * units)` and `bias` b `(2 * units,)`, cut in the order f, n;
    `recurrent_kernel` U_f `(units, units)`.

    Args:
        units: Positive integer, the size of the output.
        **kwargs: All other arguments of `GRUCell`, without `reset_after`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = LightRecurrentCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Ye et al. (2024), Light recurrent unit: towards an interpretable recurrent neural
    network for modeling long-range dependency.
    """

    gates: ClassVar[tuple[str, ...]] = ("f", "n")
    recurrent_gates: ClassVar[int] = 1

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""
        (h_prev,) = states
        x_f, x_n = x
        (u_f,) = product(self.drop(h_prev, constants))
        f = self.recurrent_activation(x_f + u_f)
        return ((1 - f) * h_prev + f * self.activation(x_n),)


@keras.saving.register_keras_serializable(package="rnnlayers")
class STARCell(SigmoidGatedCell):
    """The stackable recurrent cell, whose gradients neither vanish nor explode along depth.

        z = activation(W_z x + b_z)                             candidate
        k = recurrent_activation(W_k x + b_k + U_k h_prev)      gate
        h = activation((1 - k) * h_prev + k * z)

    Weights: `kernel` W `(features, 2 * units)` and `bias` b `(2 * units,)`, cut in the order z, k;
    `recurrent_kernel` U_k `(units, units)`.

    Args:
        units: Positive integer, the size of the output.
        **kwargs: All other arguments of `GRUCell`, without `reset_after`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = STARCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Turkoglu et al. (2021), Gating revisited: deep multi-layer RNNs that can be trained,
    equations 7 to 9.
    """

    gates: ClassVar[tuple[str, ...]] = ("z", "k")
    recurrent_gates: ClassVar[int] = 1

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""
        (h_prev,) = states
        x_z, x_k = x
        (u_k,) = product(self.drop(h_prev, constants))
        k = self.recurrent_activation(x_k + u_k)
        return (self.activation((1 - k) * h_prev + k * self.activation(x_z)),)


@keras.saving.register_keras_serializable(package="rnnlayers")
class ATRCell(SigmoidGatedCell):
    """The addition-subtraction twin-gated network of translation.

    Both gates come from one product: their sum and their difference.

        p = W x + b
        q = U h_prev
        i = recurrent_activation(p + q)                         input gate
        f = recurrent_activation(p - q)                         forget gate
        h = i * p + f * h_prev

    Weights: `kernel` W `(features, units)`, `recurrent_kernel` U `(units, units)`, `bias` b
    `(units,)`.

    Args:
        units: Positive integer, the size of the output.
        recurrent_activation: Function of both gates.
        **kwargs: All other arguments of `GatedCell`, without `activation`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = ATRCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Zhang et al. (2018), Simplifying neural machine translation with addition-subtraction
    twin-gated recurrent networks, equations 4 to 8.
    """

    gates: ClassVar[tuple[str, ...]] = ("p",)
    without: ClassVar[tuple[str, ...]] = ("activation",)

    def __init__(self, units: int, recurrent_activation: Any = "sigmoid", **kwargs: Any) -> None:
        super().__init__(units, recurrent_activation=recurrent_activation, **kwargs)

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""
        (h_prev,), (p,) = states, x
        (q,) = product(self.drop(h_prev, constants))
        i, f = self.recurrent_activation(p + q), self.recurrent_activation(p - q)
        return (i * p + f * h_prev,)


@keras.saving.register_keras_serializable(package="rnnlayers")
class MinimalRNNCell(SigmoidGatedCell):
    """The minimal RNN: inputs are mapped into the space of the states, and one gate mixes them in.

        z = activation(W x + b_z)
        u = recurrent_activation(U_h h_prev + U_z z + b_u)      update gate
        h = u * h_prev + (1 - u) * z

    Weights: `kernel` W `(features, units)`, `recurrent_kernel` U_h and `gate_kernel` U_z
    `(units, units)`, `bias` `(2 * units,)`, cut in the order z, u.

    Args:
        units: Positive integer, the size of the output.
        **kwargs: All other arguments of `GRUCell`, without `reset_after`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = MinimalRNNCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Chen (2017), MinimalRNN: toward more interpretable and trainable recurrent neural
    networks, equations 1 to 3.
    """

    gates: ClassVar[tuple[str, ...]] = ("z",)

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """Shape of `bias`."""
        return (2 * self.units,)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of shape `(..., features)`."""
        super().build(input_shape)
        self.gate_kernel = self.add_input_kernel("gate_kernel", (self.units, self.units))

    def prepare(self, inputs: Tensor, side: SideInputs | None = None) -> tuple[Any, Any]:
        """Return z and its part in the gate, and the dropout mask."""
        inputs, constants = self.drop_all(inputs, side)
        bias = (0.0, 0.0) if self.bias is None else ops.split(self.bias, 2)
        z = self.activation(ops.matmul(inputs, self.kernel) + bias[0])
        return (z, ops.matmul(z, self.gate_kernel) + bias[1]), constants

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""
        (h_prev,), (x_z, x_u) = states, x
        (u,) = product(self.drop(h_prev, constants))
        u = self.recurrent_activation(u + x_u)
        return (u * h_prev + (1 - u) * x_z,)
