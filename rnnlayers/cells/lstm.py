"""Long short-term memory: Hochreiter and Schmidhuber (1997), with the forget gate of 2000."""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from rnnlayers.cells.base import RecurrentCell, States, Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class LSTMCell(RecurrentCell):
    """One step of long short-term memory, the twin of `keras.layers.LSTMCell`.

    The cell state `c` is carried along by a sum, so that gradients survive long spans; three gates
    decide what enters, what stays and what shows. `GRUCell` does with two gates and one state.

        i = recurrent_activation(W_i x + b_i + U_i h_prev)      input gate
        f = recurrent_activation(W_f x + b_f + U_f h_prev)      forget gate
        g = activation(W_g x + b_g + U_g h_prev)                candidate
        o = recurrent_activation(W_o x + b_o + U_o h_prev)      output gate
        c = f * c_prev + i * g
        h = o * activation(c)

    Weights, cut in the order i, f, g, o (Keras calls g "c"): `kernel` W `(features, 4 * units)`,
    `recurrent_kernel` U `(units, 4 * units)`, `bias` b `(4 * units,)`. States: h and c.

    Args:
        units: Positive integer, the size of the output and of each state.
        activation: Function of the candidate and of the shown cell state.
        recurrent_activation: Function of the three gates.
        unit_forget_bias: Whether the forget gate's bias starts at one (Jozefowicz et al., 2015).
        **kwargs: All other arguments of `RecurrentCell`.

    Call arguments, returns and errors are those of `RecurrentCell`.

    Example:

    >>> output, (h, c) = LSTMCell(4)(np.ones((2, 3)), [np.zeros((2, 4)), np.zeros((2, 4))])
    >>> output.shape, c.shape
    (TensorShape([2, 4]), TensorShape([2, 4]))

    References: Hochreiter and Schmidhuber (1997), Long short-term memory, Neural Computation 9(8);
    Gers, Schmidhuber and Cummins (2000), Learning to forget, Neural Computation 12(10).
    """

    gates: ClassVar[tuple[str, ...]] = ("i", "f", "g", "o")
    state_names: ClassVar[tuple[str, ...]] = ("h", "c")

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        *,
        unit_forget_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, activation, **kwargs)
        self.recurrent_activation = keras.activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias

    def initial_bias(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        """Return the bias of a new cell, the forget gate's open where so asked."""
        bias = super().initial_bias(shape, dtype)
        if not self.unit_forget_bias:
            return bias
        i, f, g, o = self.split(bias)
        return ops.concatenate([i, ops.ones_like(f), g, o])

    def update(self, projected: Tensor, recurrent: Tensor, states: States) -> States:
        """Return the new states; see `RecurrentCell.update`."""
        _, c_prev = states
        i, f, g, o = self.split(projected + recurrent)
        i = self.recurrent_activation(i)
        f = self.recurrent_activation(f)
        g = self.activation(g)
        o = self.recurrent_activation(o)
        c = f * c_prev + i * g
        h = o * self.activation(c)
        return h, c

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that create this cell anew."""
        return {
            **super().get_config(),
            "recurrent_activation": keras.activations.serialize(self.recurrent_activation),
            "unit_forget_bias": self.unit_forget_bias,
        }
