"""The gated recurrent unit: Cho et al. (2014), in both of its forms."""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from rnnlayers.cells.base import Gates, RecurrentCell, passed_on
from rnnlayers.cells.slopes import has_slope, slope
from rnnlayers.types import States, Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class GRUCell(RecurrentCell):
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
        **kwargs: All other arguments of `RecurrentCell`.

    Call arguments, returns and errors are those of `RecurrentCell`.

    Example:

    >>> output, states = GRUCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Cho et al. (2014), Learning phrase representations using RNN encoder-decoder for
    statistical machine translation, equations 5 to 8.
    """

    gates: ClassVar[tuple[str, ...]] = ("z", "r", "n")
    fixed_by_weights: ClassVar[tuple[str, ...]] = (*RecurrentCell.fixed_by_weights, "reset_after")

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
        super().__init__(**passed_on(locals(), "recurrent_activation", "reset_after"))
        self.recurrent_activation = keras.activations.get(recurrent_activation)
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

    @property
    def is_cut_in_three(self) -> bool:
        """Whether one product in each step is enough, which is not so for the paper's form."""
        as_written = type(self).step is GRUCell.step and type(self).recur is RecurrentCell.recur
        return self.reset_after and as_written

    def activate(self, projected: Gates, recurrent: Gates) -> list[Tensor]:
        """Return the gates z, r, n of the form with `reset_after=True`."""
        x_z, x_r, x_n = self.split(projected)
        u_z, u_r, u_n = self.split(recurrent)
        z = self.recurrent_activation(x_z + u_z)
        r = self.recurrent_activation(x_r + u_r)
        n = self.activation(x_n + r * u_n)
        return [z, r, n]

    def update(self, projected: Gates, recurrent: Gates, states: States) -> States:
        """Return the new states; see `RecurrentCell.update`."""
        (h_prev,) = states
        z, _, n = self.activate(projected, recurrent)
        return (z * h_prev + (1 - z) * n,)

    def step(
        self, projected: Tensor, states: States, recurrent_dropout_mask: Tensor | None = None
    ) -> States:
        """Return the states after one step. The paper's form needs a second product, for n."""
        if self.reset_after:
            return super().step(projected, states, recurrent_dropout_mask)
        (h_prev,) = states
        h_masked = h_prev if recurrent_dropout_mask is None else h_prev * recurrent_dropout_mask
        U_zr, U_n = ops.split(self.recurrent_kernel, [2 * self.units], axis=-1)
        x_z, x_r, x_n = self.split(projected)
        u_z, u_r = ops.split(ops.matmul(h_masked, U_zr), 2, axis=-1)
        z = self.recurrent_activation(x_z + u_z)
        r = self.recurrent_activation(x_r + u_r)
        n = self.activation(x_n + ops.matmul(r * h_masked, U_n))
        return (z * h_prev + (1 - z) * n,)

    @property
    def has_own_derivative(self) -> bool:
        """Whether the slopes of the activations can be computed from their outputs."""
        return has_slope(self.activation, self.recurrent_activation)

    def linearize(
        self, projected: Gates, recurrent: Gates, previous: States, states: States
    ) -> tuple[Tensor, ...]:
        """Return dh/dz of z, r, n, and dh/dh_prev = z and dn/du_n = r of each step."""
        (h_prev,) = previous
        *_, u_n = self.split(recurrent)
        z, r, n = self.activate(projected, recurrent)
        h_by_n = (1 - z) * slope(self.activation, n)
        return (
            (h_prev - n) * slope(self.recurrent_activation, z),
            h_by_n * u_n * slope(self.recurrent_activation, r),
            h_by_n,
            z,
            r,
        )

    def pull_back(
        self, factors: Sequence[Tensor], d_states: States
    ) -> tuple[Sequence[Tensor], Sequence[Tensor], States]:
        """Return the gradients of one step; see `RecurrentCell.pull_back`."""
        h_by_z, h_by_r, h_by_n, z, r = factors
        (d_h,) = d_states
        d_z, d_r, d_n = d_h * h_by_z, d_h * h_by_r, d_h * h_by_n
        return [d_z, d_r, d_n], [d_z, d_r, d_n * r], (d_h * z,)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        return {
            **super().get_config(),
            "recurrent_activation": keras.activations.serialize(self.recurrent_activation),
            "reset_after": self.reset_after,
        }
