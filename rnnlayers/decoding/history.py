"""The choices and extras of all steps, and the hypotheses that they make in the end."""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from rnnlayers.decoding.samplers import Finish
from rnnlayers.types import Tensor


class History(NamedTuple):
    """A `tf.TensorArray` for each kind of value, or the values of one step.

    Nothing is reordered while the loop runs: the parents are kept, and followed back at the end.
    """

    tokens: Any  # (time, batch, columns)
    parents: Any  # (time, batch, columns), or ()
    extras: Any  # (time, rows, ...) each

    @classmethod
    def start(cls, reorders: bool, extras: Any) -> "History":
        """Return empty arrays, for extras of these specs."""

        def array(spec: Any) -> tf.TensorArray:
            # The array grows, so that it ends up with exactly the steps that were taken.
            shape = [None, *spec.shape[1:]]
            return tf.TensorArray(spec.dtype, 0, dynamic_size=True, element_shape=shape)

        ids = tf.TensorSpec([None, None], tf.int32)
        return cls(*tf.nest.map_structure(array, (ids, ids if reorders else (), extras)))

    def write(self, time: Tensor, now: "History") -> "History":
        """Return the arrays with the values of one step."""
        return tf.nest.map_structure(lambda array, value: array.write(time, value), self, now)

    def follow(self, finish: Finish, width: int) -> tuple[Tensor, Any, Tensor]:
        """Follow hypotheses back from the columns in which they end.

        Args:
            finish: Those columns, and the scores.
            width: Number of rows for each example.

        Returns:
            Tokens `(batch, n, time)`; the extras, each `(batch, n, time, ...)`; and booleans
            `(batch, n, time)`, False after the end, where tokens mean nothing and extras are zero.
        """
        tokens, parents, extras = tf.nest.map_structure(lambda array: array.stack(), self)
        steps = tf.range(tf.shape(tokens)[0])
        if finish.columns is None:
            before = tf.broadcast_to(tf.range(width), tf.shape(tokens))
        else:
            columns = trace_back(parents, finish.columns)
            tokens = tf.gather(tokens, columns, batch_dims=2)
            before = tf.gather(parents, columns, batch_dims=2)  # where the extras were collected
        there = (tokens >= 0) & (finish.scores != -np.inf)
        rows = tf.range(tf.shape(before)[1])[:, None] * width + before
        rows = tf.transpose(tf.where(there, rows, 0), (1, 2, 0))
        there = tf.transpose(there, (1, 2, 0))

        def collect(values: Tensor) -> Tensor:
            # One flat axis of rows, since `gather_nd` refuses values without elements.
            count, rest = tf.shape(values)[1], tf.shape(values)[2:]
            flat = tf.reshape(values, tf.concat([[tf.size(steps) * count], rest], 0))
            found = tf.gather(flat, steps * count + rows)
            ones = tf.ones_like(tf.shape(values)[2:])
            shown = tf.reshape(there, tf.concat([tf.shape(there), ones], 0))
            return tf.where(shown, found, tf.zeros([], found.dtype))

        extras = tf.nest.map_structure(collect, extras)
        return tf.transpose(tokens, (1, 2, 0)), extras, there


def trace_back(parents: Tensor, columns: Tensor) -> Tensor:
    """Return the columns of hypotheses at all steps, from those after the last step.

    Args:
        parents: `(time, batch, columns)`, the column that each column continues.
        columns: `(batch, n)`, after the last step.

    Returns:
        `(time, batch, n)`, the columns after each step.
    """
    steps = tf.shape(parents)[0]
    array = tf.TensorArray(tf.int32, steps, element_shape=columns.shape)

    def back(index: Tensor, columns: Tensor, array: tf.TensorArray) -> Any:
        # In the order of computation, the last step first: ONNX supports no other order.
        array = array.write(index, columns)
        return index + 1, tf.gather(parents[steps - 1 - index], columns, batch_dims=1), array

    shapes = (tf.TensorShape([]), columns.shape, tf.TensorShape(None))
    *_, array = tf.while_loop(
        lambda index, *_: index < steps, back, (0, columns, array), shape_invariants=shapes
    )
    return tf.reverse(array.stack(), [0])
