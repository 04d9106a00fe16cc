"""Cells: one step of a recurrence."""

from rnnlayers.cells.base import RecurrentCell
from rnnlayers.cells.elman import ElmanCell
from rnnlayers.cells.gru import GRUCell
from rnnlayers.cells.lstm import LSTMCell

__all__ = ["ElmanCell", "GRUCell", "LSTMCell", "RecurrentCell"]
