"""The reference engine: one step of the cell after another, differentiated automatically.

It runs every cell on every device, compiled or not, and every faster engine is tested against it.
The cell computes with `keras.ops`; the loop is a `tf.while_loop`, because `keras.ops.scan` cannot
be differentiated under XLA.
"""

import tensorflow as tf
from keras import ops

from rnnlayers.cells.base import RecurrentCell
from rnnlayers.engines.arrays import empty_array, unstack
from rnnlayers.types import States, Tensor


def run_stepwise(
    cell: RecurrentCell,
    inputs: Tensor,
    initial_states: States,
    *,
    mask: Tensor | None = None,
    recurrent_dropout_mask: Tensor | None = None,
    reverse: bool = False,
    return_sequences: bool = True,
    training: bool = False,
    truncate: int | None = None,
    remat: int | None = None,
) -> tuple[Tensor | None, States]:
    """Run a cell over time. Every engine has this signature.

    Args:
        cell: A built cell.
        inputs: `(time, batch, features)`.
        initial_states: One tensor `(batch, units)` for each of `cell.state_names`.
        mask: Booleans `(time, batch, 1)`, or None. A masked step, False, keeps the states.
        recurrent_dropout_mask: `(batch, units)`, from `cell.draw_recurrent_dropout_mask`, or None.
        reverse: Whether to begin with the last step. Outputs stay at their steps.
        return_sequences: Whether to return the output of each step.
        training: Whether gradients will be computed; a hint for engines that save states.
        truncate: Stop the gradient every `truncate` steps, in the order of computation, or None.
        remat: Save the states every `remat` steps only, and compute the others again. This too is
            a hint, and this engine ignores it.

    Returns:
        The outputs `(time, batch, units)`, or None without `return_sequences`, and the final
        states. The number of steps may be zero.
    """
    time = ops.shape(inputs)[0]
    projected = unstack(cell.project(inputs))
    masks = None if mask is None else unstack(mask)
    arrays = (empty_array(time, initial_states[0]),) if return_sequences else ()

    def step(
        index: Tensor, states: States, arrays: tuple[tf.TensorArray, ...]
    ) -> tuple[Tensor, States, tuple[tf.TensorArray, ...]]:
        now = time - 1 - index if reverse else index
        if truncate is not None:
            cut = ops.logical_and(index % truncate == 0, index > 0)
            states = tuple(ops.where(cut, ops.stop_gradient(s), s) for s in states)
        new = cell.step(projected.read(now), states, recurrent_dropout_mask)
        if masks is not None:
            valid = masks.read(now)
            new = tuple(ops.where(valid, n, s) for n, s in zip(new, states, strict=True))
        # In the order of computation: other runtimes support no other order.
        return index + 1, new, tuple(array.write(index, new[0]) for array in arrays)

    _, states, arrays = tf.while_loop(
        lambda index, *_: index < time,
        step,
        (0, tuple(initial_states), arrays),
        maximum_iterations=time,  # XLA differentiates only loops with a bound
    )
    if not return_sequences:
        return None, states
    outputs = arrays[0].stack()[:time]
    return (ops.flip(outputs, 0) if reverse else outputs), states
