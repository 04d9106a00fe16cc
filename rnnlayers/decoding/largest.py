"""The k largest of many, in less time than `tf.math.top_k` takes."""

from typing import Any

import numpy as np
import tensorflow as tf

_BLOCK = 32


def largest(values: Any, k: int) -> tuple[Any, Any]:
    """Return the k largest of `(rows, n)`, largest first, and their indices, both `(rows, k)`.

    The k largest lie in the k blocks with the largest maxima. One pass at the speed of memory finds
    those blocks, so that `tf.math.top_k`, which is slow on many numbers, gets few.
    """
    n = values.shape[-1]
    if n < 4 * k * _BLOCK:  # too few for a gain
        return tf.math.top_k(values, k)
    if n % _BLOCK:
        values = tf.pad(values, [[0, 0], [0, -n % _BLOCK]], constant_values=-np.inf)
    blocks = tf.reshape(values, (-1, values.shape[-1] // _BLOCK, _BLOCK))
    best = tf.math.top_k(tf.reduce_max(blocks, -1), k).indices
    few = tf.reshape(tf.gather(blocks, best, batch_dims=1), (-1, k * _BLOCK))
    found, at = tf.math.top_k(few, k)
    indices = tf.gather(best, at // _BLOCK, batch_dims=1) * _BLOCK + at % _BLOCK
    return found, tf.minimum(indices, n - 1)  # among many -inf, it may be padding
