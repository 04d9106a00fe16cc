"""The loop of a decoder in which each step depends on the attention of the step before."""

from typing import Any

import tensorflow as tf
from keras import ops

from rnnlayers.cells.attention import Memory
from rnnlayers.cells.attentive import NO_DROPOUT, AttentionCell, DropoutMasks
from rnnlayers.engines.arrays import empty_array, unstack
from rnnlayers.engines.graph_cache import call_in_graph
from rnnlayers.types import States, Tensor


def run_attentive(
    cell: AttentionCell,
    projected: Tensor,
    initial_states: States,
    memory: Memory,
    *,
    mask: Tensor | None = None,
    dropout_masks: DropoutMasks = NO_DROPOUT,
) -> tuple[Tensor, Tensor, States]:
    """Run an `AttentionCell` over time.

    Args:
        cell: A built cell.
        projected: `(time, batch, ...)`, from `cell.project`.
        initial_states: One tensor `(batch, units)` for each of `cell.state_names`.
        memory: From `cell.prepare`.
        mask: Booleans `(time, batch, 1)`, or None. A masked step, False, keeps the states.
        dropout_masks: From `cell.draw_dropout_masks`.

    Returns:
        The outputs `(time, batch, units)` and the weights `(time, batch, source)`, including those
        of masked steps, and the final states.
    """
    tensors = projected, initial_states, memory, mask, dropout_masks
    if tf.executing_eagerly():
        return call_in_graph(cell, "loop", _loop, *tensors)
    return _loop(cell, *tensors)


def _loop(
    cell: AttentionCell,
    projected: Tensor,
    initial_states: States,
    memory: Memory,
    mask: Tensor | None,
    dropout_masks: DropoutMasks,
) -> tuple[Tensor, Tensor, States]:
    time = ops.shape(projected)[0]
    inputs = unstack(projected)
    masks = None if mask is None else unstack(mask)
    batch, source = ops.shape(memory.values)[:2]
    firsts = [ops.zeros((batch, size), projected.dtype) for size in (cell.units, source)]
    arrays = tuple(empty_array(time, first) for first in firsts)

    def step(index: Tensor, states: States, arrays: Any) -> tuple[Tensor, States, Any]:
        y, new, weights = cell.step(inputs.read(index), states, memory, dropout_masks)
        if masks is not None:
            valid = masks.read(index)
            new = tuple(ops.where(valid, n, s) for n, s in zip(new, states, strict=True))
        arrays = tuple(a.write(index, x) for a, x in zip(arrays, (y, weights), strict=True))
        return index + 1, new, arrays

    _, states, arrays = tf.while_loop(
        lambda index, *_: index < time,
        step,
        (0, tuple(initial_states), arrays),
        maximum_iterations=time,  # XLA differentiates only loops with a bound
    )
    outputs, weights = (array.stack()[:time] for array in arrays)
    return outputs, weights, states
