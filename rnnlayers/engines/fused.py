"""The fast engine: backpropagation through time by hand, compiled with XLA.

`program.py` holds the two passes; here they are made one differentiable function.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import tensorflow as tf

from rnnlayers.cells.base import RecurrentCell
from rnnlayers.engines import segments, stepwise
from rnnlayers.engines.derivatives import Tensors
from rnnlayers.engines.gradients import with_gradient
from rnnlayers.engines.kept import kept
from rnnlayers.engines.program import Masks, Program, Weights
from rnnlayers.types import States, Tensor

Run = Callable[..., tuple[Tensor | None, States]]


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
    options: dict[str, Any] = {
        "recurrent_dropout_mask": recurrent_dropout_mask,
        "return_sequences": return_sequences,
    }
    through_time: Run = partial(_through_time, cell, **options)
    steps = inputs.shape[0]
    span = remat or truncate or _span(steps)
    if span is None or (steps is not None and steps <= span):
        return through_time(inputs, initial_states, mask, reverse=reverse, training=training)
    return segments.run(
        through_time,
        partial(stepwise.run, cell, truncate=truncate, **options),
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
    if recurrent_dropout_mask is not None:  # no tape may follow it into the compiled passes
        recurrent_dropout_mask = tf.stop_gradient(recurrent_dropout_mask)
    time, length = None, _length_to_pad_to(projected)
    if length is not None:
        time = tf.shape(projected)[0]
        projected, mask = (_lengthened(x, length) for x in (projected, mask))
    masks = Masks(mask, recurrent_dropout_mask, time)
    program = _program_of(cell)
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

    def plain(*inputs: Tensor) -> Tensors:
        sequences, after = program.plain(
            *unpack(inputs), masks, reverse, outputs=return_sequences, keep=False
        )
        return (*sequences, *after)

    function = with_gradient(forward, backward, plain)
    results = function(projected, *initial_states, *program.weights())
    if not return_sequences:
        return None, tuple(results)
    outputs, *after = results
    return outputs if time is None else outputs[:time], tuple(after)


def _program_of(cell: RecurrentCell) -> Program:
    """Return the compiled passes of a cell: of this graph, or kept from one eager call to the next.

    Eager calls go without a graph around the passes: where several tapes watch, TensorFlow would
    prepare to differentiate all of it again, which it cannot do with loops that XLA compiles.
    """
    if tf.executing_eagerly():
        return kept(cell, "program", partial(Program, cell))
    return Program(cell)


def _span(steps: int | None) -> int | None:
    """Return the length of segments for long sequences: there they save half the memory for free.

    `python -m benchmarks length memory` measures it; shorter ones take longer in segments.
    """
    if steps is None or steps < 2000:
        return None
    return -(-steps // -(-steps // 125))  # nearly 125, in equal parts


def _length_to_pad_to(sequence: Tensor) -> Tensor | None:
    """Return the length to compile for, of a sequence `(time, ...)`; None for its own.

    XLA compiles for each length anew. Lengths that are not known yet are padded to one of two
    between a power of two and the next: few to compile. The loops run as many steps as there are,
    so that the rest costs memory and what is computed for all steps at once.
    """
    if sequence.shape[0] is not None:
        return None if sequence.shape[0] else 1
    some = tf.maximum(tf.shape(sequence)[0], 8)
    octave = tf.cast(tf.math.log(tf.cast(some, "float32")) / tf.math.log(2.0), "int32")
    unit = tf.bitwise.left_shift(1, tf.maximum(octave - 1, 3))
    return some + -some % unit


def _lengthened(sequence: Tensor | None, length: Tensor) -> Tensor | None:
    """Return a sequence `(time, batch, ...)` with zeros at its end, up to a length."""
    if sequence is None:
        return None
    return tf.pad(sequence, [[0, length - tf.shape(sequence)[0]], [0, 0], [0, 0]])
