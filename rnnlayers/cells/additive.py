"""Cells whose state is a gated sum: RAN, UGRNN, intersection network, CFN."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from rnnlayers.cells.gated import SigmoidGatedCell
from rnnlayers.cells.parts import Fused, Multiply, Product, SideInputs, add
from rnnlayers.types import States, Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class RANCell(SigmoidGatedCell):
    """The recurrent additive network: an LSTM whose candidate is linear in the inputs alone.

    Its cell state is a weighted sum of the inputs.

        i = recurrent_activation(W_i x + b_i + U_i h_prev)      input gate
        f = recurrent_activation(W_f x + b_f + U_f h_prev)      forget gate
        c = i * (W_g x + b_g) + f * c_prev
        h = activation(c)

    Weights: `kernel` W `(features, 3 * units)` and `bias` b `(3 * units,)`, cut in the order i,
    f, g; `recurrent_kernel` U `(units, 2 * units)`, in the order i, f. States: h and c.

    Args:
        units: Positive integer, the size of the output.
        **kwargs: All other arguments of `GRUCell`, without `reset_after`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = RANCell(4)(np.ones((2, 3)), [np.zeros((2, 4))] * 2)
    >>> output.shape
    TensorShape([2, 4])

    Reference: Lee, Levy and Zettlemoyer (2017), Recurrent additive networks, equations 1 to 5.
    """

    gates: ClassVar[tuple[str, ...]] = ("i", "f", "g")
    state_names: ClassVar[tuple[str, ...]] = ("h", "c")
    recurrent_gates: ClassVar[int] = 2

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new states; see `Cell.step`."""
        h_prev, c_prev = states
        x_i, x_f, g = x
        i, f = add((x_i, x_f), product(self.drop(h_prev, constants)))
        i, f = self.recurrent_activation(i), self.recurrent_activation(f)
        c = i * g + f * c_prev
        return self.activation(c), c


@keras.saving.register_keras_serializable(package="rnnlayers")
class UGRNNCell(SigmoidGatedCell):
    """The update gate network: a GRU without a reset gate.

        g = recurrent_activation(W_g x + b_g + U_g h_prev)      update gate
        n = activation(W_n x + b_n + U_n h_prev)                candidate
        h = g * h_prev + (1 - g) * n

    Weights, cut in the order g, n: `kernel` W `(features, 2 * units)`, `recurrent_kernel` U
    `(units, 2 * units)`, `bias` b `(2 * units,)`.

    Args:
        units: Positive integer, the size of the output.
        **kwargs: All other arguments of `GRUCell`, without `reset_after`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = UGRNNCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Collins, Sohl-Dickstein and Sussillo (2017), Capacity and trainability in recurrent
    neural networks, section 2.
    """

    gates: ClassVar[tuple[str, ...]] = ("g", "n")

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""
        (h_prev,) = states
        g, n = add(x, product(self.drop(h_prev, constants)))
        g = self.recurrent_activation(g)
        return (g * h_prev + (1 - g) * self.activation(n),)


@keras.saving.register_keras_serializable(package="rnnlayers")
class IntersectionCell(SigmoidGatedCell):
    """The intersection network, for stacks: gates along time and along depth.

    The inputs pass through it where its gate is open, so the features must be as many as the units.

        p = activation(W_p x + b_p + U_p h_prev)                candidate of the output
        g = recurrent_activation(W_g x + b_g + U_g h_prev)      gate of depth
        q = activation(W_q x + b_q + U_q h_prev)                candidate of the state
        f = recurrent_activation(W_f x + b_f + U_f h_prev)      gate of time
        y = g * x + (1 - g) * p                                 output
        h = f * h_prev + (1 - f) * q

    Weights, cut in the order p, g, q, f: `kernel` W `(features, 4 * units)`, `recurrent_kernel` U
    `(units, 4 * units)`, `bias` b `(4 * units,)`. The state is h.

    Args:
        units: Positive integer, the size of the output.
        **kwargs: All other arguments of `GRUCell`, without `reset_after`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = IntersectionCell(4)(np.ones((2, 4)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Collins, Sohl-Dickstein and Sussillo (2017), Capacity and trainability in recurrent
    neural networks, section 2, "+RNN".
    """

    gates: ClassVar[tuple[str, ...]] = ("p", "g", "q", "f")

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of shape `(..., features)`."""
        if input_shape[-1] != self.units:
            raise ValueError(
                f"`units` of {self.name!r} must be the number of features, since the inputs pass "
                f"through; received {self.units} and inputs of shape {tuple(input_shape)}. Put a "
                "Dense layer before it."
            )
        super().build(input_shape)

    def prepare(self, inputs: Tensor, side: SideInputs | None = None) -> tuple[Any, Any]:
        """Return the inputs, their part in the gates of output and state, and the dropout mask."""
        inputs, constants = self.drop_all(inputs, side)
        output, state = ops.split(self.project(inputs), 2, axis=-1)
        return (inputs, Fused(output, 2), Fused(state, 2)), constants

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the recurrent kernel of q and f; that of p and g need not wait for a step."""
        return {"": Product(self.recurrent_kernel[:, 2 * self.units :], parts=2)}

    def read(
        self, x: Any, states: States, previous: States, constants: tuple[Tensor, ...] = ()
    ) -> Tensor:
        """Return the outputs y of all steps."""
        inputs, gates, _ = x
        recurrent = ops.matmul(
            self.drop(previous[0], constants), self.recurrent_kernel[:, : 2 * self.units]
        )
        p, g = add(gates, Fused(recurrent, 2).cut())
        g = self.recurrent_activation(g)
        return g * inputs + (1 - g) * self.activation(p)

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""
        (*_, gates), (h_prev,) = x, states
        q, f = add(gates, product(self.drop(h_prev, constants)))
        f = self.recurrent_activation(f)
        return (f * h_prev + (1 - f) * self.activation(q),)


@keras.saving.register_keras_serializable(package="rnnlayers")
class CFNCell(SigmoidGatedCell):
    """The chaos free network: without inputs its state decays to zero.

        t = recurrent_activation(W_t x + b_t + U_t h_prev)      forget gate
        n = recurrent_activation(W_n x + b_n + U_n h_prev)      input gate
        h = t * activation(h_prev) + n * activation(W_c x)

    Weights: `kernel` W `(features, 3 * units)`, cut in the order t, n, c; `recurrent_kernel` U
    `(units, 2 * units)` and `bias` b `(2 * units,)`, in the order t, n.

    Args:
        units: Positive integer, the size of the output.
        **kwargs: All other arguments of `GRUCell`, without `reset_after`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = CFNCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Laurent and von Brecht (2017), A recurrent neural network without chaos, equations 1
    to 3.
    """

    gates: ClassVar[tuple[str, ...]] = ("t", "n", "c")
    recurrent_gates: ClassVar[int] = 2

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """Shape of `bias`."""
        return (2 * self.units,)

    def prepare(self, inputs: Tensor, side: SideInputs | None = None) -> tuple[Any, Any]:
        """Return the gates' part of the inputs, that of the candidate squashed, and the mask."""
        inputs, constants = self.drop_all(inputs, side)
        gates, c = ops.split(ops.matmul(inputs, self.kernel), [2 * self.units], axis=-1)
        gates = gates if self.bias is None else gates + self.bias
        return Fused(ops.concatenate([gates, self.activation(c)], -1), 3), constants

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""
        (h_prev,) = states
        x_t, x_n, c = x
        t, n = add((x_t, x_n), product(self.drop(h_prev, constants)))
        t, n = self.recurrent_activation(t), self.recurrent_activation(n)
        return (t * self.activation(h_prev) + n * c,)
