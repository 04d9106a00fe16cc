"""Cells: one step of a recurrence."""

from rnnlayers.cells.attention import AdditiveAttention, MultiplicativeAttention
from rnnlayers.cells.attentive import AttentionCell
from rnnlayers.cells.base import Cell
from rnnlayers.cells.elman import ElmanCell
from rnnlayers.cells.elman_relatives import (
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
from rnnlayers.cells.gated import GatedCell
from rnnlayers.cells.gru import GRUCell
from rnnlayers.cells.gru_relatives import (
    ATRCell,
    CFNCell,
    FastGRNNCell,
    FastRNNCell,
    IntersectionCell,
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
from rnnlayers.cells.linear import (
    LinearCell,
    LRUCell,
    MinGRUCell,
    MinLSTMCell,
    QRNNCell,
    RGLRUCell,
    SRUCell,
)
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
from rnnlayers.cells.parts import Fused, Product, SideInputs

RecurrentCell = GatedCell  # the name up to version 0.1

__all__ = [
    "ATRCell",
    "AdditiveAttention",
    "AntisymmetricCell",
    "AttentionCell",
    "CFNCell",
    "Cell",
    "ClockworkCell",
    "CoRNNCell",
    "CoupledLSTMCell",
    "EchoStateCell",
    "ElmanCell",
    "FastGRNNCell",
    "FastRNNCell",
    "Fused",
    "GRUCell",
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
    "MUT1Cell",
    "MUT2Cell",
    "MUT3Cell",
    "MinGRUCell",
    "MinLSTMCell",
    "MinimalGatedCell",
    "MinimalRNNCell",
    "MogrifierLSTMCell",
    "MultiplicativeAttention",
    "MultiplicativeLSTMCell",
    "NASCell",
    "OriginalLSTMCell",
    "PeepholeLSTMCell",
    "Product",
    "ProjectedLSTMCell",
    "QRNNCell",
    "RANCell",
    "RGLRUCell",
    "RecurrentCell",
    "RecurrentHighwayCell",
    "SCRNCell",
    "SRUCell",
    "STARCell",
    "SideInputs",
    "UGRNNCell",
    "UnICORNNCell",
]
