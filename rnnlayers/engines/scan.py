"""The scan engine: all steps of a linear recurrence in parallel, or chunks of them.

h_t = a_t h_(t-1) + b_t. The steps are cut into chunks. Within a chunk, each step is written as
h_t = P_t h + S_t of the state h before the chunk; that is computed for all chunks at once, step by
step. The states at the ends of the chunks are a recurrence of the same kind, sixteen times shorter.

The gradient is a scan in the other direction: with g_t = dL/dh_t, also by way of later steps,
g_t = d_t + a_(t+1) g_(t+1), dL/da_t = g_t h_(t-1) and dL/db_t = g_t.
"""

from typing import Any

import tensorflow as tf

from rnnlayers.cells.base import Cell
from rnnlayers.cells.chunked import ChunkedCell
from rnnlayers.cells.linear import times
from rnnlayers.cells.parts import SideInputs, for_step
from rnnlayers.engines.chunks import run_in_chunks
from rnnlayers.engines.gradients import with_gradient
from rnnlayers.engines.program import shifted
from rnnlayers.engines.target import Target, traced_for
from rnnlayers.types import States, Tensor

CHUNK = 16  # steps


def run_scan(
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
    """Run a `LinearCell`, over a known number of steps, or a `ChunkedCell`; see `run_stepwise`."""
    if isinstance(cell, ChunkedCell):
        return run_in_chunks(
            cell,
            inputs,
            initial_states,
            side=side,
            mask=mask,
            reverse=reverse,
            return_sequences=return_sequences,
            truncate=truncate,
        )
    x, constants = cell.prepare(inputs, side)
    (before,) = initial_states
    a, b = cell.coefficients(for_step(x), constants)
    if mask is not None:
        a = tf.where(mask, a, _one(a, cell.is_complex))
        b = tf.where(mask, b, tf.zeros_like(b))
    states = _differentiable(cell.is_complex, truncate, reverse, _compiles())(a, b, before)
    after = (states[0 if reverse else -1],) if inputs.shape[0] else initial_states
    if cell.reads:
        previous = shifted([states], initial_states, reverse)
        return cell.read(for_step(x), (states,), previous, constants), after
    return (states if return_sequences else None), after


def _differentiable(is_complex: bool, truncate: int | None, reverse: bool, compiled: bool) -> Any:
    """Return a function of a, b and the first state that returns the states after each step."""

    def forward(a: Tensor, b: Tensor, before: Tensor) -> tuple[list[Tensor], Tensor]:
        states = scan(a, b, before, is_complex, reverse)
        return [states], states

    def backward(arguments: Any, states: Tensor, upstream: Any) -> list[Tensor]:
        a, _, before = arguments
        (d_states,) = upstream
        previous = _before_each(states, before, reverse)
        a = _conjugate(a, is_complex)
        # The factor by which a gradient goes from each step to the one before it.
        back = a
        if truncate is not None:
            index = tf.constant(_order(a.shape[0], reverse), "int32")
            cut = tf.logical_and(index % truncate == 0, index > 0)
            back = tf.where(cut[:, None, None], tf.zeros_like(a), a)
        zeros = tf.zeros_like(before)
        later = _before_each(back, zeros, not reverse)
        d_b = scan(later, d_states, zeros, is_complex, not reverse)
        d_a = times(d_b, _conjugate(previous, is_complex), is_complex)
        first = -1 if reverse else 0
        return [d_a, d_b, times(back[first], d_b[first], is_complex)]

    def plain(a: Tensor, b: Tensor, before: Tensor) -> list[Tensor]:
        return [scan(a, b, before, is_complex, reverse)]

    if compiled:
        forward, backward = (
            tf.function(function, jit_compile=True, autograph=False)
            for function in (forward, backward)
        )
    function = with_gradient(forward, backward, plain)
    return lambda *arguments: function(*arguments)[0]


def scan(
    a: Tensor, b: Tensor, before: Tensor, is_complex: bool = False, reverse: bool = False
) -> Tensor:
    """Return the states after each step, `(time, batch, size)`, h_t = a_t h_(t-1) + b_t.

    Args:
        a: `(time, batch, size)`, with a known number of steps.
        b: `(time, batch, size)`.
        before: `(batch, size)`, the state before the first step.
        is_complex: Whether imaginary parts lie behind the real ones.
        reverse: Whether the last step comes first.
    """
    steps = a.shape[0]
    if steps == 0:
        return tf.zeros_like(b)
    if steps <= CHUNK:
        states = {}
        for step in _order(steps, reverse):
            before = times(a[step], before, is_complex) + b[step]
            states[step] = before
        return tf.stack([states[step] for step in range(steps)])
    more = -steps % CHUNK
    if more:  # steps that come last, whose states nobody reads
        edges = [[more, 0] if reverse else [0, more], [0, 0], [0, 0]]
        a, b = (tf.pad(tensor, edges) for tensor in (a, b))
    shape = tf.concat([[(steps + more) // CHUNK, CHUNK], tf.shape(b)[1:]], 0)
    a, b = (
        tf.ensure_shape(tf.reshape(t, shape), ((steps + more) // CHUNK, CHUNK, *t.shape[1:]))
        for t in (a, b)
    )
    first, *others = _order(CHUNK, reverse)
    factors, sums = {first: a[:, first]}, {first: b[:, first]}
    last = first
    for step in others:
        sums[step] = times(a[:, step], sums[last], is_complex) + b[:, step]
        factors[step] = times(a[:, step], factors[last], is_complex)
        last = step
    ends = scan(factors[last], sums[last], before, is_complex, reverse)
    starts = _before_each(ends, before, reverse)
    states = tf.stack(
        [times(factors[step], starts, is_complex) + sums[step] for step in range(CHUNK)], 1
    )
    states = tf.reshape(states, tf.concat([[steps + more], tf.shape(states)[2:]], 0))
    states = tf.ensure_shape(states, (steps + more, *b.shape[2:]))
    return states[more:] if reverse else states[:steps]


def _order(steps: int, reverse: bool) -> list[int]:
    return list(reversed(range(steps))) if reverse else list(range(steps))


def _before_each(states: Tensor, first: Tensor, reverse: bool) -> Tensor:
    """Return the state before each step, from those after each."""
    if reverse:
        return tf.concat([states[1:], first[None]], 0)
    return tf.concat([first[None], states[:-1]], 0)


def _compiles() -> bool:
    """Return whether XLA may compile the passes, which are then several times as fast."""
    return traced_for() is Target.HERE and not tf.executing_eagerly()


def _conjugate(tensor: Tensor, is_complex: bool) -> Tensor:
    if not is_complex:
        return tensor
    re, im = tf.split(tensor, 2, -1)
    return tf.concat([re, -im], -1)


def _one(like: Tensor, is_complex: bool) -> Tensor:
    if not is_complex:
        return tf.ones_like(like)
    re, im = tf.split(like, 2, -1)
    return tf.concat([tf.ones_like(re), tf.zeros_like(im)], -1)
