"""Layers of the cells whose steps can be computed in parallel."""

import keras

from rnnlayers.cells import (
    LRUCell,
    MinGRUCell,
    MinLSTMCell,
    QRNNCell,
    RGLRUCell,
    SRUCell,
    TRNNCell,
)
from rnnlayers.layers.named import CellLayer


@keras.saving.register_keras_serializable(package="rnnlayers")
class MinGRU(CellLayer, cell=MinGRUCell):
    """A GRU cut down until its steps can be computed in parallel.

    Equations and weights are those of `MinGRUCell`.

    Args:
        units: Positive integer, the size of the output, or as `MinGRUCell` has it.
        **kwargs: All other arguments of `MinGRUCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.MinGRU(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class MinLSTM(CellLayer, cell=MinLSTMCell):
    """An LSTM cut down until its steps can be computed in parallel.

    Equations and weights are those of `MinLSTMCell`.

    Args:
        units: Positive integer, the size of the output, or as `MinLSTMCell` has it.
        **kwargs: All other arguments of `MinLSTMCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.MinLSTM(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class SRU(CellLayer, cell=SRUCell):
    """The simple recurrent unit, in the form whose steps can be computed in parallel.

    Equations and weights are those of `SRUCell`.

    Args:
        units: Positive integer, the size of the output, or as `SRUCell` has it.
        **kwargs: All other arguments of `SRUCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.SRU(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class QRNN(CellLayer, cell=QRNNCell):
    """The pooling of a quasi-recurrent network, with output and forget gate.

    Equations and weights are those of `QRNNCell`.

    Args:
        units: Positive integer, the size of the output, or as `QRNNCell` has it.
        **kwargs: All other arguments of `QRNNCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.QRNN(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class RGLRU(CellLayer, cell=RGLRUCell):
    """The real-gated linear recurrent unit of Griffin.

    Equations and weights are those of `RGLRUCell`.

    Args:
        units: Positive integer, the size of the output, or as `RGLRUCell` has it.
        **kwargs: All other arguments of `RGLRUCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.RGLRU(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class LRU(CellLayer, cell=LRUCell):
    """The linear recurrent unit: a rotation and a decay of each complex state.

    Equations and weights are those of `LRUCell`.

    Args:
        units: Positive integer, the size of the output, or as `LRUCell` has it.
        **kwargs: All other arguments of `LRUCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.LRU(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class TRNN(CellLayer, cell=TRNNCell):
    """The strongly typed RNN: a running mean of features.

    Equations and weights are those of `TRNNCell`.

    Args:
        units: Positive integer, the size of the output, or as `TRNNCell` has it.
        **kwargs: All other arguments of `TRNNCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.TRNN(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """
