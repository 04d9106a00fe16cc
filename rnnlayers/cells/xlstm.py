"""The two cells of xLSTM: exponential gates, on a vector and on a matrix as memory."""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from rnnlayers.cells.chunked import ChunkedCell
from rnnlayers.cells.gated import GatedCell
from rnnlayers.cells.parts import Fused, Multiply, SideInputs
from rnnlayers.checks import check_one_of, check_positive_integer
from rnnlayers.types import States, Tensor

# Far below the logarithm of any gate, and within float16.
LOWEST = -3e4


@keras.saving.register_keras_serializable(package="rnnlayers")
class SLSTMCell(GatedCell):
    """The sLSTM of xLSTM: an LSTM with an exponential input gate, which can revise what it stored.

    With W_k x + b_k + U_k h_prev for each gate, i_0 and f_0 those of the input and forget gate:

        z = activation(W_z x + b_z + U_z h_prev)                candidate
        o = sigmoid(W_o x + b_o + U_o h_prev)                   output gate
        m = max(log f + m_prev, i_0)                            log f = log sigmoid(f_0), or f_0
        i, f = exp(i_0 - m), exp(log f + m_prev - m)            input and forget gate, stabilized
        c = f * c_prev + i * z
        n = f * n_prev + i
        h = o * c / max(n, 1)

    m takes the largest exponent out of c and n, which changes neither c / n nor h. Units are cut
    into `num_heads` heads, and U has a block for each: a head hears itself alone. A sequence begins
    with n = 0, for which m = i_0; n is at least 1 from then on, so that the bound matters for other
    initial states alone. The normalization over each head, the convolution and the projections of
    the paper's block are layers around this one.

    Weights: `kernel` W `(features, 4 * units)` and `bias` b `(4 * units,)`, cut in the order z, i,
    f, o; `recurrent_kernel` U `(num_heads, units / num_heads, 4 * units / num_heads)`, in the same
    order within each head. The bias of the forget gate begins at 3 to 6, evenly over the units of a
    head. States: h, c, n and m.

    Args:
        units: Positive integer, the size of the output and of each state, a multiple of
            `num_heads`.
        activation: Function of the candidate.
        num_heads: Positive integer, the number of heads.
        forget_gate: "sigmoid" or "exp", the function of the forget gate.
        **kwargs: All other arguments of `GatedCell`.

    Call arguments and returns are those of `GatedCell`.

    Raises:
        ValueError: if an argument is out of its range, or `units` no multiple of `num_heads`.

    Example:

    >>> output, states = SLSTMCell(8, num_heads=2)(np.ones((2, 3)), [np.zeros((2, 8))] * 4)
    >>> output.shape
    TensorShape([2, 8])

    Reference: Beck et al. (2024), xLSTM: extended long short-term memory, equations 8 to 17.
    """

    gates: ClassVar[tuple[str, ...]] = ("z", "i", "f", "o")
    state_names: ClassVar[tuple[str, ...]] = ("h", "c", "n", "m")
    fixed_by_weights: ClassVar[tuple[str, ...]] = (*GatedCell.fixed_by_weights, "num_heads")

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        num_heads: int = 4,
        forget_gate: str = "sigmoid",
        **kwargs: Any,
    ) -> None:
        check_heads(units, num_heads)
        check_one_of("forget_gate", forget_gate, ("sigmoid", "exp"))
        super().__init__(units, activation, **kwargs)
        self.num_heads = int(num_heads)
        self.forget_gate = forget_gate

    @property
    def recurrent_shape(self) -> tuple[int, ...]:
        """Shape of `recurrent_kernel`."""
        size = self.units // self.num_heads
        return (self.num_heads, size, 4 * size)

    def add_recurrent_kernel(self) -> None:
        """Create `recurrent_kernel`."""
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=self.recurrent_shape,
            initializer=self._draw_recurrent,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )

    def _draw_recurrent(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        # Drawn as a matrix: initializers take the first of three sizes for that of a convolution.
        heads, size, width = shape
        return ops.reshape(self.recurrent_initializer((heads * size, width), dtype=dtype), shape)

    def initial_bias(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        """Return the bias of a new cell, 3 to 6 for the forget gate."""
        z_and_i, o = (self.bias_initializer((n * self.units,), dtype=dtype) for n in (2, 1))
        f = ops.tile(ops.linspace(3.0, 6.0, self.units // self.num_heads), self.num_heads)
        return ops.concatenate([z_and_i, ops.cast(f, dtype or z_and_i.dtype), o])

    def products(self, side: SideInputs | None = None) -> Any:
        """Return the recurrent kernel, in one piece, in which each head has all gates."""
        return {"": super().products(side)[""]._replace(parts=None)}

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new states; see `Cell.step`."""
        h_prev, c_prev, n_prev, m_prev = states
        size = self.units // self.num_heads
        u = ops.reshape(product(self.drop(h_prev, constants)), (-1, self.num_heads, 4, size))
        z, i, f, o = (
            x_gate + ops.reshape(u[:, :, gate], (-1, self.units)) for gate, x_gate in enumerate(x)
        )
        # Nothing is carried over from a state of zeros, whatever its m.
        carried = ops.where(ops.equal(n_prev, 0), i, log_of(self.forget_gate, f) + m_prev)
        m = ops.maximum(carried, i)
        i, f = ops.exp(i - m), ops.exp(carried - m)
        c = f * c_prev + i * self.activation(z)
        n = f * n_prev + i
        return ops.sigmoid(o) * c / ops.maximum(n, 1.0), c, n, m

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        own = {"num_heads": self.num_heads, "forget_gate": self.forget_gate}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="rnnlayers")
class MLSTMCell(ChunkedCell):
    """The mLSTM of xLSTM: each head stores values under keys in a matrix, and reads by a query.

    For each head, of d = units / num_heads units:

        q, v = W_q x + b_q, W_v x + b_v                         query and value
        k = (W_k x + b_k) / sqrt(d)                             key
        o = sigmoid(W_o x + b_o)                                output gate
        m = max(log f + m_prev, i_0)                            log f = log sigmoid(f_0), or f_0
        i, f = exp(i_0 - m), exp(log f + m_prev - m)            input and forget gate, stabilized
        C = f * C_prev + i * v k^T
        n = f * n_prev + i * k
        h = o * C q / max(|n q|, exp(-m))

    with i_0 and f_0 one number for each head, V_i x + a_i and V_f x + a_f. m takes the largest
    exponent out of C and n, which does not change h. No step reads the output of another, so the
    engine "scan" computes chunks of steps at once, with the same numbers. The normalization over
    each head, the convolution and the projections of the paper's block are layers around this one.

    Weights: `kernel` W `(features, 4 * units)` and `bias` b `(4 * units,)`, cut in the order q, k,
    v, o; `gate_kernel` V `(features, 2 * num_heads)` and `gate_bias` a `(2 * num_heads,)`, in the
    order i, f. The bias of the forget gate begins at 3 to 6, evenly over the heads. States: h, C
    `(batch, units * d)`, rows of the values of each head, n, and m `(batch, num_heads)`.

    Args:
        units: Positive integer, the size of the output, a multiple of `num_heads`.
        num_heads: Positive integer, the number of heads.
        forget_gate: "sigmoid" or "exp", the function of the forget gate.
        **kwargs: All other arguments of `ChunkedCell`, without `activation`.

    Call arguments and returns are those of `GatedCell`.

    Raises:
        ValueError: if an argument is out of its range, or `units` no multiple of `num_heads`.

    Example:

    >>> cell = MLSTMCell(8, num_heads=2)
    >>> cell.state_sizes
    (8, 32, 8, 2)
    >>> output, states = cell(np.ones((2, 3)), cell.get_initial_state(2))
    >>> output.shape
    TensorShape([2, 8])

    Reference: Beck et al. (2024), xLSTM: extended long short-term memory, equations 15 to 17 and 19
    to 27.
    """

    gates: ClassVar[tuple[str, ...]] = ("q", "k", "v", "o")
    state_names: ClassVar[tuple[str, ...]] = ("h", "C", "n", "m")
    without: ClassVar[tuple[str, ...]] = (*ChunkedCell.without, "activation")
    fixed_by_weights: ClassVar[tuple[str, ...]] = (*GatedCell.fixed_by_weights, "num_heads")

    def __init__(
        self, units: int, num_heads: int = 4, forget_gate: str = "sigmoid", **kwargs: Any
    ) -> None:
        check_heads(units, num_heads)
        check_one_of("forget_gate", forget_gate, ("sigmoid", "exp"))
        super().__init__(units, **kwargs)
        self.num_heads = int(num_heads)
        self.forget_gate = forget_gate

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Sizes of h, C, n and m."""
        return (self.units, self.units**2 // self.num_heads, self.units, self.num_heads)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of shape `(..., features)`."""
        super().build(input_shape)
        shape = (input_shape[-1], 2 * self.num_heads)
        self.gate_kernel = self.add_input_kernel("gate_kernel", shape)
        self.gate_bias = None
        if self.use_bias:
            self.gate_bias = self.add_weight(
                name="gate_bias", shape=shape[1:], initializer=self._initial_gate_bias
            )

    def _initial_gate_bias(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        i = self.bias_initializer((self.num_heads,), dtype=dtype)
        return ops.concatenate([i, ops.cast(ops.linspace(3.0, 6.0, self.num_heads), i.dtype)])

    def prepare(self, inputs: Tensor, side: SideInputs | None = None) -> tuple[Any, Any]:
        """Return query, key, value and output gate, and the two gates of the memory."""
        inputs, _ = self.drop_all(inputs, side)
        gates = ops.matmul(inputs, self.gate_kernel)
        gates = gates if self.gate_bias is None else gates + self.gate_bias
        return (Fused(self.project(inputs), 4), Fused(gates, 2)), ()

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new states; see `Cell.step`."""
        (q, k, v, o), (i, f) = x
        _, C_prev, n_prev, m_prev = states
        q, k, v, n_prev = (self._by_head(tensor) for tensor in (q, k, v, n_prev))
        k = k / self._size**0.5
        carried = log_of(self.forget_gate, f) + m_prev
        m = ops.maximum(carried, i)
        i, f = (ops.expand_dims(ops.exp(gate - m), -1) for gate in (i, carried))
        C_prev = ops.reshape(C_prev, (-1, self.num_heads, self._size, self._size))
        written = ops.expand_dims(i * v, -1) * ops.expand_dims(k, -2)
        C = ops.expand_dims(f, -1) * C_prev + written
        n = f * n_prev + i * k
        found = ops.sum(C * ops.expand_dims(q, -2), -1)
        total = ops.sum(n * q, -1)
        h = found / ops.expand_dims(ops.maximum(ops.abs(total), unit(m)), -1)
        h, n = (ops.reshape(tensor, (-1, self.units)) for tensor in (h, n))
        return ops.sigmoid(o) * h, ops.reshape(C, (-1, self.state_sizes[1])), n, m

    def chunk(
        self,
        x: Any,
        states: States,
        valid: Tensor | None,
        constants: tuple[Tensor, ...] = (),
    ) -> tuple[Tensor, States]:
        """Return the outputs of a chunk of steps, and C, n and m after it.

        A value that step s writes has at step t the weight exp(D_ts), with D_ts the sum of log f
        over the steps after s up to t, plus i_0 of s. What was there before has b_t, the sum of log
        f up to t. m_t is the largest exponent, as in `step`.
        """
        (q, k, v, o), (i, f) = x
        C_prev, n_prev, m_prev = states
        steps = q.shape[0]
        q, k, v = (ops.transpose(self._by_head(tensor), (1, 2, 0, 3)) for tensor in (q, k, v))
        k = k / self._size**0.5
        log_f, i = (
            ops.transpose(gate, (1, 2, 0)) for gate in (log_of(self.forget_gate, f), i)
        )  # (batch, heads, steps)
        allowed = ops.tril(ops.ones((1, 1, steps, steps), "bool"))  # s up to t
        if valid is not None:
            valid = ops.transpose(valid, (1, 2, 0))
            log_f = ops.where(valid, log_f, ops.zeros_like(log_f))
            allowed = ops.logical_and(allowed, ops.expand_dims(valid, -2))
        b = ops.cumsum(log_f, -1)
        D = ops.expand_dims(b, -1) - ops.expand_dims(b - i, -2)
        carried = b + ops.expand_dims(m_prev, -1)
        m = ops.maximum(carried, ops.max(ops.where(allowed, D, LOWEST), -1))
        weights = ops.exp(ops.where(allowed, D - ops.expand_dims(m, -1), LOWEST))
        kept = ops.exp(carried - m)
        C_prev = ops.reshape(C_prev, (-1, self.num_heads, self._size, self._size))
        n_prev = self._by_head(n_prev)
        scores = ops.matmul(q, ops.swapaxes(k, -1, -2)) * weights
        found = ops.matmul(q, ops.swapaxes(C_prev, -1, -2))
        found = ops.matmul(scores, v) + ops.expand_dims(kept, -1) * found
        total = ops.sum(scores, -1) + kept * ops.sum(q * ops.expand_dims(n_prev, -2), -1)
        h = found / ops.expand_dims(ops.maximum(ops.abs(total), unit(m)), -1)
        h = ops.reshape(ops.transpose(h, (2, 0, 1, 3)), (steps, -1, self.units))
        last = ops.expand_dims(weights[:, :, -1], -1)
        kept = ops.expand_dims(kept[:, :, -1], -1)
        C = ops.matmul(ops.swapaxes(last * v, -1, -2), k) + ops.expand_dims(kept, -1) * C_prev
        n = ops.sum(last * k, -2) + kept * n_prev
        after = ops.reshape(C, (-1, self.state_sizes[1])), ops.reshape(n, (-1, self.units))
        return ops.sigmoid(o) * h, (*after, m[:, :, -1])

    @property
    def _size(self) -> int:
        return self.units // self.num_heads

    def _by_head(self, tensor: Tensor) -> Tensor:
        """Return a tensor `(..., units)` as `(..., num_heads, size)`."""
        shape = ops.shape(tensor)[:-1]
        return ops.reshape(tensor, (*shape, self.num_heads, self._size))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        own = {"num_heads": self.num_heads, "forget_gate": self.forget_gate}
        return {**super().get_config(), **own}


def check_heads(units: Any, num_heads: Any) -> None:
    """Raise a ValueError unless `units` is a multiple of `num_heads`."""
    check_positive_integer("units", units, "the size of the output")
    check_positive_integer("num_heads", num_heads, "the number of heads")
    if units % num_heads:
        raise ValueError(
            f"`units` must be a multiple of `num_heads`, {num_heads}, since all heads have one "
            f"size; received {units}. Pass `num_heads` too."
        )


def log_of(forget_gate: str, f: Tensor) -> Tensor:
    """Return the logarithm of a forget gate, "sigmoid" or "exp" of f."""
    return ops.log_sigmoid(f) if forget_gate == "sigmoid" else f


def unit(m: Tensor) -> Tensor:
    """Return exp(-m), what 1 is in a state that is divided by exp(m).

    It is bounded so that it is finite: where the bound counts, the state is zero to rounding.
    """
    bound = 10.0 if keras.backend.standardize_dtype(m.dtype) == "float16" else 80.0
    return ops.exp(ops.minimum(-m, bound))
