"""Cells: one step of a recurrence."""

from rnnlayers.cells.attention import AdditiveAttention, MultiplicativeAttention
from rnnlayers.cells.attentive import AttentionCell
from rnnlayers.cells.base import RecurrentCell
from rnnlayers.cells.elman import ElmanCell
from rnnlayers.cells.gru import GRUCell
from rnnlayers.cells.lstm import LSTMCell

__all__ = [
    "AdditiveAttention",
    "AttentionCell",
    "ElmanCell",
    "GRUCell",
    "LSTMCell",
    "MultiplicativeAttention",
    "RecurrentCell",
]
