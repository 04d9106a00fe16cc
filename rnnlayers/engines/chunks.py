"""The scan engine for a `ChunkedCell`: a loop over chunks of steps instead of steps.

A forward pass saves the states before each chunk. The backward pass computes each chunk again,
under a tape, from the last to the first.
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from rnnlayers.cells.chunked import ChunkedCell
from rnnlayers.cells.parts import SideInputs, for_step, tensors_of, with_tensors
from rnnlayers.engines.arrays import repeat_at_masked_steps
from rnnlayers.engines.derivatives import Tensors
from rnnlayers.engines.gradients import with_gradient
from rnnlayers.engines.target import Target, traced_for
from rnnlayers.types import States, Tensor

CHUNK = 32  # steps


def run_in_chunks(
    cell: ChunkedCell,
    inputs: Tensor,
    initial_states: States,
    *,
    side: SideInputs | None = None,
    mask: Tensor | None = None,
    reverse: bool = False,
    return_sequences: bool = True,
    truncate: int | None = None,
) -> tuple[Tensor | None, States]:
    """Run a `ChunkedCell` over any number of steps; see `run_stepwise`."""
    x, constants = cell.prepare(inputs, side)
    steps = tensors_of(x)
    known, time = steps[0].shape[0], tf.shape(steps[0])[0]
    size = _chunk_size(known, truncate)
    valid = mask
    if reverse:
        steps = [tf.reverse(leaf, [0]) for leaf in steps]
        valid = None if mask is None else tf.reverse(mask, [0])
    if not known or known % size:  # then there will be padding
        valid = tf.ones((time, 1, 1), "bool") if valid is None else valid
    in_chunks = [_cut(leaf, size) for leaf in steps]
    valid = None if valid is None else _cut(valid, size)
    passes = _Passes(cell, x, valid, len(steps), size, truncate)
    first, *states = initial_states
    outputs, *after = passes.differentiable()(*in_chunks, *states, *constants)
    # What padding has computed is cut off.
    outputs = tf.reshape(outputs, tf.concat([[-1], tf.shape(outputs)[2:]], 0))[:time]
    outputs = tf.ensure_shape(outputs, (known, *first.shape))
    outputs = tf.concat([first[None], outputs], 0)
    if mask is not None:
        outputs = _repeat(outputs, tf.reverse(mask, [0]) if reverse else mask, truncate)
    last, outputs = outputs[-1], outputs[1:]
    outputs = tf.reverse(outputs, [0]) if reverse else outputs
    return (outputs if return_sequences else None), (last, *after)


def _repeat(outputs: Tensor, mask: Tensor, truncate: int | None) -> Tensor:
    """Return outputs, at masked steps those of the step before, and first the initial ones.

    Args:
        outputs: `(1 + time, batch, size)`, those before the first step first.
        mask: Booleans `(time, batch, 1)`, in the order of computation.
        truncate: Stop the gradient from a step to one before, across a multiple of as many steps.
    """
    begins = tf.ones(tf.concat([[1], tf.shape(mask)[1:]], 0), "bool")
    counts = tf.concat([begins, mask], 0)
    repeated = repeat_at_masked_steps(outputs, counts, reverse=False)
    if truncate is None:
        return repeated
    number = tf.maximum(tf.range(tf.shape(outputs)[0]) - 1, 0) // truncate
    part = tf.broadcast_to(number[:, None, None], tf.shape(outputs[..., :1]))
    near = repeat_at_masked_steps(part, counts, reverse=False) == part
    return tf.where(near, repeated, tf.stop_gradient(repeated))


class _Passes:
    """The passes over the chunks of a sequence, as functions of tensors.

    They take the leaves of what the cell has prepared, `(chunks, steps, batch, ...)`, the states
    but the first, and the constants.
    """

    def __init__(
        self,
        cell: ChunkedCell,
        x: Any,
        valid: Tensor | None,
        leaves: int,
        size: int,
        truncate: int | None,
    ) -> None:
        self.cell = cell
        self.size = size
        self.x = x
        self.valid = valid
        self.leaves = leaves
        self.states = len(cell.state_names) - 1
        self.truncate = truncate

    def differentiable(self) -> Any:
        """Return the forward pass with the backward pass as its gradient."""
        forward, backward = self.forward, self.backward
        if traced_for() is Target.HERE and not tf.executing_eagerly():
            forward, backward = (
                tf.function(function, jit_compile=True, autograph=False)
                for function in (forward, backward)
            )
        return with_gradient(forward, backward, lambda *inputs: self.forward(*inputs, cut=True)[0])

    def forward(self, *inputs: Tensor, cut: bool = False) -> tuple[Tensors, Tensors]:
        """Return the outputs and the final states, and the states before each chunk.

        Args:
            *inputs: Those of both passes.
            cut: Whether to stop the gradient where `truncate` says, for automatic derivatives.
        """
        x, states, constants = self._read(inputs)
        count = tf.shape(x[0])[0]
        arrays = [_array(state.dtype, count, state.shape) for state in states]
        outputs = _array(x[0].dtype, count, (x[0].shape[1], x[0].shape[2], self.cell.output_size))

        def step(chunk: Tensor, states: States, outputs: Any, arrays: Any) -> Any:
            if cut and self.truncate is not None:
                stops = self._stops_before(chunk)
                states = tuple(tf.where(stops, tf.stop_gradient(s), s) for s in states)
            arrays = tuple(a.write(chunk, s) for a, s in zip(arrays, states, strict=True))
            output, states = self._advance([leaf[chunk] for leaf in x], states, chunk, constants)
            return chunk + 1, tuple(states), outputs.write(chunk, output), arrays

        _, after, outputs, arrays = tf.while_loop(
            lambda chunk, *_: chunk < count,
            step,
            (0, tuple(states), outputs, tuple(arrays)),
            maximum_iterations=count,
        )
        return (outputs.stack(), *after), tuple(array.stack() for array in arrays)

    def backward(self, inputs: Tensors, saved: Tensors, upstream: Tensors) -> Tensors:
        """Return the gradients of the inputs."""
        x, _, constants = self._read(inputs)
        d_outputs, *d_after = upstream
        count = tf.shape(x[0])[0]
        arrays = tuple(_array(leaf.dtype, count, leaf.shape[1:]) for leaf in x)

        def step(chunk: Tensor, d_states: States, totals: Tensors, arrays: Any) -> Any:
            sources = [leaf[chunk] for leaf in x], [s[chunk] for s in saved], list(constants)
            with tf.GradientTape() as tape:
                tape.watch(sources)
                output, after = self._advance(sources[0], tuple(sources[1]), chunk, sources[2])
            d_x, d_before, d_constants = tape.gradient(
                [output, *after],
                sources,
                [d_outputs[chunk], *d_states],
                unconnected_gradients="zero",
            )
            if self.truncate is not None:
                stops = self._stops_before(chunk)
                d_before = [tf.where(stops, tf.zeros_like(d), d) for d in d_before]
            arrays = tuple(a.write(chunk, d) for a, d in zip(arrays, d_x, strict=True))
            totals = tuple(t + d for t, d in zip(totals, d_constants, strict=True))
            return chunk - 1, tuple(d_before), totals, arrays

        _, d_before, totals, arrays = tf.while_loop(
            lambda chunk, *_: chunk >= 0,
            step,
            (count - 1, tuple(d_after), tuple(map(tf.zeros_like, constants)), arrays),
            maximum_iterations=count,
        )
        return (*(array.stack() for array in arrays), *d_before, *totals)

    def _read(self, inputs: Tensors) -> tuple[Tensors, States, tuple[Tensor, ...]]:
        cut = self.leaves + self.states
        return inputs[: self.leaves], tuple(inputs[self.leaves : cut]), tuple(inputs[cut:])

    def _advance(
        self, x: Tensors, states: States, chunk: Tensor, constants: Sequence[Tensor]
    ) -> tuple[Tensor, States]:
        valid = None if self.valid is None else self.valid[chunk]
        return self.cell.chunk(for_step(with_tensors(self.x, x)), states, valid, tuple(constants))

    def _stops_before(self, chunk: Tensor) -> Tensor:
        """Return whether the gradient stops before a chunk."""
        done = chunk * self.size
        return tf.logical_and(done % self.truncate == 0, chunk > 0)


def _chunk_size(steps: int | None, truncate: int | None) -> int:
    """Return the number of steps in a chunk; the gradient can stop between two chunks alone."""
    size = CHUNK if steps is None else max(1, min(CHUNK, steps))
    if truncate is None or (steps is not None and truncate >= steps):
        return size
    return next(divisor for divisor in range(size, 0, -1) if truncate % divisor == 0)


def _cut(sequence: Tensor, size: int) -> Tensor:
    """Return a sequence `(time, ...)` as `(chunks, size, ...)`, with zeros at its end."""
    steps = sequence.shape[0]
    time = tf.shape(sequence)[0] if steps is None else steps
    more = -time % size
    if steps is None or more or not steps:
        more = more + tf.where(time == 0, size, 0)  # at least one chunk
        sequence = tf.pad(sequence, [[0, more], *([0, 0] for _ in sequence.shape[1:])])
    shape = tf.concat([[-1, size], tf.shape(sequence)[1:]], 0)
    chunks = None if steps is None else max(1, -(-steps // size))
    return tf.ensure_shape(tf.reshape(sequence, shape), (chunks, size, *sequence.shape[1:]))


def _array(dtype: Any, count: Tensor, shape: Sequence[int | None]) -> tf.TensorArray:
    return tf.TensorArray(dtype, count, element_shape=tf.TensorShape(shape))
