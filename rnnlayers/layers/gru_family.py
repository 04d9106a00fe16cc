"""Layers of the relatives of the GRU."""

import keras

from rnnlayers.cells import (
    ATRCell,
    CFNCell,
    FastGRNNCell,
    FastRNNCell,
    GRUDCell,
    IntersectionCell,
    LayerNormGRUCell,
    LightRecurrentCell,
    LiGRUCell,
    MinimalGatedCell,
    MinimalRNNCell,
    MUT1Cell,
    MUT2Cell,
    MUT3Cell,
    RANCell,
    STARCell,
    UGRNNCell,
)
from rnnlayers.layers.named import CellLayer


@keras.saving.register_keras_serializable(package="rnnlayers")
class LayerNormGRU(CellLayer, cell=LayerNormGRUCell):
    """A GRU with layer normalization.

    Equations and weights are those of `LayerNormGRUCell`.

    Args:
        units: Positive integer, the size of the output, or as `LayerNormGRUCell` has it.
        **kwargs: All other arguments of `LayerNormGRUCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.LayerNormGRU(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class MinimalGated(CellLayer, cell=MinimalGatedCell):
    """The minimal gated unit: a GRU with one gate.

    Equations and weights are those of `MinimalGatedCell`.

    Args:
        units: Positive integer, the size of the output, or as `MinimalGatedCell` has it.
        **kwargs: All other arguments of `MinimalGatedCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.MinimalGated(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class LiGRU(CellLayer, cell=LiGRUCell):
    """The light GRU of speech recognition: no reset gate, and relu.

    Equations and weights are those of `LiGRUCell`.

    Args:
        units: Positive integer, the size of the output, or as `LiGRUCell` has it.
        **kwargs: All other arguments of `LiGRUCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.LiGRU(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class LightRecurrent(CellLayer, cell=LightRecurrentCell):
    """The light recurrent unit: a candidate of the inputs alone, and one gate.

    Equations and weights are those of `LightRecurrentCell`.

    Args:
        units: Positive integer, the size of the output, or as `LightRecurrentCell` has it.
        **kwargs: All other arguments of `LightRecurrentCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.LightRecurrent(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class STAR(CellLayer, cell=STARCell):
    """The stackable recurrent cell, whose gradients neither vanish nor explode along depth.

    Equations and weights are those of `STARCell`.

    Args:
        units: Positive integer, the size of the output, or as `STARCell` has it.
        **kwargs: All other arguments of `STARCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.STAR(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class ATR(CellLayer, cell=ATRCell):
    """The addition-subtraction twin-gated network of translation.

    Equations and weights are those of `ATRCell`.

    Args:
        units: Positive integer, the size of the output, or as `ATRCell` has it.
        **kwargs: All other arguments of `ATRCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.ATR(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class MinimalRNN(CellLayer, cell=MinimalRNNCell):
    """The minimal RNN: inputs are mapped into the space of the states, and one gate mixes them in.

    Equations and weights are those of `MinimalRNNCell`.

    Args:
        units: Positive integer, the size of the output, or as `MinimalRNNCell` has it.
        **kwargs: All other arguments of `MinimalRNNCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.MinimalRNN(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class MUT1(CellLayer, cell=MUT1Cell):
    """The first of three cells that a search over thousands found as good as the GRU.

    Equations and weights are those of `MUT1Cell`.

    Args:
        units: Positive integer, the size of the output, or as `MUT1Cell` has it.
        **kwargs: All other arguments of `MUT1Cell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.MUT1(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class MUT2(CellLayer, cell=MUT2Cell):
    """The second of the cells of that search, see `MUT1Cell`.

    Equations and weights are those of `MUT2Cell`.

    Args:
        units: Positive integer, the size of the output, or as `MUT2Cell` has it.
        **kwargs: All other arguments of `MUT2Cell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.MUT2(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class MUT3(CellLayer, cell=MUT3Cell):
    """The third of the cells of that search, see `MUT1Cell`.

    Equations and weights are those of `MUT3Cell`.

    Args:
        units: Positive integer, the size of the output, or as `MUT3Cell` has it.
        **kwargs: All other arguments of `MUT3Cell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.MUT3(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class RAN(CellLayer, cell=RANCell):
    """The recurrent additive network: an LSTM whose candidate is linear in the inputs alone.

    Equations and weights are those of `RANCell`.

    Args:
        units: Positive integer, the size of the output, or as `RANCell` has it.
        **kwargs: All other arguments of `RANCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.RAN(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class UGRNN(CellLayer, cell=UGRNNCell):
    """The update gate network: a GRU without a reset gate.

    Equations and weights are those of `UGRNNCell`.

    Args:
        units: Positive integer, the size of the output, or as `UGRNNCell` has it.
        **kwargs: All other arguments of `UGRNNCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.UGRNN(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class Intersection(CellLayer, cell=IntersectionCell):
    """The intersection network, for stacks: gates along time and along depth.

    Equations and weights are those of `IntersectionCell`.

    Args:
        units: Positive integer, the size of the output, or as `IntersectionCell` has it.
        **kwargs: All other arguments of `IntersectionCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.Intersection(4, return_sequences=True)(np.ones((2, 5, 4))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class CFN(CellLayer, cell=CFNCell):
    """The chaos free network: without inputs its state decays to zero.

    Equations and weights are those of `CFNCell`.

    Args:
        units: Positive integer, the size of the output, or as `CFNCell` has it.
        **kwargs: All other arguments of `CFNCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.CFN(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class FastRNN(CellLayer, cell=FastRNNCell):
    """A simple network with a residual connection of two trained scalars, for small devices.

    Equations and weights are those of `FastRNNCell`.

    Args:
        units: Positive integer, the size of the output, or as `FastRNNCell` has it.
        **kwargs: All other arguments of `FastRNNCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.FastRNN(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class FastGRNN(CellLayer, cell=FastGRNNCell):
    """FastRNN with a gate that shares the matrices of the candidate: half the weights of a GRU.

    Equations and weights are those of `FastGRNNCell`.

    Args:
        units: Positive integer, the size of the output, or as `FastGRNNCell` has it.
        **kwargs: All other arguments of `FastGRNNCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.FastGRNN(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class GRUD(CellLayer, cell=GRUDCell):
    """A GRU for series with missing values, which are NaN in the inputs: GRU-D.

    Equations and weights are those of `GRUDCell`.

    Args:
        units: Positive integer, the size of the output, or as `GRUDCell` has it.
        **kwargs: All other arguments of `GRUDCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.GRUD(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """
