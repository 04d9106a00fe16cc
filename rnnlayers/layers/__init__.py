"""Layers: a cell over time."""

from rnnlayers.layers.attentive import AttentiveDecoder
from rnnlayers.layers.bidirectional import Bidirectional
from rnnlayers.layers.named import GRU, LSTM, Elman
from rnnlayers.layers.recurrent import Recurrent
from rnnlayers.layers.stack import Stack

__all__ = ["GRU", "LSTM", "AttentiveDecoder", "Bidirectional", "Elman", "Recurrent", "Stack"]
