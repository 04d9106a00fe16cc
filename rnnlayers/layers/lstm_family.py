"""Layers of the relatives of the LSTM."""

import keras

from rnnlayers.cells import (
    CoupledLSTMCell,
    JANETCell,
    LayerNormLSTMCell,
    MassConservingLSTMCell,
    MLSTMCell,
    MogrifierLSTMCell,
    MultiplicativeLSTMCell,
    NASCell,
    OriginalLSTMCell,
    PeepholeLSTMCell,
    PhasedLSTMCell,
    ProjectedLSTMCell,
    ResidualLSTMCell,
    SLSTMCell,
    TLSTMCell,
    WorkingMemoryLSTMCell,
)
from rnnlayers.layers.named import CellLayer


@keras.saving.register_keras_serializable(package="rnnlayers")
class PeepholeLSTM(CellLayer, cell=PeepholeLSTMCell):
    """An LSTM whose gates see the cell state: peepholes, for exact timing.

    Equations and weights are those of `PeepholeLSTMCell`.

    Args:
        units: Positive integer, the size of the output, or as `PeepholeLSTMCell` has it.
        **kwargs: All other arguments of `PeepholeLSTMCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.PeepholeLSTM(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class ProjectedLSTM(CellLayer, cell=ProjectedLSTMCell):
    """An LSTM with a projected output: LSTMP, PyTorch's `proj_size`.

    Equations and weights are those of `ProjectedLSTMCell`.

    Args:
        units: Positive integer, the size of the output, or as `ProjectedLSTMCell` has it.
        **kwargs: All other arguments of `ProjectedLSTMCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.ProjectedLSTM(4, projection=2, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 2])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class LayerNormLSTM(CellLayer, cell=LayerNormLSTMCell):
    """An LSTM with layer normalization, which trains faster and stays stable over long sequences.

    Equations and weights are those of `LayerNormLSTMCell`.

    Args:
        units: Positive integer, the size of the output, or as `LayerNormLSTMCell` has it.
        **kwargs: All other arguments of `LayerNormLSTMCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.LayerNormLSTM(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class CoupledLSTM(CellLayer, cell=CoupledLSTMCell):
    """An LSTM that forgets as much as it takes in: coupled input and forget gate.

    Equations and weights are those of `CoupledLSTMCell`.

    Args:
        units: Positive integer, the size of the output, or as `CoupledLSTMCell` has it.
        **kwargs: All other arguments of `CoupledLSTMCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.CoupledLSTM(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class OriginalLSTM(CellLayer, cell=OriginalLSTMCell):
    """The LSTM of 1997, without a forget gate: its cell state only ever adds up.

    Equations and weights are those of `OriginalLSTMCell`.

    Args:
        units: Positive integer, the size of the output, or as `OriginalLSTMCell` has it.
        **kwargs: All other arguments of `OriginalLSTMCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.OriginalLSTM(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class JANET(CellLayer, cell=JANETCell):
    """Just another network: an LSTM with nothing but its forget gate.

    Equations and weights are those of `JANETCell`.

    Args:
        units: Positive integer, the size of the output, or as `JANETCell` has it.
        **kwargs: All other arguments of `JANETCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.JANET(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class NAS(CellLayer, cell=NASCell):
    """The cell that neural architecture search found for language models.

    Equations and weights are those of `NASCell`.

    Args:
        units: Positive integer, the size of the output, or as `NASCell` has it.
        **kwargs: All other arguments of `NASCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.NAS(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class MultiplicativeLSTM(CellLayer, cell=MultiplicativeLSTMCell):
    """An LSTM whose recurrent product depends on the input: multiplicative LSTM.

    Equations and weights are those of `MultiplicativeLSTMCell`.

    Args:
        units: Positive integer, the size of the output, or as `MultiplicativeLSTMCell` has it.
        **kwargs: All other arguments of `MultiplicativeLSTMCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.MultiplicativeLSTM(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class MogrifierLSTM(CellLayer, cell=MogrifierLSTMCell):
    """An LSTM before which input and state gate one another, several times.

    Equations and weights are those of `MogrifierLSTMCell`.

    Args:
        units: Positive integer, the size of the output, or as `MogrifierLSTMCell` has it.
        **kwargs: All other arguments of `MogrifierLSTMCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.MogrifierLSTM(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class SLSTM(CellLayer, cell=SLSTMCell):
    """The sLSTM of xLSTM: an LSTM with exponential gates, which can revise what it stored.

    Equations and weights are those of `SLSTMCell`.

    Args:
        units: Positive integer, the size of the output, or as `SLSTMCell` has it.
        **kwargs: All other arguments of `SLSTMCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.SLSTM(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class MLSTM(CellLayer, cell=MLSTMCell):
    """The mLSTM of xLSTM: a matrix as memory, written under keys and read by queries.

    Equations and weights are those of `MLSTMCell`.

    Args:
        units: Positive integer, the size of the output, or as `MLSTMCell` has it.
        **kwargs: All other arguments of `MLSTMCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.MLSTM(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class PhasedLSTM(CellLayer, cell=PhasedLSTMCell):
    """An LSTM with a time gate: each unit opens for a part of a period of its own.

    Equations and weights are those of `PhasedLSTMCell`.

    Args:
        units: Positive integer, the size of the output, or as `PhasedLSTMCell` has it.
        **kwargs: All other arguments of `PhasedLSTMCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.PhasedLSTM(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class TLSTM(CellLayer, cell=TLSTMCell):
    """The strongly typed LSTM: gates from the inputs of this step and of the one before.

    Equations and weights are those of `TLSTMCell`.

    Args:
        units: Positive integer, the size of the output, or as `TLSTMCell` has it.
        **kwargs: All other arguments of `TLSTMCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.TLSTM(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class WorkingMemoryLSTM(CellLayer, cell=WorkingMemoryLSTMCell):
    """An LSTM with working memory connections: its gates see the whole cell state, bounded.

    Equations and weights are those of `WorkingMemoryLSTMCell`.

    Args:
        units: Positive integer, the size of the output, or as `WorkingMemoryLSTMCell` has it.
        **kwargs: All other arguments of `WorkingMemoryLSTMCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.WorkingMemoryLSTM(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class ResidualLSTM(CellLayer, cell=ResidualLSTMCell):
    """The residual LSTM of speech recognition, with a gated shortcut of the inputs.

    Equations and weights are those of `ResidualLSTMCell`.

    Args:
        units: Positive integer, the size of the output, or as `ResidualLSTMCell` has it.
        **kwargs: All other arguments of `ResidualLSTMCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.ResidualLSTM(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class MassConservingLSTM(CellLayer, cell=MassConservingLSTMCell):
    """The mass-conserving LSTM: what flows in is stored or flows out, and nothing is lost.

    Equations and weights are those of `MassConservingLSTMCell`.

    Args:
        units: Positive integer, the size of the output, or as `MassConservingLSTMCell` has it.
        **kwargs: All other arguments of `MassConservingLSTMCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.MassConservingLSTM(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """
