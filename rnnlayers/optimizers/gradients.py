"""Gradients as TensorFlow gives them: a dense tensor, or the `tf.IndexedSlices` of an embedding."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

Gradient = Any  # tf.Tensor | tf.IndexedSlices, which TensorFlow leaves untyped


def values_of(gradient: Gradient) -> tf.Tensor:
    """The entries of a gradient; of a sparse one, the rows that it holds."""
    return gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient


def map_values(function: Callable[[tf.Tensor], tf.Tensor], gradient: Gradient) -> Gradient:
    """Applies `function` to the entries of a gradient; a sparse one stays sparse."""
    if isinstance(gradient, tf.IndexedSlices):
        values = function(gradient.values)
        return tf.IndexedSlices(values, gradient.indices, gradient.dense_shape)
    return function(gradient)


def distinct_rows(gradient: Gradient) -> Gradient:
    """Sums the rows of a sparse gradient that have the same index."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    indices, positions = tf.unique(gradient.indices)
    values = tf.math.unsorted_segment_sum(gradient.values, positions, tf.size(indices))
    return tf.IndexedSlices(values, indices, gradient.dense_shape)


def all_finite(gradients: Sequence[Gradient]) -> tf.Tensor:
    """A boolean scalar: no entry of any gradient is NaN or infinite."""
    return tf.reduce_all([tf.reduce_all(tf.math.is_finite(values_of(g))) for g in gradients])


def zero_non_finite(gradient: Gradient) -> Gradient:
    """Replaces NaN and infinite entries by 0."""
    return map_values(lambda v: tf.where(tf.math.is_finite(v), v, tf.zeros_like(v)), gradient)


def norm_of(gradient: Gradient) -> tf.Tensor:
    """The L2 norm of all entries: a float64 scalar, in which no square of a float32 overflows.

    Of a sparse gradient it is right if every index occurs once.
    """
    return tf.sqrt(2.0 * tf.nn.l2_loss(tf.cast(values_of(gradient), tf.float64)))


def joint_norm(norms: Sequence[tf.Tensor]) -> tf.Tensor:
    """The L2 norm of several gradients taken as one vector, from the norm of each."""
    return tf.sqrt(tf.reduce_sum(tf.square(tf.stack(norms))))
