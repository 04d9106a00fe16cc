"""Rematerialisation: save only the first states of each segment, and compute the others again.

The steps are cut into segments. The forward pass runs each segment and saves its first states and
its outputs. The backward pass runs each segment again from those states and differentiates it.
Everything between inputs and outputs, such as the projected inputs, exists for one segment at a
time.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from rnnlayers.cells.base import Cell
from rnnlayers.cells.parts import SideInputs
from rnnlayers.engines.derivatives import Tensors
from rnnlayers.engines.gradients import with_gradient
from rnnlayers.engines.graph_cache import call_with_weights, values_of
from rnnlayers.types import States, Tensor


def run_in_segments(
    through_time: Callable[..., tuple[Tensor | None, States]],
    reference: Callable[..., tuple[Tensor | None, States]],
    cell: Cell,
    inputs: Tensor,
    initial_states: States,
    mask: Tensor | None,
    side: SideInputs | None,
    *,
    reverse: bool,
    return_sequences: bool,
    span: int,
    truncate: int | None,
) -> tuple[Tensor | None, States]:
    """Run a cell over time, segment by segment.

    Args:
        through_time: Runs the cell over `(inputs, initial_states, mask, side, training=...)`,
            forwards.
        reference: The same for the whole sequence, truncated, for TensorFlow to differentiate.
        cell: The cell.
        inputs: `(time, batch, features)`.
        initial_states: One tensor `(batch, size)` for each of `cell.state_names`.
        mask: Booleans `(time, batch, 1)`, or None.
        side: From `cell.draw`, or None.
        reverse: Whether to begin with the last step. Outputs stay at their steps.
        return_sequences: Whether the output of each step is asked for.
        span: The length of a segment in steps.
        truncate: Stop the gradient every `truncate` steps, a multiple of `span`, or None.

    Returns:
        The outputs `(time, batch, output_size)`, or None, and the final states.
    """
    side = SideInputs() if side is None else side
    if reverse:  # segments are counted from the first step that is computed
        inputs, mask = _flip(inputs), None if mask is None else _flip(mask)
        side = side._replace(steps=tuple(map(_flip, side.steps)))
    time = inputs.shape[0] if inputs.shape[0] is not None else tf.shape(inputs)[0]
    count = -(-time // span)
    if not isinstance(count, int):
        count = tf.maximum(count, 1)  # an empty array cannot be stacked
    more = count * span - time
    inputs, mask = pad(inputs, mask, more)
    side = side._replace(steps=tuple(_pad_end(drawn, more) for drawn in side.steps))
    return_sequences = return_sequences or cell.reads
    weights = values_of(cell.weights)
    function = _differentiable(
        through_time, reference, cell, mask, side, count, return_sequences, span, truncate
    )
    moving = [tensor for tensor in side.sequence if tensor is not None]
    results = function(inputs, *initial_states, *moving, *weights)
    if not return_sequences:
        return None, tuple(results)
    outputs, *after = results
    outputs = outputs[:time]
    return _flip(outputs) if reverse else outputs, tuple(after)


def _differentiable(
    through_time: Callable[..., tuple[Tensor | None, States]],
    reference: Callable[..., tuple[Tensor | None, States]],
    cell: Cell,
    mask: Tensor | None,
    side: SideInputs,
    count: Tensor,
    return_sequences: bool,
    span: int,
    truncate: int | None,
) -> Callable[..., Tensors]:
    """Return a function of inputs, initial states and weights; see `run_in_segments`.

    It returns the outputs, if asked for, and the final states.
    """
    n_states = len(cell.state_names)
    cut = n_states + sum(tensor is not None for tensor in side.sequence)
    any_side = bool(side.steps or side.sequence)

    def with_sequence(moving: Tensors, steps: Tensors) -> SideInputs | None:
        left = iter(moving)
        sequence = tuple(None if given is None else next(left) for given in side.sequence)
        return SideInputs(tuple(steps), sequence) if any_side else None

    def through_segment(
        index: Tensor,
        part: Tensor,
        states: States,
        moving: Tensors,
        weights: Tensors,
        training: bool,
    ) -> tuple[Tensor | None, States]:
        here = None if mask is None else _segment(mask, index, span)
        drawn = with_sequence(moving, [_segment(d, index, span) for d in side.steps])
        return call_with_weights(
            cell,
            cell.weights,
            weights,
            lambda: through_time(part, states, here, drawn, training=training),
        )

    def forward(inputs: Tensor, *tensors: Tensor) -> tuple[Tensors, Tensors]:
        before, moving, weights = tensors[:n_states], tensors[n_states:cut], tensors[cut:]
        shapes = [state.shape for state in before]
        if return_sequences:
            shapes.append((span, shapes[0][0], cell.output_size))
        arrays = tuple(tf.TensorArray(before[0].dtype, count, element_shape=s) for s in shapes)

        def step(index: Tensor, states: States, arrays: Any) -> tuple[Tensor, States, Any]:
            part = _segment(inputs, index, span)
            outputs, after = through_segment(index, part, states, moving, weights, training=False)
            # Without `return_sequences` there is no array for the outputs.
            values = zip(arrays, (*states, outputs), strict=False)
            return index + 1, after, tuple(array.write(index, value) for array, value in values)

        _, after, arrays = tf.while_loop(
            lambda index, *_: index < count,
            step,
            (0, before, arrays),
            maximum_iterations=count,
            parallel_iterations=1,  # otherwise the next segments would be projected ahead
        )
        outputs = [_join(array) for array in arrays[n_states:]]
        return (*outputs, *after), [array.stack() for array in arrays[:n_states]]

    def backward(arguments: Tensors, starts: Tensors, upstream: Tensors) -> Tensors:
        inputs, moving = arguments[0], tuple(arguments[1 + n_states : 1 + cut])
        weights = tuple(arguments[1 + cut :])
        *d_outputs, d_after = *upstream[:-n_states], tuple(upstream[-n_states:])
        array = tf.TensorArray(inputs.dtype, count, element_shape=(span, *inputs.shape[1:]))

        def step(index: Tensor, d_after: States, totals: Tensors, array: Any) -> Any:
            states = tuple(s[index] for s in starts)
            sources = _segment(inputs, index, span), states, moving, weights
            with tf.GradientTape() as tape:
                tape.watch(sources)
                outputs, after = through_segment(index, *sources, training=True)
            d_part, d_before, d_moving, d_weights = tape.gradient(
                [outputs, *after] if return_sequences else list(after),
                sources,
                [*(_segment(d, index, span) for d in d_outputs), *d_after],
                unconnected_gradients=tf.UnconnectedGradients.ZERO,
            )
            if truncate is not None:
                cut = (index > 0) & (index * span % truncate == 0)
                d_before = tuple(tf.where(cut, tf.zeros_like(d), d) for d in d_before)
            found = (*d_moving, *d_weights)
            totals = tuple(t + tf.cast(d, t.dtype) for t, d in zip(totals, found, strict=True))
            return index - 1, d_before, totals, array.write(index, d_part)

        # In the dtype of the variables: half precision would lose digits over many segments.
        zeros = [tf.zeros_like(tensor) for tensor in moving]
        zeros += [tf.zeros(w.shape, w.dtype) for w in cell.weights]
        _, d_before, totals, array = tf.while_loop(
            lambda index, *_: index >= 0,
            step,
            (count - 1, d_after, tuple(zeros), array),
            maximum_iterations=count,
            parallel_iterations=1,
        )
        given = (*moving, *weights)
        totals = tuple(tf.cast(t, g.dtype) for t, g in zip(totals, given, strict=True))
        return (_join(array), *d_before, *totals)

    def plain(inputs: Tensor, *tensors: Tensor) -> Tensors:
        before, moving, weights = tensors[:n_states], tensors[n_states:cut], tensors[cut:]
        given = with_sequence(moving, side.steps)
        outputs, after = call_with_weights(
            cell,
            cell.weights,
            weights,
            lambda: reference(inputs, before, mask=mask, side=given),
        )
        return (outputs, *after) if return_sequences else after

    return with_gradient(forward, backward, plain)


def pad(sequence: Tensor, mask: Tensor | None, more: Tensor) -> tuple[Tensor, Tensor | None]:
    """Append `more` masked steps to a sequence `(time, batch, ...)`."""
    if isinstance(more, int) and not more:
        return sequence, mask
    valid = tf.ones_like(sequence[..., :1], "bool") if mask is None else mask
    return _pad_end(sequence, more), _pad_end(valid, more)


def _pad_end(sequence: Tensor, more: Tensor) -> Tensor:
    return tf.pad(sequence, [[0, more], *([0, 0] for _ in sequence.shape[1:])])


def _flip(sequence: Tensor) -> Tensor:
    return tf.reverse(sequence, [0])


def _segment(sequence: Tensor, index: Tensor, span: int) -> Tensor:
    """Return one segment of a sequence `(time, batch, ...)`."""
    rest = tf.unstack(tf.shape(sequence))[1:]
    segment = tf.slice(sequence, (index * span, *(0 for _ in rest)), (span, *rest))
    return tf.ensure_shape(segment, (span, *sequence.shape[1:]))


def _join(array: tf.TensorArray) -> Tensor:
    """Join an array of segments to a sequence."""
    segments = array.stack()
    count, span, *rest = tf.unstack(tf.shape(segments))
    joined = tf.reshape(segments, (count * span, *rest))
    return tf.ensure_shape(joined, (None, *segments.shape[2:]))
