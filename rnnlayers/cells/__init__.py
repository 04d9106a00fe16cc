"""Cells: one step of a recurrence."""

from rnnlayers.cells.additive import CFNCell, IntersectionCell, RANCell, UGRNNCell
from rnnlayers.cells.antisymmetric import AntisymmetricCell, GatedAntisymmetricCell
from rnnlayers.cells.attention import AdditiveAttention, MultiplicativeAttention
from rnnlayers.cells.attentive import AttentionCell
from rnnlayers.cells.base import Cell
from rnnlayers.cells.bistable import BRCCell, NBRCCell
from rnnlayers.cells.chunked import ChunkedCell
from rnnlayers.cells.clockwork import ClockworkCell
from rnnlayers.cells.delayed import TauGRUCell
from rnnlayers.cells.echo_state import EchoStateCell
from rnnlayers.cells.elman import ElmanCell
from rnnlayers.cells.elman_relatives import IndRNNCell, IRNNCell, JordanCell, SCRNCell
from rnnlayers.cells.fast import FastGRNNCell, FastRNNCell
from rnnlayers.cells.gated import GatedCell
from rnnlayers.cells.gru import GRUCell
from rnnlayers.cells.highway import RecurrentHighwayCell
from rnnlayers.cells.light_gated import (
    ATRCell,
    LightRecurrentCell,
    LiGRUCell,
    MinimalGatedCell,
    MinimalRNNCell,
    STARCell,
)
from rnnlayers.cells.linear import LinearCell
from rnnlayers.cells.linear_units import LRUCell, QRNNCell, RGLRUCell, SRUCell
from rnnlayers.cells.lstm import LSTMCell
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
from rnnlayers.cells.mass import MassConservingLSTMCell
from rnnlayers.cells.memory_gates import ResidualLSTMCell, WorkingMemoryLSTMCell
from rnnlayers.cells.min_gated import MinGRUCell, MinLSTMCell
from rnnlayers.cells.missing import GRUDCell
from rnnlayers.cells.mutated import MUT1Cell, MUT2Cell, MUT3Cell
from rnnlayers.cells.oscillators import CoRNNCell, LEMCell, UnICORNNCell
from rnnlayers.cells.parts import Fused, Product, SideInputs
from rnnlayers.cells.phased import PhasedLSTMCell
from rnnlayers.cells.simple_gated import DSGUCell, MiRU1Cell, MiRU2Cell, SGRNCell, SGUCell
from rnnlayers.cells.typed import TGRUCell, TLSTMCell, TRNNCell
from rnnlayers.cells.xlstm import MLSTMCell, SLSTMCell

RecurrentCell = GatedCell  # the name up to version 0.1

__all__ = [
    "ATRCell",
    "AdditiveAttention",
    "AntisymmetricCell",
    "AttentionCell",
    "BRCCell",
    "CFNCell",
    "Cell",
    "ChunkedCell",
    "ClockworkCell",
    "CoRNNCell",
    "CoupledLSTMCell",
    "DSGUCell",
    "EchoStateCell",
    "ElmanCell",
    "FastGRNNCell",
    "FastRNNCell",
    "Fused",
    "GRUCell",
    "GRUDCell",
    "GatedAntisymmetricCell",
    "GatedCell",
    "IRNNCell",
    "IndRNNCell",
    "IntersectionCell",
    "JANETCell",
    "JordanCell",
    "LEMCell",
    "LRUCell",
    "LSTMCell",
    "LayerNormGRUCell",
    "LayerNormLSTMCell",
    "LiGRUCell",
    "LightRecurrentCell",
    "LinearCell",
    "MLSTMCell",
    "MUT1Cell",
    "MUT2Cell",
    "MUT3Cell",
    "MassConservingLSTMCell",
    "MiRU1Cell",
    "MiRU2Cell",
    "MinGRUCell",
    "MinLSTMCell",
    "MinimalGatedCell",
    "MinimalRNNCell",
    "MogrifierLSTMCell",
    "MultiplicativeAttention",
    "MultiplicativeLSTMCell",
    "NASCell",
    "NBRCCell",
    "OriginalLSTMCell",
    "PeepholeLSTMCell",
    "PhasedLSTMCell",
    "Product",
    "ProjectedLSTMCell",
    "QRNNCell",
    "RANCell",
    "RGLRUCell",
    "RecurrentCell",
    "RecurrentHighwayCell",
    "ResidualLSTMCell",
    "SCRNCell",
    "SGRNCell",
    "SGUCell",
    "SLSTMCell",
    "SRUCell",
    "STARCell",
    "SideInputs",
    "TGRUCell",
    "TLSTMCell",
    "TRNNCell",
    "TauGRUCell",
    "UGRNNCell",
    "UnICORNNCell",
    "WorkingMemoryLSTMCell",
]
