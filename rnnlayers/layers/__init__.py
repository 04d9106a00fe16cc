"""Layers: a cell over time."""

from rnnlayers.layers.bidirectional import Bidirectional
from rnnlayers.layers.named import GRU, LSTM, Elman
from rnnlayers.layers.recurrent import Recurrent

__all__ = ["GRU", "LSTM", "Bidirectional", "Elman", "Recurrent"]
