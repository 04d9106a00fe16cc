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


def repeat_at_masked_steps(outputs: Tensor, mask: Tensor, *, reverse: bool) -> Tensor:
    """Return outputs `(time, batch, size)`, at masked steps those of the step computed before.

    Before the first step of a row they are those of any step.
    """
    if reverse:
        outputs, mask = ops.flip(outputs, 0), ops.flip(mask, 0)
    valid = ops.broadcast_to(mask, (*ops.shape(outputs)[:2], 1))
    # The number of a step among those that count, and the places of these.
    number = ops.maximum(ops.cumsum(ops.cast(valid, "int32"), 0) - 1, 0)
    places = ops.cast(
        tf.argsort(ops.cast(ops.logical_not(valid), "int32"), 0, stable=True), "int32"
    )
    steps = ops.take_along_axis(places, number, 0)
    outputs = ops.take_along_axis(outputs, steps, 0)
    return ops.flip(outputs, 0) if reverse else outputs
