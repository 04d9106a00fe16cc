"""Long short-term memory: Hochreiter and Schmidhuber (1997), with the forget gate of 2000."""

from collections.abc import Sequence
from typing import Any

import keras

from rnnlayers.cells.base import passed_on
from rnnlayers.cells.four_gated import FourGatedCell
from rnnlayers.cells.parts import Multiply, add
from rnnlayers.cells.slopes import has_slope, slope
from rnnlayers.types import States, Tensor


class LSTMDerivative:
    """The derivative of `LSTMCell.step`, written by hand.

    The compiled engine can derive any step automatically. A derivative written by hand runs
    somewhat faster. It has two parts, so that the loop back through time computes as little as
    possible.

    Class attributes:
        needs_products: Whether `linearize` reads the products. If not, they are not saved.

    Args:
        cell: The cell, which `fits` has accepted.
    """

    needs_products = True

    def __init__(self, cell: "LSTMCell") -> None:
        self.cell = cell

    @staticmethod
    def fits(cell: "LSTMCell") -> bool:
        """Return whether the slopes of the activations can be computed from their outputs."""
        return has_slope(cell.activation, cell.recurrent_activation)

    def linearize(
        self, x: Any, products: Any, previous: States, states: States
    ) -> Sequence[Tensor]:
        """Return every factor of the derivative that needs no incoming gradient, for all steps.

        Here they are dc/dz of i, f, g, dh/dz of o, dh/dc and dc/dc_prev.

        Args:
            x: What `step` received of the inputs, with a leading axis `time`.
            products: What each call of `product` returned, with a leading axis `time`.
            previous: The states before each step, `(time, batch, units)` each.
            states: The states after each step.
        """
        (_, c_prev), (_, c) = previous, states
        gate, activation = self.cell.recurrent_activation, self.cell.activation
        i, f, g, o = add(x, products[0])
        i, f, g, o = gate(i), gate(f), activation(g), gate(o)
        output = activation(c)  # before the output gate
        return (
            g * slope(gate, i),
            c_prev * slope(gate, f),
            i * slope(activation, g),
            output * slope(gate, o),
            o * slope(activation, output),
            f,
        )

    def pull_back(
        self,
        factors: Sequence[Tensor],
        d_states: States,
        back: Multiply,
        constants: tuple[Tensor, ...],
    ) -> tuple[Any, States]:
        """Return the gradients of `x` and of the previous states.

        Args:
            factors: Those of `linearize` at one step, `(batch, units)` each.
            d_states: The gradients of the new states.
            back: `back(d, name)` takes the gradient of a product and returns that of its operand.
                It must be called as often as `step` calls `product`, in the reverse order.
            constants: As for `step`. They get no gradient, so they must not depend on weights.
        """
        c_by_i, c_by_f, c_by_g, h_by_o, h_by_c, f = factors
        d_h, d_c = d_states
        d_c = d_c + d_h * h_by_c
        d_gates = [d_c * c_by_i, d_c * c_by_f, d_c * c_by_g, d_h * h_by_o]
        return d_gates, (self.cell.drop(back(d_gates), constants), d_c * f)


@keras.saving.register_keras_serializable(package="rnnlayers")
class LSTMCell(FourGatedCell):
    """One step of long short-term memory, the twin of `keras.layers.LSTMCell`.

    A sum carries the cell state `c` from step to step, so that gradients survive long spans. Three
    gates decide what enters it, what stays, and what is output. `GRUCell` has two gates and one
    state.

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
        activation: Function of the candidate and of the cell state in the output.
        recurrent_activation: Function of the three gates.
        unit_forget_bias: Whether the forget gate's bias starts at one (Jozefowicz et al., 2015).
        **kwargs: All other arguments of `GatedCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, (h, c) = LSTMCell(4)(np.ones((2, 3)), [np.zeros((2, 4)), np.zeros((2, 4))])
    >>> output.shape, c.shape
    (TensorShape([2, 4]), TensorShape([2, 4]))

    References: Hochreiter and Schmidhuber (1997), Long short-term memory, Neural Computation 9(8);
    Gers, Schmidhuber and Cummins (2000), Learning to forget, Neural Computation 12(10).
    """

    derivatives = (LSTMDerivative,)

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**passed_on(locals()))

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new states; see `Cell.step`."""
        h_prev, c_prev = states
        i, f, g, o = add(x, product(self.drop(h_prev, constants)))
        i, f, o = map(self.recurrent_activation, (i, f, o))
        c = f * c_prev + i * self.activation(g)
        h = o * self.activation(c)
        return h, c
