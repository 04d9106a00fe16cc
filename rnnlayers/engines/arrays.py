"""Sequences as arrays of steps that a loop reads and writes."""

import tensorflow as tf
from keras import ops

from rnnlayers.engines.target import Target, traced_for
from rnnlayers.types import Tensor


def unstack(sequence: Tensor) -> tf.TensorArray:
    """Return the steps of a sequence `(time, ...)`."""
    array = tf.TensorArray(sequence.dtype, ops.shape(sequence)[0], element_shape=sequence.shape[1:])
    return array.unstack(sequence)


def empty_array(time: Tensor, like: Tensor) -> tf.TensorArray:
    """Return an array for `time` steps of the shape of `like`: stack it, and cut it to `time`.

    TensorFlow cannot stack an empty array, so the array has one element from the start. Other
    runtimes can stack an empty array, but none that was written to before the loop.
    """
    array = tf.TensorArray(like.dtype, tf.maximum(time, 1), element_shape=like.shape)
    return array if traced_for() is Target.ELSEWHERE else array.write(0, like)
