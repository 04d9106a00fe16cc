"""The forward and the backward pass of a cell over time, each compiled with XLA.

The textbook's sum over time, dL/dU = sum over t of h_{t-1}^T dz_t, is taken after the loop as one
matrix product, and so is every other product that need not wait. What must wait, one product with
U a step forwards and one with U^T a step back, stays in the two loops.
docs/backpropagation_through_time.md derives each line.
"""

from typing import Any, NamedTuple

import tensorflow as tf
from keras import ops

from rnnlayers.cells.base import RecurrentCell, States, Tensor
from rnnlayers.engines.derivatives import Tensors, advance, derivative_of


class How(NamedTuple):
    """What a pass is compiled for; see `stepwise.run`."""

    reverse: bool
    truncate: int | None
    remat: int | None


class Masks(NamedTuple):
    """What is left out: steps `(time, batch, 1)`, and previous outputs `(batch, units)`."""

    steps: Tensor | None
    dropout: Tensor | None


class Place(NamedTuple):
    """Which steps of the layer's a pass goes through."""

    first: Tensor
    end: Tensor  # of the whole sequence; what comes after is padding


class Products(NamedTuple):
    """The weights of a cell, as the loops use them."""

    kernel: Tensor | None  # (units, gates * units); None where the step takes its own products
    bias: Tensor | None  # (gates * units,), added to the product
    others: Tensors  # what the step itself reads


