"""The fast engine: backpropagation through time by hand, compiled with XLA.

The textbook's sum over time, dL/dU = sum over t of h_{t-1}^T dz_t, is taken after the loop as one
matrix product, and so is every other product that need not wait. What must wait, one product with
U a step forwards and one with U^T a step back, stays in two compiled loops.
docs/backpropagation_through_time.md derives each line.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from keras import ops

from rnnlayers.cells.base import RecurrentCell, States, Tensor
from rnnlayers.engines.derivatives import Tensors, advance, derivative_of


def run(
    cell: RecurrentCell,
    projected: Tensor,
    initial_states: States,
    *,
    mask: Tensor | None = None,
    recurrent_dropout_mask: Tensor | None = None,
    reverse: bool = False,
    return_sequences: bool = True,
    training: bool = False,
    truncate: int | None = None,
) -> tuple[Tensor | None, States]:
    """Run a cell over time; see `stepwise.run`. It compiles once for each (batch, time)."""
    time = projected.shape[0]
    if time is None:
        projected, mask, time = _pad(projected, mask)
    program = _program_of(cell)
    how = {"reverse": reverse, "truncate": truncate}
    masks = (mask, recurrent_dropout_mask)
    count = len(initial_states)

    # Weights come in as arguments: what a custom gradient closes over gets no gradient.
    @tf.custom_gradient
    def through_time(projected: Tensor, *tensors: Tensor) -> tuple[Tensors, Callable[..., Tensors]]:
        before, weights = tensors[:count], tensors[count:]
        outputs, after, kept = program.forward(
            projected, before, weights, masks, **how, sequences=return_sequences, keep=training
        )

        def gradient(*upstream: Tensor) -> Tensors:
            # A call that was not said to be training may be differentiated all the same.
            states = kept
            if not training:
                *_, states = program.forward(
                    projected, before, weights, masks, **how, sequences=False, keep=True
                )
            return _refuse_second_derivative(
                program.backward(projected, before, weights, masks, states, upstream, **how)
            )

        return (*outputs, *after), gradient

    results = through_time(projected, *initial_states, *program.weights())
    if not return_sequences:
        return None, tuple(results)
    outputs, *states = results
    return outputs[:time], tuple(states)


class Program:
    """The forward and the backward pass of one cell, each a compiled function of tensors.

    What a forward pass keeps for the backward one are the states of all steps, `time * batch *
    units` numbers for each; the gates are computed anew from them, for all steps at once.
    """

    def __init__(self, cell: RecurrentCell) -> None:
        self.cell = cell
        self.whole_step = not cell.is_cut_in_three
        held = [cell.kernel] if self.whole_step else [cell.kernel, cell.recurrent_kernel, cell.bias]
        # What the step reads beside its arguments; the layer has used the kernel already.
        self.variables = [v for v in cell.weights if not any(v is other for other in held)]
        self.has_bias = cell.recurrent_bias is not None
        self.derivative = derivative_of(cell, self.variables, self.whole_step)
        self.forward = tf.function(self._forward, jit_compile=True, autograph=False)
        self.backward = tf.function(self._backward, jit_compile=True, autograph=False)

    def weights(self) -> Tensors:
        """Return the weights that the passes take as arguments."""
        products = [] if self.whole_step else [self.cell.recurrent_kernel, self.cell.recurrent_bias]
        return [ops.convert_to_tensor(w) for w in (*products, *self.variables) if w is not None]

    def _unpack(self, weights: Tensors) -> tuple[Tensor, Tensor, Tensors]:
        """Return the recurrent kernel and bias, where the loops take the product, and the rest."""
        if self.whole_step:
            return None, None, weights
        if not self.has_bias:
            return weights[0], None, weights[1:]
        return weights[0], weights[1], weights[2:]

    def _cut(self, fused: Tensor) -> Tensors:
        """Cut gates before the loop: cutting inside it is what XLA is slow at."""
        return [fused] if self.whole_step else self.cell.split(fused)

    def _forward(
        self,
        projected: Tensor,
        before: States,
        weights: Tensors,
        masks: tuple[Tensor | None, Tensor | None],
        reverse: bool,
        truncate: int | None,  # gradients only
        sequences: bool,
        keep: bool,
    ) -> tuple[Tensors, States, Tensors]:
        """Return the outputs of all steps if asked for, the last states, and all states to keep."""
        mask, dropout_mask = masks
        kernel, bias, others = self._unpack(weights)
        time = projected.shape[0] or tf.shape(projected)[0]
        inputs = [_unstack(gate) for gate in self._cut(projected)]
        valid = None if mask is None else _unstack(mask)
        stored = before if keep else before[:1] if sequences else ()
        arrays = tuple(tf.TensorArray(s.dtype, time, element_shape=s.shape) for s in stored)

        def step(index: Tensor, states: States, arrays: Any) -> tuple[Tensor, States, Any]:
            now = time - 1 - index if reverse else index
            recurrent = self._recur(states[0], kernel, bias, dropout_mask)
            new = advance(
                self.cell,
                self.variables,
                self.whole_step,
                [gate.read(now) for gate in inputs],
                recurrent,
                states,
                others,
                dropout_mask=dropout_mask,
            )
            if valid is not None:
                here = valid.read(now)
                new = tuple(tf.where(here, n, s) for n, s in zip(new, states, strict=True))
            arrays = tuple(a.write(now, n) for a, n in zip(arrays, new, strict=False))
            return index + 1, new, arrays

        _, after, arrays = tf.while_loop(
            lambda index, *_: index < time, step, (0, before, arrays), maximum_iterations=time
        )
        all_states = tuple(array.stack() for array in arrays)
        return all_states[:1] if sequences else (), after, all_states if keep else ()

    def _backward(
        self,
        projected: Tensor,
        before: States,
        weights: Tensors,
        masks: tuple[Tensor | None, Tensor | None],
        states: States,
        upstream: Tensors,
        reverse: bool,
        truncate: int | None,
    ) -> Tensors:
        """Return the gradients of the projected inputs, the states before and the weights."""
        mask, dropout_mask = masks
        kernel, bias, others = self._unpack(weights)
        time = projected.shape[0] or tf.shape(projected)[0]
        width = len(upstream) - len(before)
        d_outputs, d_after = upstream[:width], tuple(upstream[width:])

        # All that does not depend on the incoming gradient, for all steps at once.
        previous = tuple(_shift(s, first, reverse) for s, first in zip(states, before, strict=True))
        recurrent = self._recur(previous[0], kernel, bias, dropout_mask)
        factors = [
            _unstack(factor)
            for factor in self.derivative.linearize(
                self._cut(projected), recurrent, previous, states
            )
        ]
        incoming = [_unstack(d) for d in d_outputs]
        valid = None if mask is None else _unstack(mask)
        # One array for the gradient of the projected inputs and, where it differs, one for that
        # of the recurrent products.
        shared = self.whole_step or self.cell.sums_gates
        empty = tf.TensorArray(projected.dtype, time, element_shape=projected.shape[1:])
        arrays = (empty,) if shared else (empty, empty)

        def step(
            index: Tensor, d_states: States, d_others: Tensors, arrays: Any
        ) -> tuple[Tensor, States, Tensors, Any]:
            now = time - 1 - index if reverse else index
            if incoming:
                d_states = (d_states[0] + incoming[0].read(now), *d_states[1:])
            d_new, d_skipped = d_states, None
            if valid is not None:
                here = valid.read(now)
                d_new = tuple(tf.where(here, d, tf.zeros_like(d)) for d in d_states)
                d_skipped = tuple(tf.where(here, tf.zeros_like(d), d) for d in d_states)
            pulled = self.derivative.pull_back(
                [factor.read(now) for factor in factors], d_new, others, dropout_mask
            )
            d_states = tuple(pulled.states)
            parts = [tf.concat(pulled.projected, -1)]
            if not shared:
                parts.append(tf.concat(pulled.recurrent, -1))
            if kernel is not None:
                d_h = tf.matmul(parts[-1], kernel, transpose_b=True)
                d_h = d_h if dropout_mask is None else d_h * dropout_mask
                d_states = (d_states[0] + d_h, *d_states[1:])
            if d_skipped is not None:
                d_states = tuple(d + skip for d, skip in zip(d_states, d_skipped, strict=True))
            if truncate is not None:
                cut = (index % truncate == 0) & (index > 0)
                d_states = tuple(tf.where(cut, tf.zeros_like(d), d) for d in d_states)
            d_others = tuple(total + d for total, d in zip(d_others, pulled.weights, strict=True))
            arrays = tuple(a.write(now, part) for a, part in zip(arrays, parts, strict=True))
            return index - 1, d_states, d_others, arrays

        d_others = tuple(tf.zeros_like(weight) for weight in others)
        _, d_before, d_others, arrays = tf.while_loop(
            lambda index, *_: index >= 0,
            step,
            (time - 1, d_after, d_others, arrays),
            maximum_iterations=time,
        )
        gradients = [array.stack() for array in arrays]
        d_products = []
        if kernel is not None:
            # dL/dU, the sum over time of h_{t-1}^T dz_t, as one product.
            h = previous[0] if dropout_mask is None else previous[0] * dropout_mask
            d_products = [tf.matmul(_rows(h), _rows(gradients[-1]), transpose_a=True)]
            if bias is not None:
                d_products.append(tf.reduce_sum(gradients[-1], [0, 1]))
        return (gradients[0], *d_before, *d_products, *d_others)

    def _recur(
        self, h: Tensor, kernel: Tensor | None, bias: Tensor | None, dropout_mask: Tensor | None
    ) -> Tensors:
        """Return the recurrent products of one step or of all, cut in gates."""
        if kernel is None:
            return []
        h = h if dropout_mask is None else h * dropout_mask
        product = tf.matmul(_rows(h), kernel)
        product = product if bias is None else product + bias
        if len(h.shape) == 3:
            product = tf.reshape(product, (*tf.unstack(tf.shape(h))[:2], product.shape[-1]))
        return self._cut(product)


def _program_of(cell: RecurrentCell) -> Program:
    """Return the compiled passes of a cell, which lives with the cell."""
    program = getattr(cell, "_fused_program", None)
    if program is None:
        program = cell._fused_program = Program(cell)
    return program


def _refuse_second_derivative(gradients: Tensors) -> Tensors:
    """Say so where a gradient is differentiated again; XLA's own error is about something else."""

    @tf.custom_gradient
    def once(*gradients: Tensor) -> tuple[Tensors, Callable[..., Tensors]]:
        def refuse(*_: Tensor) -> Tensors:
            raise NotImplementedError(
                "The fused engine has no second derivative. Build the layer with "
                "`engine='stepwise'`, which has derivatives of every order."
            )

        return gradients, refuse

    return once(*gradients)


