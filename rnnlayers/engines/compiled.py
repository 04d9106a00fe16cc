"""The compiled engine: backpropagation through time written by hand, compiled with XLA.

`program.py` has the two passes; this module makes one differentiable function of them.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import tensorflow as tf

from rnnlayers.cells.base import RecurrentCell
from rnnlayers.engines.derivatives import Tensors
from rnnlayers.engines.gradients import with_gradient
from rnnlayers.engines.graph_cache import cached
from rnnlayers.engines.program import Masks, Program, Weights
from rnnlayers.engines.segments import run_in_segments
from rnnlayers.engines.stepwise import run_stepwise
from rnnlayers.types import States, Tensor

ThroughTime = Callable[..., tuple[Tensor | None, States]]


def run_compiled(
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
    """Run a cell over time; see `run_stepwise`. XLA compiles it once for each (batch, time)."""
    options: dict[str, Any] = {
        "recurrent_dropout_mask": recurrent_dropout_mask,
        "return_sequences": return_sequences,
    }
    through_time: ThroughTime = partial(_through_time, cell, **options)
    steps = inputs.shape[0]
    span = remat or truncate or _segment_length(steps)
    if span is None or (steps is not None and steps <= span):
        return through_time(inputs, initial_states, mask, reverse=reverse, training=training)
    return run_in_segments(
        through_time,
        partial(run_stepwise, cell, truncate=truncate, **options),
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
    """Run a cell over all steps in one pass that saves all states."""
    projected = cell.project(inputs)
    if recurrent_dropout_mask is not None:  # no tape may watch it in the compiled passes
        recurrent_dropout_mask = tf.stop_gradient(recurrent_dropout_mask)
    time, length = None, _length_to_pad_to(projected)
    if length is not None:
        time = tf.shape(projected)[0]
        projected, mask = (_pad_to(x, length) for x in (projected, mask))
    masks = Masks(mask, recurrent_dropout_mask, time)
    program = _program_of(cell)
    count = len(initial_states)

    def unpack(inputs: Tensors) -> tuple[Tensor, States, Weights]:
        projected, *tensors = inputs
        return projected, tuple(tensors[:count]), program.arrange(tensors[count:])

    def forward(*inputs: Tensor) -> tuple[Tensors, Tensors]:
        sequences, after = program.forward(
            *unpack(inputs), masks, reverse, outputs=return_sequences, save=training
        )
        return (*sequences[: int(return_sequences)], *after), sequences

    def backward(inputs: Tensors, saved: Tensors, upstream: Tensors) -> Tensors:
        projected, before, weights = unpack(inputs)
        if not training:  # a call without `training` may be differentiated too
            saved, _ = program.forward(
                projected, before, weights, masks, reverse, outputs=False, save=True
            )
        d_outputs = upstream[0] if return_sequences else None
        d_after = tuple(upstream[-count:])
        gradients = program.backward(
            projected, before, weights, masks, saved, d_outputs, d_after, reverse
        )
        # TensorFlow's own large products are faster than those of the compiled part.
        d_products = program.sum_over_time(gradients, before[0], saved[0], weights, masks, reverse)
        return (gradients.projected, *gradients.before, *d_products, *gradients.others)

    def plain(*inputs: Tensor) -> Tensors:
        sequences, after = program.plain(
            *unpack(inputs), masks, reverse, outputs=return_sequences, save=False
        )
        return (*sequences, *after)

    function = with_gradient(forward, backward, plain)
    results = function(projected, *initial_states, *program.weights())
    if not return_sequences:
        return None, tuple(results)
    outputs, *after = results
    return outputs if time is None else outputs[:time], tuple(after)


def _program_of(cell: RecurrentCell) -> Program:
    """Return the compiled passes of a cell, in eager calls those of an earlier call.

    Eager calls put no graph around the passes: under several tapes TensorFlow would prepare to
    differentiate that graph again, which it cannot do with loops that XLA compiles.
    """
    if tf.executing_eagerly():
        return cached(cell, "program", partial(Program, cell))
    return Program(cell)


def _segment_length(steps: int | None) -> int | None:
    """Return the number of steps in a segment of a long sequence, None for a short one.

    Segments halve the memory of long sequences and cost no time. They slow short sequences down.
    `python -m benchmarks length memory` measures both.
    """
    if steps is None or steps < 2000:
        return None
    return -(-steps // -(-steps // 125))  # nearly 125, in equal parts


def _length_to_pad_to(sequence: Tensor) -> Tensor | None:
    """Return the length to pad a sequence `(time, ...)` to, or None to keep its own.

    XLA compiles for each length. A length that is not known yet is padded to one of two lengths
    between a power of two and the next, so that few are compiled. The loops run only the steps that
    exist; the padding costs memory, and time in what is computed for all steps at once.
    """
    if sequence.shape[0] is not None:
        return None if sequence.shape[0] else 1
    length = tf.maximum(tf.shape(sequence)[0], 8)
    octave = tf.cast(tf.math.log(tf.cast(length, "float32")) / tf.math.log(2.0), "int32")
    unit = tf.bitwise.left_shift(1, tf.maximum(octave - 1, 3))
    return length + -length % unit


def _pad_to(sequence: Tensor | None, length: Tensor) -> Tensor | None:
    """Return a sequence `(time, batch, ...)` with zeros at its end, up to a length."""
    if sequence is None:
        return None
    return tf.pad(sequence, [[0, length - tf.shape(sequence)[0]], [0, 0], [0, 0]])
