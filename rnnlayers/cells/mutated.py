"""Three cells that a search found: MUT1, MUT2, MUT3."""

from collections.abc import Mapping
from typing import Any, ClassVar

import keras
from keras import ops

from rnnlayers.cells.gated import SigmoidGatedCell
from rnnlayers.cells.parts import Fused, Multiply, Product, SideInputs
from rnnlayers.types import States, Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class MUT1Cell(SigmoidGatedCell):
    """The first of three cells that a search over thousands found as good as the GRU.

        z = recurrent_activation(W_z x + b_z)                            update gate
        r = recurrent_activation(W_r x + b_r + U_r h_prev)               reset gate
        h = z * activation(U_n (r * h_prev) + activation(W_n x) + b_n) + (1 - z) * h_prev

    Weights: `kernel` W `(features, 3 * units)` and `bias` b `(3 * units,)`, cut in the order z,
    r, n; `recurrent_kernel` U `(units, 2 * units)`, in the order r, n. Where the paper adds x
    itself, which must have as many features as there are units, this adds W x.

    Args:
        units: Positive integer, the size of the output.
        **kwargs: All other arguments of `GRUCell`, without `reset_after`.

    Call arguments, returns and errors are those of `GatedCell`.

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

    Args:
        units: Positive integer, the size of the output.
        **kwargs: All other arguments of `GRUCell`, without `reset_after`.

    Call arguments, returns and errors are those of `GatedCell`.

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

    Args:
        units: Positive integer, the size of the output.
        **kwargs: All other arguments of `GRUCell`, without `reset_after`.

    Call arguments, returns and errors are those of `GatedCell`.

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
