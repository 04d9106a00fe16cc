"""The reference engine: one step of the cell after another, differentiated automatically.

It runs every cell on every device, compiled or not, and every faster engine is tested against it.
The cell computes with `keras.ops`; the loop is a `tf.while_loop`, because `keras.ops.scan` cannot
be differentiated under XLA.
"""

import tensorflow as tf
from keras import ops

from rnnlayers.cells.base import Cell
from rnnlayers.cells.parts import SideInputs, by, for_step, tensors_of
from rnnlayers.engines.arrays import empty_array, unstack
from rnnlayers.types import States, Tensor


def run_stepwise(
    cell: Cell,
    inputs: Tensor,
    initial_states: States,
    *,
    side: SideInputs | None = None,
    mask: Tensor | None = None,
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
        initial_states: One tensor `(batch, size)` for each of `cell.state_names`.
        side: What `cell.prepare` gets besides the inputs: from `cell.draw` in training, or None.
        mask: Booleans `(time, batch, 1)`, or None. A masked step, False, keeps the states.
        reverse: Whether to begin with the last step. Outputs stay at their steps.
        return_sequences: Whether to return the output of each step. A cell that reads its outputs
            from all steps at once returns them anyway.
        training: Whether gradients will be computed; a hint for engines that save states.
        truncate: Stop the gradient every `truncate` steps, in the order of computation, or None.
        remat: Save the states every `remat` steps only, and compute the others again. This too is
            a hint, and this engine ignores it.

    Returns:
        The outputs `(time, batch, output_size)`, or None, and the final states. The number of
        steps may be zero. At a masked step the first state of the step before is the output, unless
        the cell reads it otherwise.
    """
    time = ops.shape(inputs)[0]
    x, constants = cell.prepare(inputs, side)
    product = by(cell.products(side))
    arrays_of_x = [unstack(tensor) for tensor in tensors_of(x)]
    masks = None if mask is None else unstack(mask)
    kept = len(initial_states) if cell.reads else int(return_sequences)
    arrays = tuple(empty_array(time, state) for state in initial_states[:kept])

    def step(
        index: Tensor, states: States, arrays: tuple[tf.TensorArray, ...]
    ) -> tuple[Tensor, States, tuple[tf.TensorArray, ...]]:
        now = time - 1 - index if reverse else index
        if truncate is not None:
            cut = ops.logical_and(index % truncate == 0, index > 0)
            states = tuple(ops.where(cut, ops.stop_gradient(s), s) for s in states)
        left = iter(arrays_of_x)
        new = cell.step(for_step(x, lambda _: next(left).read(now)), states, product, constants)
        if masks is not None:
            valid = masks.read(now)
            new = tuple(ops.where(valid, n, s) for n, s in zip(new, states, strict=True))
        # In the order of computation: other runtimes support no other order.
        arrays = tuple(array.write(index, s) for array, s in zip(arrays, new, strict=False))
        return index + 1, tuple(new), arrays

    _, states, arrays = tf.while_loop(
        lambda index, *_: index < time,
        step,
        (0, tuple(initial_states), arrays),
        maximum_iterations=time,  # XLA differentiates only loops with a bound
    )
    if not kept:
        return None, states
    sequences = tuple(array.stack()[:time] for array in arrays)
    if not cell.reads:
        (outputs,) = sequences
        return (ops.flip(outputs, 0) if reverse else outputs), states
    before = tuple(
        ops.concatenate([ops.expand_dims(first, 0), after[:-1]])[:time]
        for first, after in zip(initial_states, sequences, strict=True)
    )
    if reverse:
        sequences, before = (tuple(ops.flip(s, 0) for s in all_) for all_ in (sequences, before))
    return cell.read(for_step(x), sequences, before, constants), states
