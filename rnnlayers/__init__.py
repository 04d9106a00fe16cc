"""Recurrent layers for Keras 3 on TensorFlow. This module is the only public door."""

import rnnlayers.requirements  # noqa: F401  # before anything of TensorFlow is touched

# isort: split
from rnnlayers.cells import (
    AdditiveAttention,
    AttentionCell,
    Cell,
    ElmanCell,
    Fused,
    GatedCell,
    GRUCell,
    LSTMCell,
    MultiplicativeAttention,
    Product,
    RecurrentCell,
    SideInputs,
)
from rnnlayers.engines.choose import explain_engine
from rnnlayers.export import (
    UnsupportedOperatorError,
    export_litert,
    export_model,
    export_onnx,
)
from rnnlayers.layers import GRU, LSTM, AttentiveDecoder, Bidirectional, Elman, Recurrent
from rnnlayers.layers.accelerate import accelerate
from rnnlayers.models import EncoderDecoder, SelfCritical, StepEndpoints
from rnnlayers.optimizers import ClippedOptimizer

__version__ = "0.1.0"

__all__ = [
    "GRU",
    "LSTM",
    "AdditiveAttention",
    "AttentionCell",
    "AttentiveDecoder",
    "Bidirectional",
    "Cell",
    "ClippedOptimizer",
    "Elman",
    "ElmanCell",
    "EncoderDecoder",
    "Fused",
    "GRUCell",
    "GatedCell",
    "LSTMCell",
    "MultiplicativeAttention",
    "Product",
    "Recurrent",
    "RecurrentCell",
    "SelfCritical",
    "SideInputs",
    "StepEndpoints",
    "UnsupportedOperatorError",
    "accelerate",
    "explain_engine",
    "export_litert",
    "export_model",
    "export_onnx",
]
