"""Slopes of activations as functions of their outputs, for derivatives written by hand."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from rnnlayers.types import Tensor

_SLOPES: dict[Any, Callable[[Tensor], Tensor]] = {
    keras.activations.tanh: lambda y: 1 - y * y,
    keras.activations.sigmoid: lambda y: y * (1 - y),
    keras.activations.relu: lambda y: ops.cast(y > 0, y.dtype),
    keras.activations.linear: ops.ones_like,
}


def has_slope(*activations: Any) -> bool:
    """Return whether `slope` knows all of these activations."""
    return all(activation in _SLOPES for activation in activations)


def slope(activation: Any, outputs: Tensor) -> Tensor:
    """Return the slopes of an activation at the points where it has these outputs."""
    return _SLOPES[activation](outputs)
