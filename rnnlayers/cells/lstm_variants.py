"""The LSTM with peepholes, with a projection, with layer normalization, and with all of them."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from rnnlayers.cells.four_gated import FourGatedCell
from rnnlayers.cells.gated import SigmoidGatedCell
from rnnlayers.cells.parts import Fused, Multiply, Product, SideInputs, add
from rnnlayers.checks import check_positive_integer
from rnnlayers.types import States, Tensor

EPSILON = 1e-5  # is added to the variance


@keras.saving.register_keras_serializable(package="rnnlayers")
class PeepholeLSTMCell(FourGatedCell):
    """An LSTM whose gates see the cell state: peepholes, for exact timing.

        i = recurrent_activation(W_i x + b_i + U_i h_prev + p_i * c_prev)       input gate
        f = recurrent_activation(W_f x + b_f + U_f h_prev + p_f * c_prev)       forget gate
        g = activation(W_g x + b_g + U_g h_prev)                                candidate
        c = f * c_prev + i * g
        o = recurrent_activation(W_o x + b_o + U_o h_prev + p_o * c)            output gate
        h = o * activation(c)

    With `projection`, h = P (o * activation(c)) is shorter, or longer, than c: fewer weights for a
    large cell state. With `layer_norm`, what the inputs and h_prev add to the four gates is
    normalized over all of them, N(W x) and N(U h_prev), each with a gain, and so is the cell state
    in the output, activation(N(c)), with a gain and a shift; N subtracts the mean of a row and
    divides by its standard deviation.

    Weights, cut in the order i, f, g, o: `kernel` W `(features, 4 * units)`, `recurrent_kernel` U
    `(output, 4 * units)`, `bias` b `(4 * units,)`; with peepholes `peephole_i`, `peephole_f` and
    `peephole_o` `(units,)`; with a projection `projection_kernel` P `(units, projection)`; with
    layer normalization `kernel_gain` and `recurrent_gain` `(4 * units,)`, `state_gain` and
    `state_shift` `(units,)`. States: h `(batch, output)` and c `(batch, units)`.

    Args:
        units: Positive integer, the size of the cell state.
        activation: Function of the candidate and of the cell state in the output.
        recurrent_activation: Function of the three gates.
        unit_forget_bias: Whether the forget gate's bias starts at one.
        projection: Positive integer, the size of the output, or None for `units` and no projection.
            It may be larger than `units`.
        layer_norm: Whether gates and cell state are normalized.
        **kwargs: All other arguments of `GatedCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = PeepholeLSTMCell(4)(np.ones((2, 3)), [np.zeros((2, 4))] * 2)
    >>> output.shape
    TensorShape([2, 4])

    References: Gers, Schraudolph and Schmidhuber (2002), Learning precise timing with LSTM
    recurrent networks, equations 3 to 9; Sak, Senior and Beaufays (2014), Long short-term memory
    recurrent neural network architectures for large scale acoustic modeling, equations 7 to 14; Ba,
    Kiros and Hinton (2016), Layer normalization, equations 20 to 22.
    """

    fixed_by_weights: ClassVar[tuple[str, ...]] = (
        *FourGatedCell.fixed_by_weights,
        *("projection", "layer_norm", "peephole"),
    )

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        unit_forget_bias: bool = True,
        projection: int | None = None,
        layer_norm: bool = False,
        **kwargs: Any,
    ) -> None:
        check_positive_integer("projection", projection, "the size of the output", or_none=True)
        super().__init__(units, activation, recurrent_activation, unit_forget_bias, **kwargs)
        self.projection = None if projection is None else int(projection)
        self.layer_norm = layer_norm
        self.peephole = True

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Sizes of h and c."""
        return (self.units if self.projection is None else self.projection, self.units)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of shape `(..., features)`."""
        super().build(input_shape)
        if self.peephole:
            self.peephole_i, self.peephole_f, self.peephole_o = (
                self.add_weight(name=f"peephole_{gate}", shape=(self.units,), initializer="zeros")
                for gate in "ifo"
            )
        if self.projection is not None:
            shape = (self.units, self.projection)
            self.projection_kernel = self.add_recurrent("projection_kernel", shape)
        if self.layer_norm:
            width = len(self.gates) * self.units
            self.kernel_gain, self.recurrent_gain, self.state_gain = (
                self.add_weight(name=f"{name}_gain", shape=(size,), initializer="ones")
                for name, size in (("kernel", width), ("recurrent", width), ("state", self.units))
            )
            self.state_shift = self.add_weight(
                name="state_shift", shape=(self.units,), initializer="zeros"
            )

    def prepare(self, inputs: Tensor, side: SideInputs | None = None) -> tuple[Any, Any]:
        """Return the part of the inputs in the gates, and the dropout mask."""
        if not self.layer_norm:
            return super().prepare(inputs, side)
        inputs, constants = self.drop_all(inputs, side)
        x = normalize(ops.matmul(inputs, self.kernel)) * self.kernel_gain
        x = x if self.bias is None else x + self.bias
        # One copy for each row: a sum over rows in each step back would be slow.
        shape = (ops.shape(inputs)[1], self.units)
        own = (
            ops.broadcast_to(ops.convert_to_tensor(weight), shape)
            for weight in (self.state_gain, self.state_shift)
        )
        return Fused(x, len(self.gates)), (*own, *constants)

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the recurrent kernel and that of the projection."""
        products = dict(super().products(side))
        if self.layer_norm:
            products |= normalized_products(self.recurrent_kernel, self.recurrent_gain, 4)
        if self.projection is not None:
            products["projection"] = Product(self.projection_kernel)
        return products

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new states; see `Cell.step`."""
        h_prev, c_prev = states
        gain, shift, *mask = constants if self.layer_norm else (None, None, *constants)
        h_masked = self.drop(h_prev, tuple(mask))
        u = normalized(product, h_masked) if self.layer_norm else product(h_masked)
        i, f, g, o = add(x, u)
        if self.peephole:
            i, f = i + self.peephole_i * c_prev, f + self.peephole_f * c_prev
        i, f = self.recurrent_activation(i), self.recurrent_activation(f)
        c = f * c_prev + i * self.activation(g)
        o = self.recurrent_activation(o + self.peephole_o * c if self.peephole else o)
        shown = c
        if self.layer_norm:
            shown = normalize(c) * gain + shift
        h = o * self.activation(shown)
        return h if self.projection is None else product(h, "projection"), c

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        names = ("projection", "layer_norm")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable(package="rnnlayers")
class ProjectedLSTMCell(PeepholeLSTMCell):
    """An LSTM with a projected output: LSTMP, PyTorch's `proj_size`.

        i, f, g, o, c as in `LSTMCell`, with h_prev `(batch, projection)`
        h = P (o * activation(c))

    Fewer weights serve a large cell state. The equations with `peephole` and `layer_norm` are those
    of `PeepholeLSTMCell`, and so are the weights.

    Args:
        units: Positive integer, the size of the cell state.
        projection: Positive integer, the size of the output. It may be larger than `units`.
        activation: Function of the candidate and of the cell state in the output.
        recurrent_activation: Function of the three gates.
        peephole: Whether the gates see the cell state.
        **kwargs: `unit_forget_bias` and `layer_norm` of `PeepholeLSTMCell`, and all other arguments
            of `GatedCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> cell = ProjectedLSTMCell(4, projection=2)
    >>> output, (h, c) = cell(np.ones((2, 3)), [np.zeros((2, 2)), np.zeros((2, 4))])
    >>> output.shape, c.shape
    (TensorShape([2, 2]), TensorShape([2, 4]))

    Reference: Sak, Senior and Beaufays (2014), see `PeepholeLSTMCell`.
    """

    def __init__(
        self,
        units: int,
        projection: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        peephole: bool = False,
        **kwargs: Any,
    ) -> None:
        check_positive_integer("projection", projection, "the size of the output")
        super().__init__(units, activation, recurrent_activation, projection=projection, **kwargs)
        self.peephole = peephole

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        return {**super().get_config(), "peephole": self.peephole}


@keras.saving.register_keras_serializable(package="rnnlayers")
class LayerNormLSTMCell(PeepholeLSTMCell):
    """An LSTM with layer normalization, which trains faster and stays stable over long sequences.

        i, f, g, o = N(W x) * gain + b + N(U h_prev) * gain     before their activations
        c = recurrent_activation(f) * c_prev + recurrent_activation(i) * activation(g)
        h = recurrent_activation(o) * activation(N(c) * gain + shift)

    N subtracts the mean of a row and divides by its standard deviation, over all four gates
    together. The equations with `peephole` and `projection` are those of `PeepholeLSTMCell`, and so
    are the weights.

    Where all inputs so far are zeros, such as padding on the left without a mask, all that is
    normalized is zero too, and N divides by no more than the root of 1e-5. Each of these steps then
    multiplies the gradient by some 10,000, so after about six of them it overflows. Mask them.

    Args:
        units: Positive integer, the size of the cell state.
        activation: Function of the candidate and of the cell state in the output.
        recurrent_activation: Function of the three gates.
        peephole: Whether the gates see the cell state.
        **kwargs: `unit_forget_bias` and `projection` of `PeepholeLSTMCell`, and all other arguments
            of `GatedCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = LayerNormLSTMCell(4)(np.ones((2, 3)), [np.zeros((2, 4))] * 2)
    >>> output.shape
    TensorShape([2, 4])

    Reference: Ba, Kiros and Hinton (2016), see `PeepholeLSTMCell`.
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        peephole: bool = False,
        layer_norm: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, activation, recurrent_activation, layer_norm=layer_norm, **kwargs)
        self.peephole = peephole

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        return {**super().get_config(), "peephole": self.peephole}


@keras.saving.register_keras_serializable(package="rnnlayers")
class LayerNormGRUCell(SigmoidGatedCell):
    """A GRU with layer normalization.

        z = recurrent_activation(N(W x)_z + b_z + N(U h_prev)_z)        update gate
        r = recurrent_activation(N(W x)_r + b_r + N(U h_prev)_r)        reset gate
        n = activation(N(W_n x) + b_n + r * N(U_n h_prev))              candidate
        h = z * h_prev + (1 - z) * n

    N subtracts the mean of a row, divides by its standard deviation, and multiplies with a gain. z
    and r are normalized together, n for itself. In the paper 1 - z stands for z.

    Weights, cut in the order z, r, n: `kernel` W `(features, 3 * units)`, `recurrent_kernel` U
    `(units, 3 * units)`, `bias` b, `kernel_gain` and `recurrent_gain` `(3 * units,)`.

    Args:
        units: Positive integer, the size of the output.
        **kwargs: All other arguments of `GRUCell`, without `reset_after`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = LayerNormGRUCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Ba, Kiros and Hinton (2016), Layer normalization, equations 25 to 28.
    """

    gates: ClassVar[tuple[str, ...]] = ("z", "r", "n")

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of shape `(..., features)`."""
        super().build(input_shape)
        self.kernel_gain, self.recurrent_gain = (
            self.add_weight(name=f"{name}_gain", shape=(3 * self.units,), initializer="ones")
            for name in ("kernel", "recurrent")
        )

    def prepare(self, inputs: Tensor, side: SideInputs | None = None) -> tuple[Any, Any]:
        """Return the part of the inputs in the gates, and the dropout mask."""
        inputs, constants = self.drop_all(inputs, side)
        zr, n = ops.split(ops.matmul(inputs, self.kernel), [2 * self.units], axis=-1)
        x = ops.concatenate([normalize(zr), normalize(n)], -1) * self.kernel_gain
        return Fused(x if self.bias is None else x + self.bias, 3), constants

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the recurrent kernel of z and r and that of n, and what normalizes them."""
        cut = 2 * self.units
        kernel, gain = map(ops.convert_to_tensor, (self.recurrent_kernel, self.recurrent_gain))
        return {
            **normalized_products(kernel[:, :cut], gain[:cut], 2),
            **normalized_products(kernel[:, cut:], gain[cut:], 1, "n"),
        }

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""
        (h_prev,), (x_z, x_r, x_n) = states, x
        h_masked = self.drop(h_prev, constants)
        u_z, u_r = normalized(product, h_masked)
        (u_n,) = normalized(product, h_masked, "n")
        z = self.recurrent_activation(x_z + u_z)
        r = self.recurrent_activation(x_r + u_r)
        n = self.activation(x_n + r * u_n)
        return (z * h_prev + (1 - z) * n,)


def normalize(v: Tensor) -> Tensor:
    """Return rows `(..., size)` without their mean, divided by their standard deviation."""
    v = v - ops.mean(v, -1, keepdims=True)
    return v * ops.rsqrt(ops.mean(v * v, -1, keepdims=True) + EPSILON)


def normalized_products(kernel: Any, gain: Any, parts: int, name: str = "") -> dict[str, Product]:
    """Return the products from which `normalized` computes N(U h) * gain.

    With the mean of each row taken from U, that of U h is zero, and its variance is h M h with
    M = U U^T / width. A step then has one sum over a row, of h * (M h), and its gradient none over
    the batch.

    Args:
        kernel: U, `(size, parts * size of a gate)`.
        gain: `(parts * size of a gate,)`.
        parts: Number of gates.
        name: Name of the first product.
    """
    kernel, gain = map(ops.convert_to_tensor, (kernel, gain))
    centred = kernel - ops.mean(kernel, -1, keepdims=True)
    variance = ops.matmul(centred, ops.transpose(centred)) / centred.shape[-1]
    return {
        name: Product(centred * gain, parts=parts),
        f"{name}/variance": Product(variance),
    }


def normalized(product: Multiply, h: Tensor, name: str = "") -> list[Tensor]:
    """Return N(U h) * gain, cut into gates."""
    variance = ops.sum(h * product(h, f"{name}/variance"), -1, keepdims=True)
    scale = ops.rsqrt(ops.maximum(variance, 0.0) + EPSILON)
    return [part * scale for part in product(h, name)]
