"""The LSTM and the GRU cut down until their steps can be computed in parallel."""

from typing import Any, ClassVar

import keras
from keras import ops

from rnnlayers.cells.linear import LinearCell
from rnnlayers.types import Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class MinGRUCell(LinearCell):
    """A GRU cut down until its steps can be computed in parallel.

        z = sigmoid(W_z x + b_z)                update gate
        n = g(W_n x + b_n)                      candidate
        h = (1 - z) * h_prev + z * n

    with g(v) = v + 0.5 for v >= 0 and sigmoid(v) below, which keeps states positive. Without a
    product with h_prev in its gates it cannot count parity; `GRUCell` can.

    Weights, cut in the order z, n: `kernel` W `(features, 2 * units)`, `bias` b `(2 * units,)`.

    Args:
        units: Positive integer, the size of the output and of the state.
        activation: Function of the candidate, by default g.
        **kwargs: All other arguments of `LinearCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = MinGRUCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Feng et al. (2024), Were RNNs all we needed?, section 3.1 and appendix B.
    """

    gates: ClassVar[tuple[str, ...]] = ("z", "n")

    def __init__(self, units: int, activation: Any = None, **kwargs: Any) -> None:
        super().__init__(units, positive if activation is None else activation, **kwargs)

    def coefficients(self, x: Any, constants: tuple[Tensor, ...] = ()) -> tuple[Tensor, Tensor]:
        """Return 1 - z and z * n."""
        z, n = ops.sigmoid(x[0]), self.activation(x[1])
        return 1 - z, z * n


@keras.saving.register_keras_serializable(package="rnnlayers")
class MinLSTMCell(LinearCell):
    """An LSTM cut down until its steps can be computed in parallel.

        f = sigmoid(W_f x + b_f)                forget gate
        i = sigmoid(W_i x + b_i)                input gate
        n = g(W_n x + b_n)                      candidate
        h = f / (f + i) * h_prev + i / (f + i) * n

    with g as in `MinGRUCell`.

    Weights, cut in the order f, i, n: `kernel` W `(features, 3 * units)`, `bias` b `(3 * units,)`.

    Args:
        units: Positive integer, the size of the output.
        **kwargs: All other arguments of `MinGRUCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = MinLSTMCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Feng et al. (2024), Were RNNs all we needed?, section 3.2 and appendix B.
    """

    gates: ClassVar[tuple[str, ...]] = ("f", "i", "n")

    def __init__(self, units: int, activation: Any = None, **kwargs: Any) -> None:
        super().__init__(units, positive if activation is None else activation, **kwargs)

    def coefficients(self, x: Any, constants: tuple[Tensor, ...] = ()) -> tuple[Tensor, Tensor]:
        """Return the shares of the past and of the candidate."""
        f, i = ops.sigmoid(x[0]), ops.sigmoid(x[1])
        return f / (f + i), i / (f + i) * self.activation(x[2])


@keras.saving.register_keras_serializable(package="rnnlayers")
def positive(v: Tensor) -> Tensor:
    """Return v + 0.5 for v >= 0 and sigmoid(v) below: a positive function without a jump."""
    return ops.where(v >= 0, v + 0.5, ops.sigmoid(v))