class Program:
    """Both passes of one cell, as compiled functions of tensors.

    A forward pass keeps for the backward pass the states of all steps, `time * batch * units`
    numbers for each state, or with `remat=k` those of every k-th step. The gates are computed
    anew from them, for all steps at once, or for k at once.
    """

    def __init__(self, cell: RecurrentCell) -> None:
        self.cell = cell
        self.whole_step = not cell.is_cut_in_three
        held = [cell.kernel] if self.whole_step else [cell.kernel, cell.recurrent_kernel, cell.bias]
        # What the step reads beside its arguments; the layer has used the kernel already.
        self.variables = [v for v in cell.weights if not any(v is other for other in held)]
        self.has_bias = not self.whole_step and cell.recurrent_bias is not None
        self.derivative = derivative_of(cell, self.variables, self.whole_step)
        self.forward = tf.function(self._forward, jit_compile=True, autograph=False)
        self.backward = tf.function(self._backward, jit_compile=True, autograph=False)

    def weights(self) -> Tensors:
        """Return the weights that the passes take as arguments, in the compute dtype."""
        products = [] if self.whole_step else [self.cell.recurrent_kernel, self.cell.recurrent_bias]
        return [ops.convert_to_tensor(w) for w in (*products, *self.variables) if w is not None]

    def _forward(
        self,
        projected: Tensor,
        before: States,
        weights: Tensors,
        masks: Masks,
        how: How,
        outputs: bool,
        keep: bool,
    ) -> tuple[States, States]:
        """Return the states of all steps, of which the first is the output, and the last ones.

        Without `keep` only the outputs are there, if asked for. With `how.remat` the outputs, if
        asked for, come before the states after every so many steps.
        """
        products = self._unpack(weights)
        time = _length(projected)
        inputs = [_unstack(gate) for gate in self._cut(projected)]
        valid = None if masks.steps is None else _unstack(masks.steps)
        spans = [1] * (len(before) if keep else int(outputs))
        if keep and how.remat:
            spans = [1] * int(outputs) + [how.remat] * len(before)
        kinds = (before[:1] if outputs and how.remat else ()) + before
        arrays = tuple(
            tf.TensorArray(kind.dtype, time // span, element_shape=kind.shape)
            for kind, span in zip(kinds, spans, strict=False)
        )

        def step(index: Tensor, states: States, arrays: Any) -> tuple[Tensor, States, Any]:
            now = time - 1 - index if how.reverse else index
            new = advance(
                self.cell,
                self.variables,
                self.whole_step,
                [gate.read(now) for gate in inputs],
                self._recur(states[0], products, masks.dropout),
                states,
                products.others,
                dropout_mask=masks.dropout,
            )
            if valid is not None:
                here = valid.read(now)
                new = tuple(tf.where(here, n, s) for n, s in zip(new, states, strict=True))
            written = (new[:1] if outputs and how.remat else ()) + new
            arrays = tuple(  # of a span, the last state written stays
                array.write(now // span, state)
                for array, state, span in zip(arrays, written, spans, strict=False)
            )
            return index + 1, new, arrays

        _, after, arrays = tf.while_loop(
            lambda index, *_: index < time, step, (0, before, arrays), maximum_iterations=time
        )
        return tuple(array.stack() for array in arrays), after

    def _backward(
        self,
        projected: Tensor,
        before: States,
        weights: Tensors,
        masks: Masks,
        kept: States,
        d_outputs: Tensor | None,
        d_after: States,
        steps: Tensor,
        how: How,
    ) -> Tensors:
        """Return the gradients of the projected inputs, the states before and the weights.

        Of all the steps, the first `steps` are the layer's and the others are padding.
        """
        if how.remat is None:
            return self._back(
                projected, before, weights, masks, kept, d_outputs, d_after, how, Place(0, steps)
            )
        span = how.remat
        count = _length(projected) // span

        def segments(sequence: Tensor | None) -> Any:
            if sequence is None:
                return None
            shape = (count, span, *tf.unstack(tf.shape(sequence))[1:])
            cut = tf.reshape(sequence, shape)
            return _unstack(tf.ensure_shape(cut, (None, span, *sequence.shape[1:])))

        inputs = segments(projected)
        valid, incoming = segments(masks.steps), segments(d_outputs)
        starts = [_unstack(_shift(k, b, False)) for k, b in zip(kept, before, strict=True)]
        array = tf.TensorArray(projected.dtype, count, element_shape=(span, *projected.shape[1:]))

        def step(index: Tensor, d_states: States, d_weights: Tensors, array: Any) -> Any:
            start = tuple(s.read(index) for s in starts)
            part = inputs.read(index)
            here = Masks(None if valid is None else valid.read(index), masks.dropout)
            states, _ = self._forward(
                part, start, weights, here, how._replace(remat=None), False, True
            )
            d_part, *rest = self._back(
                part,
                start,
                weights,
                here,
                states,
                None if incoming is None else incoming.read(index),
                d_states,
                how,
                Place(index * span, steps),
            )
            d_states, d_more = tuple(rest[: len(before)]), rest[len(before) :]
            d_weights = tuple(a + b for a, b in zip(d_weights, d_more, strict=True))
            return index - 1, d_states, d_weights, array.write(index, d_part)

        _, d_before, d_weights, array = tf.while_loop(
            lambda index, *_: index >= 0,
            step,
            (count - 1, d_after, tuple(tf.zeros_like(w) for w in weights), array),
            maximum_iterations=count,
        )
        return (tf.reshape(array.stack(), tf.shape(projected)), *d_before, *d_weights)

    def _back(
        self,
        projected: Tensor,
        before: States,
        weights: Tensors,
        masks: Masks,
        states: States,
        d_outputs: Tensor | None,
        d_after: States,
        how: How,
        place: Place,
    ) -> Tensors:
        """Go back through consecutive steps whose states are all there."""
        products = self._unpack(weights)
        time = _length(projected)
        # All that does not depend on the incoming gradient, for all steps at once.
        previous = tuple(
            _shift(s, first, how.reverse) for s, first in zip(states, before, strict=True)
        )
        recurrent = self._recur(previous[0], products, masks.dropout)
        factors = [
            _unstack(factor)
            for factor in self.derivative.linearize(
                self._cut(projected), recurrent, previous, states
            )
        ]
        incoming = None if d_outputs is None else _unstack(d_outputs)
        valid = None if masks.steps is None else _unstack(masks.steps)
        # One array for the gradient of the projected inputs and, where it differs, one for that
        # of the recurrent products.
        shared = self.whole_step or self.cell.sums_gates
        empty = tf.TensorArray(projected.dtype, time, element_shape=projected.shape[1:])
        arrays = (empty,) if shared else (empty, empty)

        def step(index: Tensor, d_states: States, d_others: Tensors, arrays: Any) -> Any:
            now = time - 1 - index if how.reverse else index
            if incoming is not None:
                d_states = (d_states[0] + incoming.read(now), *d_states[1:])
            d_skipped = tuple(tf.zeros_like(d) for d in d_states)
            if valid is not None:
                here = valid.read(now)
                zeros = d_skipped
                d_skipped = _where(here, zeros, d_states)
                d_states = _where(here, d_states, zeros)
            pulled = self.derivative.pull_back(
                [factor.read(now) for factor in factors], d_states, products.others, masks.dropout
            )
            d_states = tuple(d + skip for d, skip in zip(pulled.states, d_skipped, strict=True))
            parts = [tf.concat(pulled.projected, -1)]
            if not shared:
                parts.append(tf.concat(pulled.recurrent, -1))
            if products.kernel is not None:
                d_h = tf.matmul(parts[-1], products.kernel, transpose_b=True)
                d_h = d_h if masks.dropout is None else d_h * masks.dropout
                d_states = (d_states[0] + d_h, *d_states[1:])
            if how.truncate is not None:
                at = index + place.first
                cut = (at % how.truncate == 0) & (at > 0) & (at < place.end)
                d_states = _where(cut, tuple(tf.zeros_like(d) for d in d_states), d_states)
            d_others = tuple(total + d for total, d in zip(d_others, pulled.weights, strict=True))
            arrays = tuple(a.write(now, part) for a, part in zip(arrays, parts, strict=True))
            return index - 1, d_states, d_others, arrays

        _, d_before, d_others, arrays = tf.while_loop(
            lambda index, *_: index >= 0,
            step,
            (time - 1, d_after, tuple(tf.zeros_like(w) for w in products.others), arrays),
            maximum_iterations=time,
        )
        gradients = [array.stack() for array in arrays]
        d_products = []
        if products.kernel is not None:
            # dL/dU, the sum over time of h_{t-1}^T dz_t, as one product.
            h = previous[0] if masks.dropout is None else previous[0] * masks.dropout
            d_products = [tf.matmul(_rows(h), _rows(gradients[-1]), transpose_a=True)]
            if products.bias is not None:
                d_products.append(tf.reduce_sum(gradients[-1], [0, 1]))
        return (gradients[0], *d_before, *d_products, *d_others)

    def _unpack(self, weights: Tensors) -> Products:
        if self.whole_step:
            return Products(None, None, weights)
        if not self.has_bias:
            return Products(weights[0], None, weights[1:])
        return Products(weights[0], weights[1], weights[2:])

    def _cut(self, fused: Tensor) -> Tensors:
        """Cut gates before the loop: cutting inside it is what XLA is slow at."""
        return [fused] if self.whole_step else self.cell.split(fused)

    def _recur(self, h: Tensor, products: Products, dropout_mask: Tensor | None) -> Tensors:
        """Return the recurrent products of one step or of all, cut in gates."""
        if products.kernel is None:
            return []
        h = h if dropout_mask is None else h * dropout_mask
        product = tf.matmul(_rows(h), products.kernel)
        product = product if products.bias is None else product + products.bias
        if len(h.shape) == 3:
            product = tf.reshape(product, (*tf.unstack(tf.shape(h))[:2], product.shape[-1]))
        return self._cut(product)


def _where(condition: Tensor, one: States, other: States) -> States:
    return tuple(tf.where(condition, a, b) for a, b in zip(one, other, strict=True))


def _shift(states: Tensor, first: Tensor, reverse: bool) -> Tensor:
    """Return the state before each step from those after it."""
    parts = [states[1:], first[None]] if reverse else [first[None], states[:-1]]
    return tf.concat(parts, 0)


def _length(sequence: Tensor) -> Tensor:
    return sequence.shape[0] or tf.shape(sequence)[0]


def _rows(tensor: Tensor) -> Tensor:
    return tf.reshape(tensor, (-1, tensor.shape[-1]))


def _unstack(sequence: Tensor) -> tf.TensorArray:
    array = tf.TensorArray(sequence.dtype, tf.shape(sequence)[0], element_shape=sequence.shape[1:])
    return array.unstack(sequence)
