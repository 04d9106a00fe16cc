"""Cells: one step of a recurrence."""

from rnnlayers.cells.attention import AdditiveAttention, MultiplicativeAttention
from rnnlayers.cells.attentive import AttentionCell
from rnnlayers.cells.base import Cell
from rnnlayers.cells.elman import ElmanCell
from rnnlayers.cells.gated import GatedCell
from rnnlayers.cells.gru import GRUCell
from rnnlayers.cells.lstm import LSTMCell
from rnnlayers.cells.parts import Fused, Product, SideInputs

RecurrentCell = GatedCell  # the name up to version 0.1

__all__ = [
    "AdditiveAttention",
    "AttentionCell",
    "Cell",
    "ElmanCell",
    "Fused",
    "GRUCell",
    "GatedCell",
    "LSTMCell",
    "MultiplicativeAttention",
    "Product",
    "RecurrentCell",
    "SideInputs",
]
