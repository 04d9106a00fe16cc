"""Weights and models from and to Keras and PyTorch."""

from rnnlayers.convert.accelerate import accelerate, with_keras_layers
from rnnlayers.convert.keras_twins import from_keras, to_keras
from rnnlayers.convert.torch_weights import from_torch_state_dict, to_torch_state_dict

__all__ = [
    "accelerate",
    "from_keras",
    "from_torch_state_dict",
    "to_keras",
    "to_torch_state_dict",
    "with_keras_layers",
]
