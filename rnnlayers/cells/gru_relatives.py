"""Relatives of the GRU: fewer gates, fewer products, or another order of both."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from rnnlayers.cells.gated import SigmoidGatedCell
from rnnlayers.cells.parts import Fused, Multiply, Product, SideInputs, add
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

    Arguments, call arguments, returns and errors are those of `GRUCell`, without `reset_after`.

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

    Arguments, call arguments, returns and errors are those of `GRUCell`, without `reset_after`.

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

    Arguments, call arguments, returns and errors are those of `GRUCell`, without `reset_after`.

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
class MUT1Cell(SigmoidGatedCell):
    """The first of three cells that a search over thousands found as good as the GRU.

        z = recurrent_activation(W_z x + b_z)                            update gate
        r = recurrent_activation(W_r x + b_r + U_r h_prev)               reset gate
        h = z * activation(U_n (r * h_prev) + activation(W_n x) + b_n) + (1 - z) * h_prev

    Weights: `kernel` W `(features, 3 * units)` and `bias` b `(3 * units,)`, cut in the order z,
    r, n; `recurrent_kernel` U `(units, 2 * units)`, in the order r, n. Where the paper adds x
    itself, which must have as many features as there are units, this adds W x.

    Arguments, call arguments, returns and errors are those of `GRUCell`, without `reset_after`.

    Example:

    >>> output, states = MUT1Cell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Jozefowicz et al. (2015), An empirical exploration of recurrent network
    architectures, MUT1.
    """

    gates: ClassVar[tuple[str, ...]] = ("z", "r", "n")
    recurrent_gates: ClassVar[int] = 2

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the recurrent kernel, cut into what is multiplied before and after the reset."""
        first, last = ops.split(self.recurrent_kernel, [1 * self.units], axis=-1)
        return {"": Product(first, parts=1), "n": Product(last)}

    def prepare(self, inputs: Tensor, side: SideInputs | None = None) -> tuple[Any, Any]:
        """Return the gates' part of the inputs, that of the candidate squashed, and the mask."""
        inputs, constants = self.drop_all(inputs, side)
        z, r, n = ops.split(ops.matmul(inputs, self.kernel), 3, axis=-1)
        x = ops.concatenate([z, r, self.activation(n)], -1)
        return Fused(x if self.bias is None else x + self.bias, 3), constants

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""
        (h_prev,) = states
        h_masked = self.drop(h_prev, constants)
        x_z, x_r, x_n = x
        (u_r,) = product(h_masked)
        z = self.recurrent_activation(x_z)
        r = self.recurrent_activation(x_r + u_r)
        n = self.activation(product(r * h_masked, "n") + x_n)
        return (z * n + (1 - z) * h_prev,)


