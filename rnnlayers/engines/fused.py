"""The fast engine: backpropagation through time by hand, compiled with XLA.

`program.py` holds the two passes; here they are made one differentiable function.
"""

from functools import partial

import tensorflow as tf

from rnnlayers.cells.base import RecurrentCell, States, Tensor
from rnnlayers.engines import segments
from rnnlayers.engines.derivatives import Tensors
from rnnlayers.engines.gradients import with_gradient
from rnnlayers.engines.program import Masks, Program, Weights


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
    """Run a cell over time; see `stepwise.run`. It compiles once for each (batch, time)."""
    through_time = partial(
        _through_time,
        cell,
        recurrent_dropout_mask=recurrent_dropout_mask,
        return_sequences=return_sequences,
    )
    steps = inputs.shape[0]
    span = remat or truncate or _span(steps)
    if span is None or (steps is not None and steps <= span):
        return through_time(inputs, initial_states, mask, reverse=reverse, training=training)
    return segments.run(
        through_time,
        cell,
        inputs,
        initial_states,
        mask,
        reverse=reverse,
        return_sequences=return_sequences,
        span=span,
        truncate=truncate,
    )


def _through_time(
    cell: RecurrentCell,
    inputs: Tensor,
    initial_states: States,
    mask: Tensor | None,
    *,
    recurrent_dropout_mask: Tensor | None,
    reverse: bool = False,
    return_sequences: bool,
    training: bool,
) -> tuple[Tensor | None, States]:
    """Run a cell over all steps in one pass, of which all states are kept."""
    projected = cell.project(inputs)
    time = projected.shape[0] if projected.shape[0] is not None else tf.shape(projected)[0]
    length = _padded_length(time)
    if length is not time:
        projected, mask = segments.pad(projected, mask, length - time)
    program = _program_of(cell)
    masks = Masks(mask, recurrent_dropout_mask)
    count = len(initial_states)

    def unpack(inputs: Tensors) -> tuple[Tensor, States, Weights]:
        projected, *tensors = inputs
        return projected, tuple(tensors[:count]), program.arrange(tensors[count:])

    def forward(*inputs: Tensor) -> tuple[Tensors, Tensors]:
        sequences, after = program.forward(
            *unpack(inputs), masks, reverse, outputs=return_sequences, keep=training
        )
        return (*sequences[: int(return_sequences)], *after), sequences

    def backward(inputs: Tensors, kept: Tensors, upstream: Tensors) -> Tensors:
        projected, before, weights = unpack(inputs)
        if not training:  # a call that was not said to be training may be differentiated
            kept, _ = program.forward(
                projected, before, weights, masks, reverse, outputs=False, keep=True
            )
        d_outputs = upstream[0] if return_sequences else None
        d_after = tuple(upstream[-count:])
        gradients = program.backward(
            projected, before, weights, masks, kept, d_outputs, d_after, reverse
        )
        # Outside the compiled part, where TensorFlow's own large products are faster.
        d_products = program.sum_over_time(gradients, before[0], kept[0], weights, masks, reverse)
        return (gradients.projected, *gradients.before, *d_products, *gradients.others)

    results = with_gradient(forward, backward)(projected, *initial_states, *program.weights())
    if not return_sequences:
        return None, tuple(results)
    outputs, *after = results
    return outputs if length is time else outputs[:time], tuple(after)


def _program_of(cell: RecurrentCell) -> Program:
    """Return the compiled passes of a cell, which live with the cell."""
    program = getattr(cell, "_fused_program", None)
    if program is None:
        program = cell._fused_program = Program(cell)
    return program


def _span(steps: int | None) -> int | None:
    """Return the length of segments for long sequences: there they save half the memory for free.

    `python -m benchmarks length memory` measures it; shorter ones take longer in segments.
    """
    if steps is None or steps < 2000:
        return None
    return -(-steps // -(-steps // 125))  # nearly 125, in equal parts


def _padded_length(time: Tensor) -> Tensor:
    """Return the number of steps to compile for: `time` itself where it is known.

    XLA compiles for each length anew. Lengths that are not known yet are padded to one of eight
    between a power of two and the next: few to compile, and at most an eighth of the steps wasted.
    """
    if isinstance(time, int):
        return time or 1
    some = tf.maximum(time, 1)
    octave = tf.cast(tf.math.log(tf.cast(some, "float32")) / tf.math.log(2.0), "int32")
    unit = tf.bitwise.left_shift(1, tf.maximum(octave - 3, 3))
    return some + -some % unit
