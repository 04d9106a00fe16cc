"""Recurrent layers for Keras 3 on TensorFlow. This module is the only public door."""

from rnnlayers.cells import ElmanCell, GRUCell, LSTMCell, RecurrentCell
from rnnlayers.layers import GRU, LSTM, Bidirectional, Elman, Recurrent

__version__ = "0.1.0"

__all__ = [
    "GRU",
    "LSTM",
    "Bidirectional",
    "Elman",
    "ElmanCell",
    "GRUCell",
    "LSTMCell",
    "Recurrent",
    "RecurrentCell",
]
