"""Layers of the relatives of Elman's network."""

import keras

from rnnlayers.cells import (
    AntisymmetricCell,
    ClockworkCell,
    CoRNNCell,
    EchoStateCell,
    GatedAntisymmetricCell,
    IndRNNCell,
    IRNNCell,
    JordanCell,
    LEMCell,
    RecurrentHighwayCell,
    SCRNCell,
    UnICORNNCell,
)
from rnnlayers.layers.named import CellLayer


@keras.saving.register_keras_serializable(package="rnnlayers")
class IndRNN(CellLayer, cell=IndRNNCell):
    """An independently recurrent network: each unit sees its own past alone.

    Equations and weights are those of `IndRNNCell`.

    Args:
        units: Positive integer, the size of the output, or as `IndRNNCell` has it.
        **kwargs: All other arguments of `IndRNNCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.IndRNN(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class IRNN(CellLayer, cell=IRNNCell):
    """Elman's network as it learns long spans: relu, and the identity as first recurrent kernel.

    Equations and weights are those of `IRNNCell`.

    Args:
        units: Positive integer, the size of the output, or as `IRNNCell` has it.
        **kwargs: All other arguments of `IRNNCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.IRNN(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class Jordan(CellLayer, cell=JordanCell):
    """Jordan's network: what is fed back is the output, not the hidden layer.

    Equations and weights are those of `JordanCell`.

    Args:
        units: Positive integer, the size of the output, or as `JordanCell` has it.
        **kwargs: All other arguments of `JordanCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.Jordan(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class SCRN(CellLayer, cell=SCRNCell):
    """The structurally constrained network: some units change slowly, and are a memory.

    Equations and weights are those of `SCRNCell`.

    Args:
        units: Positive integer, the size of the output, or as `SCRNCell` has it.
        **kwargs: All other arguments of `SCRNCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.SCRN(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class Antisymmetric(CellLayer, cell=AntisymmetricCell):
    """A stable network: its recurrent matrix is antisymmetric, so that no state grows or dies away.

    Equations and weights are those of `AntisymmetricCell`.

    Args:
        units: Positive integer, the size of the output, or as `AntisymmetricCell` has it.
        **kwargs: All other arguments of `AntisymmetricCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.Antisymmetric(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class GatedAntisymmetric(CellLayer, cell=GatedAntisymmetricCell):
    """An `AntisymmetricCell` with a gate that shares its matrix.

    Equations and weights are those of `GatedAntisymmetricCell`.

    Args:
        units: Positive integer, the size of the output, or as `GatedAntisymmetricCell` has it.
        **kwargs: All other arguments of `GatedAntisymmetricCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.GatedAntisymmetric(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class CoRNN(CellLayer, cell=CoRNNCell):
    """Coupled oscillators: a network whose states are positions and velocities.

    Equations and weights are those of `CoRNNCell`.

    Args:
        units: Positive integer, the size of the output, or as `CoRNNCell` has it.
        **kwargs: All other arguments of `CoRNNCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.CoRNN(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class UnICORNN(CellLayer, cell=UnICORNNCell):
    """Undamped independent oscillators with time scales of their own, for stacks.

    Equations and weights are those of `UnICORNNCell`.

    Args:
        units: Positive integer, the size of the output, or as `UnICORNNCell` has it.
        **kwargs: All other arguments of `UnICORNNCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.UnICORNN(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class LEM(CellLayer, cell=LEMCell):
    """Long expressive memory: two states, each with time steps that are learned.

    Equations and weights are those of `LEMCell`.

    Args:
        units: Positive integer, the size of the output, or as `LEMCell` has it.
        **kwargs: All other arguments of `LEMCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.LEM(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class RecurrentHighway(CellLayer, cell=RecurrentHighwayCell):
    """A recurrent highway network: a step is as deep as it needs to be.

    Equations and weights are those of `RecurrentHighwayCell`.

    Args:
        units: Positive integer, the size of the output, or as `RecurrentHighwayCell` has it.
        **kwargs: All other arguments of `RecurrentHighwayCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.RecurrentHighway(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class Clockwork(CellLayer, cell=ClockworkCell):
    """A clockwork network: modules of units that are updated every 1, 2, 4, 8, ... steps.

    Equations and weights are those of `ClockworkCell`.

    Args:
        units: Positive integer, the size of the output, or as `ClockworkCell` has it.
        **kwargs: All other arguments of `ClockworkCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.Clockwork(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """


@keras.saving.register_keras_serializable(package="rnnlayers")
class EchoState(CellLayer, cell=EchoStateCell):
    """An echo state network: a random recurrence that is not trained, only what reads it is.

    Equations and weights are those of `EchoStateCell`.

    Args:
        units: Positive integer, the size of the output, or as `EchoStateCell` has it.
        **kwargs: All other arguments of `EchoStateCell` and of `Recurrent`.

    Call arguments, returns, masking and errors are those of `Recurrent`.

    Example:

    >>> rnnlayers.EchoState(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    TensorShape([2, 5, 4])
    """
