"""Relatives of the LSTM that change its gates, its candidate or what enters them."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from rnnlayers.cells.gated import SigmoidGatedCell
from rnnlayers.cells.parts import Fused, Multiply, Product, SideInputs, add
from rnnlayers.checks import check_positive_integer
from rnnlayers.types import States, Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class CoupledLSTMCell(SigmoidGatedCell):
    """An LSTM that forgets as much as it takes in: coupled input and forget gate.

    It has three products where `LSTMCell` has four, and nearly its accuracy.

        i = recurrent_activation(W_i x + b_i + U_i h_prev)      input gate
        g = activation(W_g x + b_g + U_g h_prev)                candidate
        o = recurrent_activation(W_o x + b_o + U_o h_prev)      output gate
        c = (1 - i) * c_prev + i * g
        h = o * activation(c)

    Weights, cut in the order i, g, o: `kernel` W `(features, 3 * units)`, `recurrent_kernel` U
    `(units, 3 * units)`, `bias` b `(3 * units,)`. States: h and c.

    Args:
        units: Positive integer, the size of the output.
        **kwargs: All other arguments of `LSTMCell`, without `unit_forget_bias`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, (h, c) = CoupledLSTMCell(4)(np.ones((2, 3)), [np.zeros((2, 4)), np.zeros((2, 4))])
    >>> output.shape, c.shape
    (TensorShape([2, 4]), TensorShape([2, 4]))

    Reference: Greff et al. (2017), LSTM: a search space odyssey, variant CIFG.
    """

    gates: ClassVar[tuple[str, ...]] = ("i", "g", "o")
    state_names: ClassVar[tuple[str, ...]] = ("h", "c")

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new states; see `Cell.step`."""
        h_prev, c_prev = states
        i, g, o = add(x, product(self.drop(h_prev, constants)))
        i, o = map(self.recurrent_activation, (i, o))
        c = (1 - i) * c_prev + i * self.activation(g)
        return o * self.activation(c), c


@keras.saving.register_keras_serializable(package="rnnlayers")
class OriginalLSTMCell(SigmoidGatedCell):
    """The LSTM of 1997, without a forget gate: its cell state only ever adds up.

    It cannot forget, so its cell state grows over long sequences; `LSTMCell` is what followed.

        i = recurrent_activation(W_i x + b_i + U_i h_prev)      input gate
        g = activation(W_g x + b_g + U_g h_prev)                candidate
        o = recurrent_activation(W_o x + b_o + U_o h_prev)      output gate
        c = c_prev + i * g
        h = o * activation(c)

    Weights, cut in the order i, g, o: `kernel` W `(features, 3 * units)`, `recurrent_kernel` U
    `(units, 3 * units)`, `bias` b `(3 * units,)`. States: h and c. The paper's squashing functions
    have the ranges (-2, 2) and (-1, 1); here both are `activation`.

    Args:
        units: Positive integer, the size of the output.
        **kwargs: All other arguments of `LSTMCell`, without `unit_forget_bias`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = OriginalLSTMCell(4)(np.ones((2, 3)), [np.zeros((2, 4))] * 2)
    >>> output.shape
    TensorShape([2, 4])

    Reference: Hochreiter and Schmidhuber (1997), Long short-term memory, Neural Computation 9(8),
    section 4.
    """

    gates: ClassVar[tuple[str, ...]] = ("i", "g", "o")
    state_names: ClassVar[tuple[str, ...]] = ("h", "c")

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new states; see `Cell.step`."""
        h_prev, c_prev = states
        i, g, o = add(x, product(self.drop(h_prev, constants)))
        i, o = map(self.recurrent_activation, (i, o))
        c = c_prev + i * self.activation(g)
        return o * self.activation(c), c


@keras.saving.register_keras_serializable(package="rnnlayers")
class JANETCell(SigmoidGatedCell):
    """Just another network: an LSTM with nothing but its forget gate.

    It has half of the weights of `LSTMCell` and one state.

        s = W_f x + b_f + U_f h_prev
        g = activation(W_g x + b_g + U_g h_prev)                                candidate
        h = recurrent_activation(s) * h_prev + (1 - recurrent_activation(s - beta)) * g

    Weights, cut in the order f, g: `kernel` W `(features, 2 * units)`, `recurrent_kernel` U
    `(units, 2 * units)`, `bias` b `(2 * units,)`. The forget gate's bias starts at one.

    Args:
        units: Positive integer, the size of the output and of the state.
        activation: Function of the candidate.
        recurrent_activation: Function of the gate.
        beta: By how much more is remembered than is written over.
        **kwargs: All other arguments of `GatedCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = JANETCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: van der Westhuizen and Lasenby (2018), The unreasonable effectiveness of the forget
    gate, equations 6 to 9, without the initialization for long spans.
    """

    gates: ClassVar[tuple[str, ...]] = ("f", "g")

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        beta: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, activation, recurrent_activation, **kwargs)
        self.beta = float(beta)

    def initial_bias(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        """Return the bias of a new cell, ones for the forget gate."""
        rest = self.bias_initializer((self.units,), dtype=dtype)
        return ops.concatenate([ops.ones((self.units,), dtype), rest])

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""
        (h_prev,) = states
        s, g = add(x, product(self.drop(h_prev, constants)))
        gate = self.recurrent_activation
        return (gate(s) * h_prev + (1 - gate(s - self.beta)) * self.activation(g),)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        return {**super().get_config(), "beta": self.beta}


@keras.saving.register_keras_serializable(package="rnnlayers")
class NASCell(SigmoidGatedCell):
    """The cell that neural architecture search found for language models.

    With z_k = W_k x + b_k and u_k = U_k h_prev, and sigma for `recurrent_activation`:

        a = activation(sigma(z_0 + u_0) * relu(z_1 + u_1))
        b = activation(sigma(z_2 + u_2) + relu(z_3 * u_3))
        p = activation(activation(z_4 + u_4) * sigma(z_5 + u_5))
        q = sigma(activation(z_6 + u_6) + sigma(z_7 + u_7))
        c = activation(a + c_prev) * b
        h = activation(c * activation(p + q))

    Weights, cut in the order 0 to 7: `kernel` W `(features, 8 * units)`, `recurrent_kernel` U
    `(units, 8 * units)`, `bias` b `(8 * units,)`. States: h and c.

    Args:
        units: Positive integer, the size of the output.
        **kwargs: All other arguments of `LSTMCell`, without `unit_forget_bias`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = NASCell(4)(np.ones((2, 3)), [np.zeros((2, 4))] * 2)
    >>> output.shape
    TensorShape([2, 4])

    Reference: Zoph and Le (2017), Neural architecture search with reinforcement learning, appendix
    A, as TensorFlow 1 had it.
    """

    gates: ClassVar[tuple[str, ...]] = tuple(map(str, range(8)))
    state_names: ClassVar[tuple[str, ...]] = ("h", "c")

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new states; see `Cell.step`."""
        h_prev, c_prev = states
        sigma, tanh = self.recurrent_activation, self.activation
        u = product(self.drop(h_prev, constants))
        s = add(x, u)
        a = tanh(sigma(s[0]) * ops.relu(s[1]))
        b = tanh(sigma(s[2]) + ops.relu(x[3] * u[3]))
        p = tanh(tanh(s[4]) * sigma(s[5]))
        q = sigma(tanh(s[6]) + sigma(s[7]))
        c = tanh(a + c_prev) * b
        return tanh(c * tanh(p + q)), c


@keras.saving.register_keras_serializable(package="rnnlayers")
class MultiplicativeLSTMCell(SigmoidGatedCell):
    """An LSTM whose recurrent product depends on the input: multiplicative LSTM.

    The input chooses, unit by unit, how the previous output enters the gates.

        m = (W_m x) * (U_m h_prev)                              intermediate state
        i, f, g, o as in `LSTMCell`, with m in place of h_prev
        c = f * c_prev + i * g
        h = o * activation(c)

    Weights: `kernel` W `(features, 4 * units)`, `recurrent_kernel` U `(units, 4 * units)`, `bias` b
    `(4 * units,)`, each cut in the order i, f, g, o; `multiplicative_kernel` W_m
    `(features, units)` and `multiplicative_recurrent_kernel` U_m `(units, units)`. States: h and c.

    Args:
        units: Positive integer, the size of the output.
        **kwargs: All other arguments of `LSTMCell`, without `unit_forget_bias`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = MultiplicativeLSTMCell(4)(np.ones((2, 3)), [np.zeros((2, 4))] * 2)
    >>> output.shape
    TensorShape([2, 4])

    Reference: Krause et al. (2016), Multiplicative LSTM for sequence modelling, equations 18 to 22.
    """

    gates: ClassVar[tuple[str, ...]] = ("i", "f", "g", "o")
    state_names: ClassVar[tuple[str, ...]] = ("h", "c")

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of shape `(..., features)`."""
        super().build(input_shape)
        self.multiplicative_kernel = self.add_input_kernel(
            "multiplicative_kernel", (input_shape[-1], self.units)
        )
        self.multiplicative_recurrent_kernel = self.add_recurrent(
            "multiplicative_recurrent_kernel", (self.units, self.units)
        )

    def prepare(self, inputs: Tensor, side: SideInputs | None = None) -> tuple[Any, Any]:
        """Return W_m x and the gates' part of the inputs, and the dropout mask."""
        inputs, constants = self.drop_all(inputs, side)
        gates = Fused(self.project(inputs), len(self.gates))
        return (ops.matmul(inputs, self.multiplicative_kernel), gates), constants

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the matrices of the intermediate state and of the gates."""
        return {**super().products(side), "m": Product(self.multiplicative_recurrent_kernel)}

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new states; see `Cell.step`."""
        (x_m, x_gates), (h_prev, c_prev) = x, states
        m = x_m * product(self.drop(h_prev, constants), "m")
        i, f, g, o = add(x_gates, product(m))
        i, f, o = map(self.recurrent_activation, (i, f, o))
        c = f * c_prev + i * self.activation(g)
        return o * self.activation(c), c


@keras.saving.register_keras_serializable(package="rnnlayers")
class MogrifierLSTMCell(SigmoidGatedCell):
    """An LSTM before which input and state gate one another, several times.

    For r = 1, 2, ... up to `rounds`:

        x = 2 sigmoid(Q_r h_prev) * x           r odd
        h_prev = 2 sigmoid(R_r x) * h_prev      r even

    and then `LSTMCell`, whose product with the inputs must wait for the step therefore.

    Weights: those of `LSTMCell`, `q_1`, `q_3`, ... `(units, features)` and `r_2`, `r_4`, ...
    `(features, units)`. States: h and c.

    Args:
        units: Positive integer, the size of the output and of each state.
        activation: Function of the candidate and of the cell state in the output.
        recurrent_activation: Function of the three gates of the LSTM.
        rounds: Positive integer, the number of rounds.
        **kwargs: All other arguments of `GatedCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = MogrifierLSTMCell(4)(np.ones((2, 3)), [np.zeros((2, 4))] * 2)
    >>> output.shape
    TensorShape([2, 4])

    Reference: Melis, Kočiský and Blunsom (2020), Mogrifier LSTM, equations 1 and 2, of full rank.
    """

    gates: ClassVar[tuple[str, ...]] = ("i", "f", "g", "o")
    state_names: ClassVar[tuple[str, ...]] = ("h", "c")
    fixed_by_weights: ClassVar[tuple[str, ...]] = (*SigmoidGatedCell.fixed_by_weights, "rounds")

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        rounds: int = 5,
        **kwargs: Any,
    ) -> None:
        check_positive_integer("rounds", rounds, "the number of rounds")
        super().__init__(units, activation, recurrent_activation, **kwargs)
        self.rounds = int(rounds)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of shape `(..., features)`."""
        super().build(input_shape)
        shape = (self.units, input_shape[-1])
        self.mogrifiers = [
            self.add_recurrent(f"q_{r}", shape)
            if r % 2
            else self.add_recurrent(f"r_{r}", shape[::-1])
            for r in range(1, self.rounds + 1)
        ]

    def prepare(self, inputs: Tensor, side: SideInputs | None = None) -> tuple[Any, Any]:
        """Return the inputs and the dropout mask."""
        return self.drop_all(inputs, side)

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the matrices of the rounds, of the inputs and of the state."""
        of_rounds = {str(r): Product(kernel) for r, kernel in enumerate(self.mogrifiers, 1)}
        return {
            **of_rounds,
            **super().products(side),
            "x": Product(self.kernel, self.input_bias, len(self.gates)),
        }

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new states; see `Cell.step`."""
        h_prev, c_prev = states
        h = self.drop(h_prev, constants)
        for r in range(1, self.rounds + 1):
            if r % 2:
                x = 2 * ops.sigmoid(product(h, str(r))) * x
            else:
                h = 2 * ops.sigmoid(product(x, str(r))) * h
        i, f, g, o = add(product(x, "x"), product(h))
        i, f, o = map(self.recurrent_activation, (i, f, o))
        c = f * c_prev + i * self.activation(g)
        return o * self.activation(c), c

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        return {**super().get_config(), "rounds": self.rounds}
