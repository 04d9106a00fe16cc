"""The simple recurrent cell of Elman (1990)."""

from typing import ClassVar

import keras

from rnnlayers.cells.base import RecurrentCell, States, Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class ElmanCell(RecurrentCell):
    """One step of Elman's network, the twin of `keras.layers.SimpleRNNCell`.

    The whole past is one vector that is rewritten at each step. It is the cheapest cell and the
    one of the textbooks; its gradient vanishes or explodes over long spans, where `LSTMCell` and
    `GRUCell` carry it further.

        h = activation(W x + b + U h_prev)

    Weights: `kernel` W `(features, units)`, `recurrent_kernel` U `(units, units)`, `bias` b
    `(units,)`. There is one gate, the candidate `h`.

    Args:
        units: Positive integer, the size of the output and of the state.
        activation: "tanh", "relu", "sigmoid" or anything `keras.activations.get` takes.
        **kwargs: All other arguments of `RecurrentCell`.

    Call arguments, returns and errors are those of `RecurrentCell`.

    Example:

    >>> output, states = ElmanCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Elman, J. L. (1990). Finding structure in time. Cognitive Science 14(2).
    """

    gates: ClassVar[tuple[str, ...]] = ("h",)

    def update(self, projected: Tensor, recurrent: Tensor, states: States) -> States:
        """Return the new states; see `RecurrentCell.update`."""
        return (self.activation(projected + recurrent),)
