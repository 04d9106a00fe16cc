"""Gradients of TensorFlow: a dense tensor, or the `tf.IndexedSlices` of an embedding."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

Gradient = Any  # tf.Tensor | tf.IndexedSlices, which TensorFlow leaves untyped


def values_of(gradient: Gradient) -> tf.Tensor:
    """Return the entries of a gradient, or the rows of a sparse gradient."""
    return gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient


def map_values(function: Callable[[tf.Tensor], tf.Tensor], gradient: Gradient) -> Gradient:
    """Apply `function` to the entries of a gradient; a sparse gradient stays sparse."""
    if isinstance(gradient, tf.IndexedSlices):
        values = function(gradient.values)
        return tf.IndexedSlices(values, gradient.indices, gradient.dense_shape)
    return function(gradient)


def distinct_rows(gradient: Gradient) -> Gradient:
    """Sum the rows of a sparse gradient that have the same index."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    indices, positions = tf.unique(gradient.indices)
    values = tf.math.unsorted_segment_sum(gradient.values, positions, tf.size(indices))
    return tf.IndexedSlices(values, indices, gradient.dense_shape)


def all_finite(gradients: Sequence[Gradient]) -> tf.Tensor:
    """Return a boolean scalar: whether no entry of any gradient is NaN or infinite."""
    return tf.reduce_all([tf.reduce_all(tf.math.is_finite(values_of(g))) for g in gradients])


def zero_non_finite(gradient: Gradient) -> Gradient:
    """Replace NaN and infinite entries by 0."""
    return map_values(lambda v: tf.where(tf.math.is_finite(v), v, tf.zeros_like(v)), gradient)


def norm_of(gradient: Gradient) -> tf.Tensor:
    """Return the L2 norm of all entries, a float64 scalar, so that no square overflows.

    The indices of a sparse gradient must be distinct.
    """
    return tf.sqrt(2.0 * tf.nn.l2_loss(tf.cast(values_of(gradient), tf.float64)))


def joint_norm(norms: Sequence[tf.Tensor]) -> tf.Tensor:
    """Return the L2 norm of several gradients taken as one vector, from the norm of each."""
    return tf.sqrt(tf.reduce_sum(tf.square(tf.stack(norms))))
