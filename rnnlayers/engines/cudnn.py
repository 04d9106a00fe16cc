"""The cuDNN engine: NVIDIA's own kernels for the standard networks, on GPUs.

cuDNN reads sequences that are padded on the right and not empty. Any other mask is brought into
that form: the valid steps of each row move to its front, in the order of computation, and the
outputs move back. So every mask is right, in both directions.

It was written from the documentation of cuDNN and of TensorFlow's operators, and is tested against
a stand-in of these on a CPU. It has never run on a GPU, so `engine="auto"` does not choose it.
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from rnnlayers.cells.base import Cell
from rnnlayers.cells.parts import SideInputs
from rnnlayers.cells.standard import standard_form
from rnnlayers.engines.compiled import run_compiled
from rnnlayers.engines.cudnn_call import call_cudnn
from rnnlayers.engines.target import Target, is_compiled_as_a_whole, is_saved, traced_for
from rnnlayers.types import States, Tensor

DTYPES = ("float16", "bfloat16", "float32", "float64")


def gpu_is_there() -> bool:
    """Return whether TensorFlow sees a GPU."""
    return bool(tf.config.list_logical_devices("GPU"))


def cudnn_refuses(cell: Cell, call: Any) -> str | None:
    """Return the reason why the engine does not run a call of a cell here, in words, or None."""
    if standard_form(cell) is None:
        return f"cuDNN has no {type(cell).__name__} with these arguments"
    if not gpu_is_there():
        return "there is no GPU"
    if cell.compute_dtype not in DTYPES:
        return f"cuDNN does not compute in {cell.compute_dtype}"
    if call.training and getattr(cell, "recurrent_dropout", 0):
        return "cuDNN has no dropout of the recurrent state"
    if call.time == 0:
        return "there is no step to run"
    if traced_for() is not Target.HERE or is_saved():
        return "an exported model contains standard operators alone"
    if is_compiled_as_a_whole():
        return "XLA compiles the function around the layer, and cannot compile cuDNN's operator"
    if not call.asked:
        return "it has never run on a GPU; try it with engine='cudnn'"
    return None


def run_cudnn(
    cell: Cell,
    inputs: Tensor,
    initial_states: States | None,
    *,
    side: SideInputs | None = None,
    mask: Tensor | None = None,
    reverse: bool = False,
    return_sequences: bool = True,
    training: bool = False,
    truncate: int | None = None,
    remat: int | None = None,
    batch_major: bool = False,
) -> tuple[Tensor | None, States]:
    """Run a cell over time; see `run_stepwise`.

    With `batch_major`, inputs and outputs are `(batch, time, ...)`; the mask is time-major still.
    Initial states that are None are zeros. Where the gradient is truncated, the compiled engine
    runs. `remat` has no effect.
    """
    if not batch_major:
        inputs = _swap(inputs)
    if side is not None and side.sequence[0] is not None:
        inputs = inputs * _swap(side.sequence[0])
    if initial_states is None:
        initial_states = _zeros(cell, tf.shape(inputs)[0])
    if truncate is not None:
        outputs, states = run_compiled(
            cell,
            _swap(inputs),
            initial_states,
            mask=mask,
            reverse=reverse,
            return_sequences=return_sequences,
            training=training,
            truncate=truncate,
            remat=remat,
        )
        return (_swap(outputs) if batch_major and outputs is not None else outputs), states
    outputs, (states,) = _run_masked((cell,), inputs, (initial_states,), mask, reverse, training)
    if not return_sequences:
        return None, states
    return (outputs if batch_major else _swap(outputs)), states


def cudnn_refuses_both(forward: Cell, backward: Cell, call: Any) -> str | None:
    """Return the reason why two cells do not run in one call, in words, or None."""
    forms = [
        (standard_form(cell), cell.compute_dtype, getattr(cell, "units", None), cell.use_bias)
        for cell in (forward, backward)
    ]
    if forms[0] != forms[1]:
        return "cuDNN wants two directions of one kind and size"
    if call.training and any(getattr(cell, "dropout", 0) for cell in (forward, backward)):
        return "dropout gives each direction inputs of its own"
    return None


def run_both_cudnn(
    cells: tuple[Cell, Cell],
    inputs: Tensor,
    initial_states: tuple[States | None, States | None],
    *,
    mask: Tensor | None = None,
    return_sequences: bool = True,
    training: bool = False,
    truncate: int | None = None,
) -> list[tuple[Tensor | None, States]]:
    """Run one cell forwards and one backwards over the same sequences, in one call of cuDNN.

    Args:
        cells: Two cells that `cudnn_refuses_both` does not refuse.
        inputs: `(batch, time, features)`.
        initial_states: Those of each cell; None for zeros.
        mask: Booleans `(time, batch, 1)`.
        return_sequences: Whether outputs are wanted.
        training: Whether gradients will be computed.
        truncate: Where the gradient is truncated, each direction runs by itself.

    Returns:
        Of each direction the outputs `(batch, time, units)`, each at its step, or None, and the
        final states.
    """
    if truncate is not None:
        return [
            run_cudnn(
                cell,
                inputs,
                start,
                mask=mask,
                reverse=reverse,
                return_sequences=return_sequences,
                training=training,
                truncate=truncate,
                batch_major=True,
            )
            for cell, start, reverse in zip(cells, initial_states, (False, True), strict=True)
        ]
    starts = tuple(
        _zeros(cell, tf.shape(inputs)[0]) if start is None else start
        for cell, start in zip(cells, initial_states, strict=True)
    )
    outputs, states = _run_masked(cells, inputs, starts, mask, False, training)
    parts = tf.split(outputs, 2, axis=-1) if return_sequences else (None, None)
    return list(zip(parts, states, strict=True))


def _zeros(cell: Cell, batch: Tensor) -> States:
    return tuple(tf.cast(state, cell.compute_dtype) for state in cell.get_initial_state(batch))


def _run_masked(
    cells: Sequence[Cell],
    inputs: Tensor,
    starts: Sequence[States],
    mask: Tensor | None,
    reverse: bool,
    training: bool,
) -> tuple[Tensor, list[States]]:
    """Run one direction, forwards or in `reverse`, or one forwards and one backwards.

    Returns:
        The outputs `(batch, time, units)`, of both directions side by side, and the final states
        of each.
    """
    if reverse:
        inputs = tf.reverse(inputs, [1])
    batch, time = tf.unstack(tf.shape(inputs)[:2])
    if mask is None:
        outputs, states = call_cudnn(cells, inputs, starts, tf.fill([batch], time), training)
    else:
        valid = tf.broadcast_to(_swap(mask)[..., 0], (batch, time))
        valid = tf.reverse(valid, [1]) if reverse else valid
        counts = tf.cast(valid, tf.int32)
        lengths = tf.reduce_sum(counts, 1)
        order = tf.argsort(1 - counts, 1, stable=True)
        packed = tf.gather(inputs, order, batch_dims=1)
        # cuDNN computes a step of an empty row, too; 0 * NaN would be NaN in the gradients.
        packed = tf.where(tf.sequence_mask(lengths, time)[..., None], packed, tf.zeros_like(packed))
        outputs, states = call_cudnn(cells, packed, starts, lengths, training)
        states = [
            tuple(
                tf.where(lengths[:, None] == 0, before, after)
                for before, after in zip(start, final, strict=True)
            )
            for start, final in zip(starts, states, strict=True)
        ]
        # Where the output of a step stands, or at a masked step that of the step computed before.
        after = tf.cumsum(counts, 1) - 1
        places = (after, after + 1 - counts)[: len(cells)]
        outputs = tf.concat(
            [
                _unpacked(part, place, (place >= 0) & (place < lengths[:, None]), start[0])
                for part, place, start in zip(
                    tf.split(outputs, len(cells), axis=-1), places, starts, strict=True
                )
            ],
            axis=-1,
        )
    return (tf.reverse(outputs, [1]) if reverse else outputs), states


def _unpacked(outputs: Tensor, place: Tensor, there: Tensor, first: Tensor) -> Tensor:
    """Return the outputs at places `(batch, time)`, the first state where there is none."""
    moved = tf.gather(outputs, tf.where(there, place, 0), batch_dims=1)
    return tf.where(there[..., None], moved, first[:, None])


def _swap(tensor: Tensor) -> Tensor:
    """Return `(time, batch, ...)` as `(batch, time, ...)`, or the other way round."""
    return tf.transpose(tensor, (1, 0, 2))