@keras.saving.register_keras_serializable(package="rnnlayers")
class MUT2Cell(SigmoidGatedCell):
    """The second of the cells of that search, see `MUT1Cell`.

        z = recurrent_activation(W_z x + b_z + U_z h_prev)               update gate
        r = recurrent_activation(W_r x + b_r + U_r h_prev)               reset gate
        h = z * activation(U_n (r * h_prev) + W_n x + b_n) + (1 - z) * h_prev

    Weights, cut in the order z, r, n: `kernel` W `(features, 3 * units)`, `recurrent_kernel` U
    `(units, 3 * units)`, `bias` b `(3 * units,)`. The paper adds
    x itself in r, which must have as many features as there are units; this adds W_r x.

    Arguments, call arguments, returns and errors are those of `GRUCell`, without `reset_after`.

    Example:

    >>> output, states = MUT2Cell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Jozefowicz et al. (2015), An empirical exploration of recurrent network
    architectures, MUT2.
    """

    gates: ClassVar[tuple[str, ...]] = ("z", "r", "n")

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the recurrent kernel, cut into what is multiplied before and after the reset."""
        first, last = ops.split(self.recurrent_kernel, [2 * self.units], axis=-1)
        return {"": Product(first, parts=2), "n": Product(last)}

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""
        (h_prev,) = states
        h_masked = self.drop(h_prev, constants)
        x_z, x_r, x_n = x
        u_z, u_r = product(h_masked)
        z = self.recurrent_activation(x_z + u_z)
        r = self.recurrent_activation(x_r + u_r)
        n = self.activation(product(r * h_masked, "n") + x_n)
        return (z * n + (1 - z) * h_prev,)


@keras.saving.register_keras_serializable(package="rnnlayers")
class MUT3Cell(SigmoidGatedCell):
    """The third of the cells of that search, see `MUT1Cell`.

        z = recurrent_activation(W_z x + b_z + U_z activation(h_prev))   update gate
        r = recurrent_activation(W_r x + b_r + U_r h_prev)               reset gate
        h = z * activation(U_n (r * h_prev) + W_n x + b_n) + (1 - z) * h_prev

    Weights, cut in the order z, r, n: `kernel` W `(features, 3 * units)`, `recurrent_kernel` U
    `(units, 3 * units)`, `bias` b `(3 * units,)`.

    Arguments, call arguments, returns and errors are those of `GRUCell`, without `reset_after`.

    Example:

    >>> output, states = MUT3Cell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Jozefowicz et al. (2015), An empirical exploration of recurrent network
    architectures, MUT3.
    """

    gates: ClassVar[tuple[str, ...]] = ("z", "r", "n")

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the three matrices, of which each multiplies something else."""
        kernels = ops.split(self.recurrent_kernel, 3, axis=-1)
        return {name: Product(kernel) for name, kernel in zip("zrn", kernels, strict=True)}

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""
        (h_prev,) = states
        h_masked = self.drop(h_prev, constants)
        x_z, x_r, x_n = x
        z = self.recurrent_activation(x_z + product(self.activation(h_masked), "z"))
        r = self.recurrent_activation(x_r + product(h_masked, "r"))
        n = self.activation(product(r * h_masked, "n") + x_n)
        return (z * n + (1 - z) * h_prev,)


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

    Arguments, call arguments, returns and errors are those of `GRUCell`, without `reset_after`.

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

    Arguments, call arguments, returns and errors are those of `GRUCell`, without `reset_after`.

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

    Arguments, call arguments, returns and errors are those of `GRUCell`, without `reset_after`.

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

    Arguments, call arguments, returns and errors are those of `GRUCell`, without `reset_after`.

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


@keras.saving.register_keras_serializable(package="rnnlayers")
class STARCell(SigmoidGatedCell):
    """The stackable recurrent cell, whose gradients neither vanish nor explode along depth.

        z = activation(W_z x + b_z)                             candidate
        k = recurrent_activation(W_k x + b_k + U_k h_prev)      gate
        h = activation((1 - k) * h_prev + k * z)

    Weights: `kernel` W `(features, 2 * units)` and `bias` b `(2 * units,)`, cut in the order z, k;
    `recurrent_kernel` U_k `(units, units)`.

    Arguments, call arguments, returns and errors are those of `GRUCell`, without `reset_after`.

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
    `(units,)`. `activation` is not used.

    Arguments, call arguments, returns and errors are those of `GRUCell`, without `reset_after`.

    Example:

    >>> output, states = ATRCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Zhang et al. (2018), Simplifying neural machine translation with addition-subtraction
    twin-gated recurrent networks, equations 4 to 8.
    """

    gates: ClassVar[tuple[str, ...]] = ("p",)

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

    Arguments, call arguments, returns and errors are those of `GRUCell`, without `reset_after`.

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


@keras.saving.register_keras_serializable(package="rnnlayers")
class FastRNNCell(SigmoidGatedCell):
    """A simple network with a residual connection of two trained scalars, for small devices.

        n = activation(W x + b + U h_prev)
        h = sigmoid(alpha) * n + sigmoid(beta) * h_prev

    Weights: `kernel` W `(features, units)`, `recurrent_kernel` U `(units, units)`, `bias` b
    `(units,)`, `alpha` and `beta` `(1,)`, which begin at -3 and 3, so that the cell begins close to
    the identity. `recurrent_activation` is not used.

    Arguments, call arguments, returns and errors are those of `GRUCell`, without `reset_after`.

    Example:

    >>> output, states = FastRNNCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Kusupati et al. (2018), FastGRNN: a fast, accurate, stable and tiny kilobyte sized
    gated recurrent neural network, equation 2.
    """

    gates: ClassVar[tuple[str, ...]] = ("n",)

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

    Arguments, call arguments, returns and errors are those of `GRUCell`, without `reset_after`.

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
