"""The cross-entropy of a text under a network."""

import math
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

LOWER_IS_BETTER = ("bits_per_character", "nats_per_character")


def cross_entropy(
    network: keras.Model, states: Sequence[tf.Tensor], ids: np.ndarray, chunk: int = 1000
) -> float:
    """Return the mean cross-entropy of each id given all ids before it, in nats.

    Args:
        network: Takes ids `(1, time)` and states, and returns logits `(1, time, size)` and states.
        states: The states before the first id.
        ids: The text, `(time,)`.
        chunk: The number of ids to score at a time.
    """
    nats = 0.0
    for start in range(0, len(ids) - 1, chunk):
        segment = tf.constant(ids[None, start : start + chunk + 1])
        logits, *states = network([segment[:, :-1], *states])
        labels = segment[:, 1:]
        losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        nats += float(tf.reduce_sum(losses))
    return nats / (len(ids) - 1)


def in_bits(nats: float) -> dict[str, float]:
    """Return a cross-entropy in the units that papers use."""
    return {"bits_per_character": nats / math.log(2), "nats_per_character": nats}
