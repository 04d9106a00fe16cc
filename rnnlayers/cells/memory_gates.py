"""Relatives of the LSTM whose gates or outputs see more: working memory and residual LSTM."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from rnnlayers.cells.four_gated import FourGatedCell
from rnnlayers.cells.parts import Fused, Multiply, Product, SideInputs, add
from rnnlayers.types import States, Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class WorkingMemoryLSTMCell(FourGatedCell):
    """An LSTM with working memory connections: its gates see the whole cell state, bounded.

    Peepholes show a gate its own unit, unbounded; these show all units, through a tanh.

        i = recurrent_activation(W_i x + b_i + U_i h_prev + tanh(V_i c_prev))   input gate
        f = recurrent_activation(W_f x + b_f + U_f h_prev + tanh(V_f c_prev))   forget gate
        g = activation(W_g x + b_g + U_g h_prev)                                candidate
        c = f * c_prev + i * g
        o = recurrent_activation(W_o x + b_o + U_o h_prev + tanh(V_o c))        output gate
        h = o * activation(c)

    Weights, cut in the order i, f, g, o: `kernel` W `(features, 4 * units)`, `recurrent_kernel` U
    `(units, 4 * units)`, `bias` b `(4 * units,)`; `memory_kernel` V `(units, 3 * units)`, in the
    order i, f, o. States: h and c.

    Args:
        units: Positive integer, the size of the output.
        activation: Function of the candidate and of the cell state in the output.
        recurrent_activation: Function of the three gates.
        unit_forget_bias: Whether the forget gate's bias starts at one.
        **kwargs: All other arguments of `GatedCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = WorkingMemoryLSTMCell(4)(np.ones((2, 3)), [np.zeros((2, 4))] * 2)
    >>> output.shape
    TensorShape([2, 4])

    Reference: Landi et al. (2021), Working memory connections for LSTM, the equations of its
    section 3. torchrecurrent adds a bias to V.
    """

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of shape `(..., features)`."""
        super().build(input_shape)
        self.memory_kernel = self.add_recurrent("memory_kernel", (self.units, 3 * self.units))

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the recurrent kernel, and the matrices of the cell state before and after."""
        kernel = ops.convert_to_tensor(self.memory_kernel)
        before, after = ops.split(kernel, [2 * self.units], axis=-1)
        memory = {"before": Product(before, parts=2), "after": Product(after)}
        return {**super().products(side), **memory}

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new states; see `Cell.step`."""
        h_prev, c_prev = states
        i, f, g, o = add(x, product(self.drop(h_prev, constants)))
        v_i, v_f = map(ops.tanh, product(c_prev, "before"))
        i, f = self.recurrent_activation(i + v_i), self.recurrent_activation(f + v_f)
        c = f * c_prev + i * self.activation(g)
        o = self.recurrent_activation(o + ops.tanh(product(c, "after")))
        return o * self.activation(c), c


@keras.saving.register_keras_serializable(package="rnnlayers")
class ResidualLSTMCell(FourGatedCell):
    """The residual LSTM of speech recognition: its output gate also gates a shortcut of the inputs.

    It is for deep stacks, through which the shortcuts carry the gradient.

        i = recurrent_activation(W_i x + b_i + U_i h_prev + p_i * c_prev)       input gate
        f = recurrent_activation(W_f x + b_f + U_f h_prev + p_f * c_prev)       forget gate
        g = activation(W_g x + b_g + U_g h_prev)                                candidate
        c = f * c_prev + i * g
        o = recurrent_activation(W_o x + b_o + U_o h_prev + p_o * c)            output gate
        h = o * (P activation(c) + S x)

    S x is x itself if there are as many features as units.

    Weights, cut in the order i, f, g, o: `kernel` W `(features, 4 * units)`, `recurrent_kernel` U
    `(units, 4 * units)`, `bias` b `(4 * units,)`; `peephole` p `(3, units)`, in the order i, f, o;
    `projection_kernel` P `(units, units)`; `shortcut_kernel` S `(features, units)`, if it is there.
    States: h and c.

    Args:
        units: Positive integer, the size of the output.
        activation: Function of the candidate and of the cell state in the output.
        recurrent_activation: Function of the three gates.
        unit_forget_bias: Whether the forget gate's bias starts at one.
        **kwargs: All other arguments of `GatedCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = ResidualLSTMCell(4)(np.ones((2, 3)), [np.zeros((2, 4))] * 2)
    >>> output.shape
    TensorShape([2, 4])

    Reference: Kim, El-Khamy and Lee (2017), Residual LSTM: design of a deep recurrent architecture
    for distant speech recognition, the equations of its section 3. torchrecurrent always has S.
    """

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of shape `(..., features)`."""
        super().build(input_shape)
        self.peephole = self.add_weight(name="peephole", shape=(3, self.units), initializer="zeros")
        self.projection_kernel = self.add_recurrent("projection_kernel", (self.units, self.units))
        self.shortcut_kernel = None
        if input_shape[-1] != self.units:
            self.shortcut_kernel = self.add_input_kernel(
                "shortcut_kernel", (input_shape[-1], self.units)
            )

    def prepare(self, inputs: Tensor, side: SideInputs | None = None) -> tuple[Any, Any]:
        """Return the gates' part of the inputs, the shortcut, and the dropout mask."""
        inputs, constants = self.drop_all(inputs, side)
        gates = Fused(self.project(inputs), 4)
        if self.shortcut_kernel is not None:
            inputs = ops.matmul(inputs, self.shortcut_kernel)
        return (gates, inputs), constants

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the recurrent kernel and that of the projection."""
        return {**super().products(side), "projection": Product(self.projection_kernel)}

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new states; see `Cell.step`."""
        (x_gates, shortcut), (h_prev, c_prev) = x, states
        p_i, p_f, p_o = ops.unstack(ops.convert_to_tensor(self.peephole))
        i, f, g, o = add(x_gates, product(self.drop(h_prev, constants)))
        i = self.recurrent_activation(i + p_i * c_prev)
        f = self.recurrent_activation(f + p_f * c_prev)
        c = f * c_prev + i * self.activation(g)
        o = self.recurrent_activation(o + p_o * c)
        return o * (product(self.activation(c), "projection") + shortcut), c
