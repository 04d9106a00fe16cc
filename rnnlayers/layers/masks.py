"""Masks of sequences: which steps count, and the outputs of those that do not."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from keras import ops

from rnnlayers.engines.arrays import repeat_at_masked_steps as repeat_at_masked_steps
from rnnlayers.types import Tensor


def first_mask(mask: Any) -> Any:
    """Return the mask of the sequences if Keras passes a list, one entry for each input."""
    return mask[0] if isinstance(mask, list | tuple) else mask


def time_major_mask(mask: Any, sequences: Tensor) -> Tensor | None:
    """Return booleans `(time, batch, 1)` from a mask `(batch, time)` or `(batch, time, 1)`."""
    mask = first_mask(mask)
    if mask is None:
        return None
    mask = ops.cast(mask, "bool")
    received = tuple(mask.shape)
    if len(mask.shape) == 2:
        mask = ops.expand_dims(mask, -1)
    expected = (*sequences.shape[:2], 1)
    rows, *steps = mask.shape
    if not (compatible(mask.shape, expected) or (rows == 1 and compatible(steps, expected[1:]))):
        raise ValueError(
            "`mask` must be booleans (batch, timesteps), False at steps to skip, here "
            f"{expected[:2]}; received shape {received}."
        )
    return ops.transpose(mask, (1, 0, 2))


def zero_before_first_step(
    outputs: Tensor, mask: Tensor, *, reverse: bool, over_time: bool, batch_major: bool = False
) -> Tensor:
    """Return zeros for the outputs before a row's first step, whatever its initial state.

    Args:
        outputs: `(time, batch, units)`, or the last output `(batch, units)`.
        mask: Booleans `(time, batch, 1)`.
        reverse: Whether the last step is computed first.
        over_time: Whether the outputs are those of all steps.
        batch_major: Whether these are `(batch, time, units)`.
    """
    mask = ops.flip(mask, 0) if reverse else mask
    has_output = ops.cumsum(ops.cast(mask, "int32"), 0) > 0
    has_output = ops.flip(has_output, 0) if reverse else has_output
    how = {"reverse": reverse, "over_time": over_time, "batch_major": batch_major}
    return zero_where_false(outputs, has_output, **how)


def last_output(outputs: Tensor, *, reverse: bool) -> Tensor:
    """Return the output of the step that was computed last, zeros if there is none."""
    padded = tf.pad(outputs, [[0, 1], [0, 0], [0, 0]] if reverse else [[1, 0], [0, 0], [0, 0]])
    return padded[0] if reverse else padded[-1]


def zero_where_false(
    outputs: Tensor, mask: Tensor, *, reverse: bool, over_time: bool, batch_major: bool = False
) -> Tensor:
    """Return zeros for the outputs of masked steps; see `zero_before_first_step`."""
    if not over_time:
        last = mask[:1] if reverse else mask[-1:]
        mask = ops.any(last, axis=0)  # False if there is no step at all
    elif batch_major:
        mask = ops.transpose(mask, (1, 0, 2))
    return ops.where(mask, outputs, ops.zeros_like(outputs))


def compatible(shape: Sequence[int | None], expected: Sequence[int | None]) -> bool:
    """Return whether two shapes may be equal; None is any size."""
    return len(shape) == len(expected) and all(
        a == b or a is None or b is None for a, b in zip(shape, expected, strict=True)
    )
