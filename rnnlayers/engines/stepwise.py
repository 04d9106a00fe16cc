"""The reference engine: one step of the cell after the other, differentiated automatically.

It runs every cell on every device, compiled or not, and every faster engine is tested against it.
The arithmetic is the cell's, in `keras.ops`; the loop is `tf.while_loop`, because
`keras.ops.scan` cannot be differentiated under XLA.
"""

import tensorflow as tf
from keras import ops

from rnnlayers.cells.base import RecurrentCell
from rnnlayers.engines.arrays import outputs_of, unstack
from rnnlayers.types import States, Tensor


def run(
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
    """Run a cell over time. This signature is what every engine offers.

    Args:
        cell: A built cell.
        inputs: `(time, batch, features)`.
        initial_states: One tensor `(batch, units)` for each of `cell.state_names`.
        mask: Booleans `(time, batch, 1)`, or None. Where False, the states stay as they are.
        recurrent_dropout_mask: `(batch, units)`, from `cell.draw_recurrent_dropout_mask`, or None.
        reverse: Whether to begin with the last step. Outputs stay at their steps.
        return_sequences: Whether to keep the output of each step.
        training: Whether gradients will be asked for; a hint, for engines that keep states.
        truncate: Stop the gradient at every so many steps, in the order of computation, or None.
        remat: Keep the states of every so many steps only and compute the others anew; a hint
            likewise, which this engine does not take.

    Returns:
        The outputs `(time, batch, units)`, or None without `return_sequences`, and the final
        states. Any number of steps will do, none too.
    """
    time = ops.shape(inputs)[0]
    projected = unstack(cell.project(inputs))
    masks = None if mask is None else unstack(mask)
    arrays = (outputs_of(time, initial_states[0]),) if return_sequences else ()

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
        # In the order of computation: other runtimes know no other.
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
