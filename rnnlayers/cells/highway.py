"""Recurrent highway networks."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from rnnlayers.cells.gated import SigmoidGatedCell
from rnnlayers.cells.parts import Multiply, Product, SideInputs, add
from rnnlayers.checks import check_positive_integer
from rnnlayers.types import States, Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class RecurrentHighwayCell(SigmoidGatedCell):
    """A recurrent highway network: a step is as deep as it needs to be.

    For k = 1, 2, ... up to `depth`, with s_0 = h_prev and inputs in the first layer alone:

        n = activation(W_n x + b_kn + U_kn s_(k-1))
        t = recurrent_activation(W_t x + b_kt + U_kt s_(k-1))           transform gate
        s_k = n * t + s_(k-1) * (1 - t)
        h = s_depth

    Weights: `kernel` W `(features, 2 * units)`, `recurrent_kernel` U `(units, 2 * units)` and
    `bias` b `(2 * units,)` of the first layer, cut in the order n, t; `recurrent_kernel_2` and
    `bias_2` of the second, and so on. The biases of t begin at -2, so that the state is kept.

    Args:
        units: Positive integer, the size of the output and of the state.
        activation: Function of the candidate.
        recurrent_activation: Function of the transform gate.
        depth: Positive integer, the number of layers in a step.
        **kwargs: All other arguments of `GatedCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = RecurrentHighwayCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Zilly et al. (2017), Recurrent highway networks, equations 6 to 9, with coupled
    gates.
    """

    gates: ClassVar[tuple[str, ...]] = ("n", "t")
    fixed_by_weights: ClassVar[tuple[str, ...]] = (*SigmoidGatedCell.fixed_by_weights, "depth")

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        depth: int = 3,
        **kwargs: Any,
    ) -> None:
        check_positive_integer("depth", depth, "the number of layers in a step")
        super().__init__(units, activation, recurrent_activation, **kwargs)
        self.depth = int(depth)

    def initial_bias(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        """Return the bias of a new layer of the step, -2 for the transform gate."""
        n = self.bias_initializer((self.units,), dtype=dtype)
        return ops.concatenate([n, ops.full((self.units,), -2.0, dtype)])

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of shape `(..., features)`."""
        super().build(input_shape)
        self.deeper = {}
        for k in range(2, self.depth + 1):
            kernel = self.add_recurrent(f"recurrent_kernel_{k}", (self.units, 2 * self.units))
            bias = None
            if self.use_bias:
                bias = self.add_weight(
                    name=f"bias_{k}", shape=(2 * self.units,), initializer=self.initial_bias
                )
            self.deeper[str(k)] = (kernel, bias)

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the matrices of all layers of a step."""
        deeper = {k: Product(kernel, bias, 2) for k, (kernel, bias) in self.deeper.items()}
        return {**super().products(side), **deeper}

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        return {**super().get_config(), "depth": self.depth}

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""
        (s,) = states
        for k in range(1, self.depth + 1):
            u = product(self.drop(s, constants), "" if k == 1 else str(k))
            n, t = add(x, u) if k == 1 else u
            t = self.recurrent_activation(t)
            s = self.activation(n) * t + s * (1 - t)
        return (s,)
