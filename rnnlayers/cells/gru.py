"""The gated recurrent unit: Cho et al. (2014), in both of its forms."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from rnnlayers.cells.base import passed_on
from rnnlayers.cells.gated import SigmoidGatedCell
from rnnlayers.cells.parts import Multiply, Product, SideInputs
from rnnlayers.cells.slopes import has_slope, slope
from rnnlayers.types import States, Tensor


class GRUDerivative:
    """The derivative of `GRUCell.step`, see `rnnlayers.cells.lstm.LSTMDerivative`."""

    needs_products = True

    def __init__(self, cell: "GRUCell") -> None:
        self.cell = cell

    @staticmethod
    def fits(cell: "GRUCell") -> bool:
        """Return whether this is the form of the cell, and the slopes are known."""
        return cell.reset_after and has_slope(cell.activation, cell.recurrent_activation)

    def linearize(
        self, x: Any, products: Any, previous: States, states: States
    ) -> Sequence[Tensor]:
        """Return dh/dz of z, r, n, and dh/dh_prev = z and dn/du_n = r of each step."""
        (h_prev,), (x_z, x_r, x_n), (u_z, u_r, u_n) = previous, x, products[0]
        gate, activation = self.cell.recurrent_activation, self.cell.activation
        z, r = gate(x_z + u_z), gate(x_r + u_r)
        n = activation(x_n + r * u_n)
        h_by_n = (1 - z) * slope(activation, n)
        return (h_prev - n) * slope(gate, z), h_by_n * u_n * slope(gate, r), h_by_n, z, r

    def pull_back(
        self,
        factors: Sequence[Tensor],
        d_states: States,
        back: Multiply,
        constants: tuple[Tensor, ...],
    ) -> tuple[Any, States]:
        """Return the gradients of `x` and of the previous state."""
        h_by_z, h_by_r, h_by_n, z, r = factors
        (d_h,) = d_states
        d_z, d_r, d_n = d_h * h_by_z, d_h * h_by_r, d_h * h_by_n
        d_masked = back([d_z, d_r, d_n * r])
        return [d_z, d_r, d_n], (d_h * z + self.cell.drop(d_masked, constants),)


class ResetBeforeDerivative(GRUDerivative):
    """The derivative of the paper's form, in which the reset gate comes before the product."""

    @staticmethod
    def fits(cell: "GRUCell") -> bool:
        """Return whether this is the form of the cell, and the slopes are known."""
        return not cell.reset_after and has_slope(cell.activation, cell.recurrent_activation)

    def linearize(
        self, x: Any, products: Any, previous: States, states: States
    ) -> Sequence[Tensor]:
        """Return dh/dz of z and n, d(r h)/dz of r, and dh/dh_prev = z and r of each step."""
        (h_prev,), (x_z, x_r, x_n), ((u_z, u_r), u_n) = previous, x, products
        gate, activation = self.cell.recurrent_activation, self.cell.activation
        z, r = gate(x_z + u_z), gate(x_r + u_r)
        n = activation(x_n + u_n)
        h_by_n = (1 - z) * slope(activation, n)
        return (h_prev - n) * slope(gate, z), h_prev * slope(gate, r), h_by_n, z, r

    def pull_back(
        self,
        factors: Sequence[Tensor],
        d_states: States,
        back: Multiply,
        constants: tuple[Tensor, ...],
    ) -> tuple[Any, States]:
        """Return the gradients of `x` and of the previous state."""
        h_by_z, rh_by_r, h_by_n, z, r = factors
        (d_h,) = d_states
        d_z, d_n = d_h * h_by_z, d_h * h_by_n
        d_rh = back(d_n, "n")
        d_r = self.cell.drop(d_rh * rh_by_r, constants)
        d_masked = d_rh * r + back([d_z, d_r])
        return [d_z, d_r, d_n], (d_h * z + self.cell.drop(d_masked, constants),)


@keras.saving.register_keras_serializable(package="rnnlayers")
class GRUCell(SigmoidGatedCell):
    """One step of the gated recurrent unit, the twin of `keras.layers.GRUCell`.

    The update gate mixes the previous state with a candidate. The reset gate decides how much of
    the past enters the candidate. With three products in each step and one state it is cheaper than
    `LSTMCell`.

        z = recurrent_activation(W_z x + b_z + U_z h_prev + d_z)        update gate
        r = recurrent_activation(W_r x + b_r + U_r h_prev + d_r)        reset gate
        n = activation(W_n x + b_n + r * (U_n h_prev + d_n))            candidate, reset_after=True
        n = activation(W_n x + b_n + U_n (r * h_prev))                  candidate, reset_after=False
        h = z * h_prev + (1 - z) * n

    Here z keeps the past, as in Keras, PyTorch, cuDNN and the paper's equation 7. The form with
    reset_after=True is that of cuDNN and PyTorch, the other that of the paper (equation 8).

    Weights, cut in the order z, r, n (Keras calls n "h"): `kernel` W `(features, 3 * units)`,
    `recurrent_kernel` U `(units, 3 * units)`, and `bias` `(2, 3 * units)` with rows b and d for
    `reset_after=True`, `(3 * units,)`, b alone, for `reset_after=False`.

    Args:
        units: Positive integer, the size of the output and of the state.
        activation: Function of the candidate.
        recurrent_activation: Function of the two gates.
        reset_after: Whether the reset gate applies after the recurrent product, or before it.
        **kwargs: All other arguments of `GatedCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = GRUCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Cho et al. (2014), Learning phrase representations using RNN encoder-decoder for
    statistical machine translation, equations 5 to 8.
    """

    gates: ClassVar[tuple[str, ...]] = ("z", "r", "n")
    derivatives = (GRUDerivative, ResetBeforeDerivative)
    fixed_by_weights: ClassVar[tuple[str, ...]] = (
        *SigmoidGatedCell.fixed_by_weights,
        "reset_after",
    )

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        reset_after: bool = True,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**passed_on(locals(), "reset_after"))
        self.reset_after = reset_after

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """Shape of `bias`: two rows, for inputs and recurrence, with `reset_after=True`."""
        (width,) = super().bias_shape
        return (2, width) if self.reset_after else (width,)

    @property
    def input_bias(self) -> Tensor | None:
        """The part of `bias` that is added to the projected inputs, or None."""
        return self.bias[0] if self.reset_after and self.bias is not None else self.bias

    @property
    def recurrent_bias(self) -> Tensor | None:
        """The part of `bias` that is added to the recurrent product, or None."""
        return self.bias[1] if self.reset_after and self.bias is not None else None

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the recurrent kernel, cut into gates; the paper's form multiplies twice."""
        if self.reset_after:
            return super().products(side)
        U_zr, U_n = ops.split(self.recurrent_kernel, [2 * self.units], axis=-1)
        return {"": Product(U_zr, parts=2), "n": Product(U_n)}

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""
        (h_prev,) = states
        h_masked = self.drop(h_prev, constants)
        x_z, x_r, x_n = x
        u_z, u_r, *u_n = product(h_masked)
        z = self.recurrent_activation(x_z + u_z)
        r = self.recurrent_activation(x_r + u_r)
        n = self.activation(x_n + (r * u_n[0] if self.reset_after else product(r * h_masked, "n")))
        return (z * h_prev + (1 - z) * n,)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        return {**super().get_config(), "reset_after": self.reset_after}
