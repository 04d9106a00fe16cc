"""Encoded sources: the memory of a decoder, its mask, and the first states."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf
from keras import ops

from rnnlayers.types import Tensor


class Encoded(NamedTuple):
    """Encoded sources.

    Attributes:
        values: The memory to attend to, `(batch, source, features)`.
        mask: Booleans `(batch, source)`, False where there is nothing, or None.
        states: The states before the first step, `(batch, units)` each, a list for each recurrent
            layer of the decoder.
    """

    values: Tensor
    mask: Tensor | None
    states: list[list[Tensor]]


class ReadMask(keras.Layer):
    """Returns the mask that Keras attaches to a tensor, or None.

    Keras passes the mask to a layer, but not to a model that calls layers.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor | None:
        """Return the mask of the inputs."""
        return mask

    def compute_mask(self, inputs: Tensor, mask: Tensor | None = None) -> None:
        """Return None: a mask has no mask."""
        return


def mean_over_time(values: Tensor, mask: Tensor | None) -> Tensor:
    """Return the mean of `(batch, source, features)` over the source, without masked places.

    Args:
        values: The sequences, zero at masked places.
        mask: Booleans `(batch, source)`, or None. The mean of no places is zero.
    """
    if mask is None:
        count = ops.cast(tf.maximum(ops.shape(values)[1], 1), values.dtype)
    else:
        count = ops.maximum(ops.sum(ops.cast(mask, values.dtype), 1, keepdims=True), 1.0)
    return ops.sum(values, 1) / count