def _pad(projected: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Pad sequences of unknown length to one of a few lengths, and mask what was added.

    XLA compiles for each length anew; with eight lengths between a power of two and the next, it
    does so a few times and at most an eighth of the steps is wasted.
    """
    time = tf.shape(projected)[0]
    octave = tf.cast(
        tf.math.log(tf.cast(tf.maximum(time, 1), "float32")) / tf.math.log(2.0), "int32"
    )
    unit = tf.bitwise.left_shift(1, tf.maximum(octave - 3, 3))
    more = -time % unit
    valid = tf.ones_like(projected[..., :1], "bool") if mask is None else mask
    edges = [[0, more], [0, 0], [0, 0]]
    return tf.pad(projected, edges), tf.pad(valid, edges), time


def _shift(states: Tensor, first: Tensor, reverse: bool) -> Tensor:
    """Return the state before each step from those after it."""
    parts = [states[1:], first[None]] if reverse else [first[None], states[:-1]]
    return tf.concat(parts, 0)


def _rows(tensor: Tensor) -> Tensor:
    return tf.reshape(tensor, (-1, tensor.shape[-1]))


def _unstack(sequence: Tensor) -> tf.TensorArray:
    array = tf.TensorArray(sequence.dtype, tf.shape(sequence)[0], element_shape=sequence.shape[1:])
    return array.unstack(sequence)
