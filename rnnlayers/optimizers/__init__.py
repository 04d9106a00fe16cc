"""Optimizers: gradient clipping around any Keras optimizer."""

from rnnlayers.optimizers.clipping import ClippedOptimizer
from rnnlayers.optimizers.clips import ClipAdaptively, ClipByGlobalNorm, ClipByNorm, ClipByValue
from rnnlayers.optimizers.logger import ClippingLogger

__all__ = [
    "ClipAdaptively",
    "ClipByGlobalNorm",
    "ClipByNorm",
    "ClipByValue",
    "ClippedOptimizer",
    "ClippingLogger",
]
