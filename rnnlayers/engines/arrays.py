"""Sequences as arrays of steps, which a loop reads and writes."""

import tensorflow as tf
from keras import ops

from rnnlayers.engines.target import Target, traced_for
from rnnlayers.types import Tensor


def unstack(sequence: Tensor) -> tf.TensorArray:
    """Return the steps of a sequence `(time, ...)`."""
    array = tf.TensorArray(sequence.dtype, ops.shape(sequence)[0], element_shape=sequence.shape[1:])
    return array.unstack(sequence)


def outputs_of(time: Tensor, like: Tensor) -> tf.TensorArray:
    """Return an array for so many steps of the shape of `like`: stack it, and cut it to `time`.

    It can be stacked even if there is no step: TensorFlow cannot stack an array that is empty, so
    that it has an element from the start. Other runtimes can, but none that was written to before
    the loop.
    """
    array = tf.TensorArray(like.dtype, tf.maximum(time, 1), element_shape=like.shape)
    return array if traced_for() is Target.ELSEWHERE else array.write(0, like)
