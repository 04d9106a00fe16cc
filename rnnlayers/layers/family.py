"""Layers of the cells that Keras does not have."""

import keras

from rnnlayers.cells.additive import CFNCell, IntersectionCell, RANCell, UGRNNCell
from rnnlayers.cells.antisymmetric import AntisymmetricCell, GatedAntisymmetricCell
from rnnlayers.cells.clockwork import ClockworkCell
from rnnlayers.cells.echo_state import EchoStateCell
from rnnlayers.cells.elman_relatives import IndRNNCell, IRNNCell, JordanCell, SCRNCell
from rnnlayers.cells.fast import FastGRNNCell, FastRNNCell
from rnnlayers.cells.highway import RecurrentHighwayCell
from rnnlayers.cells.light_gated import (
    ATRCell,
    LightRecurrentCell,
    LiGRUCell,
    MinimalGatedCell,
    MinimalRNNCell,
    STARCell,
)
from rnnlayers.cells.linear import (
    LRUCell,
    MinGRUCell,
    MinLSTMCell,
    QRNNCell,
    RGLRUCell,
    SRUCell,
)
from rnnlayers.cells.lstm_relatives import (
    CoupledLSTMCell,
    JANETCell,
    MogrifierLSTMCell,
    MultiplicativeLSTMCell,
    NASCell,
    OriginalLSTMCell,
)
from rnnlayers.cells.lstm_variants import (
    LayerNormGRUCell,
    LayerNormLSTMCell,
    PeepholeLSTMCell,
    ProjectedLSTMCell,
)
from rnnlayers.cells.mutated import MUT1Cell, MUT2Cell, MUT3Cell
from rnnlayers.cells.oscillators import CoRNNCell, LEMCell, UnICORNNCell
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
