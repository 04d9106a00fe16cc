"""Layers of the bistable, simple, delayed and strongly typed relatives of the GRU."""

import keras

from rnnlayers.cells import (
    BRCCell,
    DSGUCell,
    MiRU1Cell,
    MiRU2Cell,
    NBRCCell,
    SGRNCell,
    SGUCell,
    TauGRUCell,
    TGRUCell,
)
from rnnlayers.layers.named import CellLayer


@keras.saving.register_keras_serializable(package="rnnlayers")
class BRC(CellLayer, cell=BRCCell):
    """The bistable cell, whose units hold one of two values by themselves.

    Equations and weights are those of `BRCCell`.

    Args:
        units: Positive integer, the size of the output, or as `BRCCell` has it.
        **kwargs: All other arguments of `BRCCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.BRC(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class NBRC(CellLayer, cell=NBRCCell):
    """The recurrently neuromodulated bistable cell: a GRU whose units can hold one of two values.

    Equations and weights are those of `NBRCCell`.

    Args:
        units: Positive integer, the size of the output, or as `NBRCCell` has it.
        **kwargs: All other arguments of `NBRCCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.NBRC(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class SGRN(CellLayer, cell=SGRNCell):
    """The simple gated recurrent network: one gate, which shares the product of the candidate.

    Equations and weights are those of `SGRNCell`.

    Args:
        units: Positive integer, the size of the output, or as `SGRNCell` has it.
        **kwargs: All other arguments of `SGRNCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.SGRN(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class SGU(CellLayer, cell=SGUCell):
    """The simple gated unit: inputs multiply the state before they enter it.

    Equations and weights are those of `SGUCell`.

    Args:
        units: Positive integer, the size of the output, or as `SGUCell` has it.
        **kwargs: All other arguments of `SGUCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.SGU(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class DSGU(CellLayer, cell=DSGUCell):
    """The deep simple gated unit, with one matrix more and a bounded candidate.

    Equations and weights are those of `DSGUCell`.

    Args:
        units: Positive integer, the size of the output, or as `DSGUCell` has it.
        **kwargs: All other arguments of `DSGUCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.DSGU(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class MiRU1(CellLayer, cell=MiRU1Cell):
    """The first minion recurrent unit: a GRU whose update gate is a constant.

    Equations and weights are those of `MiRU1Cell`.

    Args:
        units: Positive integer, the size of the output, or as `MiRU1Cell` has it.
        **kwargs: All other arguments of `MiRU1Cell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.MiRU1(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class MiRU2(CellLayer, cell=MiRU2Cell):
    """The second minion recurrent unit: a GRU both of whose gates are constants.

    Equations and weights are those of `MiRU2Cell`.

    Args:
        units: Positive integer, the size of the output, or as `MiRU2Cell` has it.
        **kwargs: All other arguments of `MiRU2Cell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.MiRU2(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class TauGRU(CellLayer, cell=TauGRUCell):
    """A GRU with weighted time-delay feedback: its state of some steps before comes back.

    Equations and weights are those of `TauGRUCell`.

    Args:
        units: Positive integer, the size of the output, or as `TauGRUCell` has it.
        **kwargs: All other arguments of `TauGRUCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.TauGRU(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class TGRU(CellLayer, cell=TGRUCell):
    """The strongly typed GRU: gates from the inputs of this step and of the one before.

    Equations and weights are those of `TGRUCell`.

    Args:
        units: Positive integer, the size of the output, or as `TGRUCell` has it.
        **kwargs: All other arguments of `TGRUCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.TGRU(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """
