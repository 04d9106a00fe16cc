"""The forward and the backward pass of a cell over time, each compiled with XLA.

The textbook's sum over time, dL/dU = sum over t of h_{t-1}^T dz_t, is computed after the loop as
one matrix product, and so is every other product that need not wait for a step. Two products must
wait and stay in the loops: with U in each forward step, and with U^T in each backward step.
docs/backpropagation_through_time.md derives each line.
"""

from typing import Any, NamedTuple

import tensorflow as tf

from rnnlayers.cells.base import RecurrentCell
from rnnlayers.engines.arrays import unstack
from rnnlayers.engines.derivatives import Tensors, advance, declares, derivative_of
from rnnlayers.engines.graph_cache import values_of
from rnnlayers.types import States, Tensor


class Masks(NamedTuple):
    """The masks of steps `(time, batch, 1)` and of dropout `(batch, units)`, and the steps to run.

    Sequences may be padded. `time` is the number of steps to run; None runs all.
    """

    steps: Tensor | None
    dropout: Tensor | None
    time: Tensor | None = None


class Weights(NamedTuple):
    """The weights of a cell in the form that the loops use, in the compute dtype."""

    kernel: Tensor | None  # (units, gates * units); None if the step computes its products
    transposed: Tensor | None  # the same, (gates * units, units)
    bias: Tensor | None  # (gates * units,), added to the product
    others: Tensors  # weights that the step itself reads


class Gradients(NamedTuple):
    """The result of a backward pass."""

    projected: Tensor
    recurrent: Tensor | None  # of all products; None if equal to those of `projected`
    before: States
    others: Tensors


class Program:
    """Both passes of one cell, as compiled functions of tensors.

    A forward pass saves for the backward pass the states of all steps, `time * batch * units`
    numbers for each state, and the recurrent products, the same number for each gate, if the
    derivative needs them.
    """

    def __init__(self, cell: RecurrentCell) -> None:
        self.cell = cell
        self.whole_step = not cell.is_cut_in_three
        # Whether the gradients of the projected inputs and of the products are equal.
        self.shared = self.whole_step or declares(cell, "sums_gates")
        used = [cell.kernel] if self.whole_step else [cell.kernel, cell.recurrent_kernel, cell.bias]
        # The weights that the step reads; the others are used outside the step.
        self.variables = [v for v in cell.weights if not any(v is other for other in used)]
        self.derivative = derivative_of(cell, self.variables, self.whole_step)
        self.plain = self._forward  # for automatic derivatives
        self.forward = tf.function(self._forward, jit_compile=True, autograph=False)
        self.backward = tf.function(self._backward, jit_compile=True, autograph=False)

    def weights(self) -> Tensors:
        """Return the weights that get gradients: those of products, then those of the step."""
        products = [] if self.whole_step else [self.cell.recurrent_kernel, self.cell.recurrent_bias]
        return values_of([w for w in (*products, *self.variables) if w is not None])

    def arrange(self, weights: Tensors) -> Weights:
        """Arrange the tensors of `weights` in the form that the loops use."""
        count = len(weights) - len(self.variables)
        kernel, bias = (*weights[:count], None, None)[:2]
        # Transposed once, outside the loop: a product with a transposed operand is slower.
        transposed = None if kernel is None else tf.transpose(kernel)
        return Weights(kernel, transposed, bias, list(weights[count:]))

    def _forward(
        self,
        projected: Tensor,
        before: States,
        weights: Weights,
        masks: Masks,
        reverse: bool,
        outputs: bool,
        save: bool,
    ) -> tuple[Tensors, States]:
        """Return sequences and the final states. The first sequence is the outputs, if asked for.

        With `save`, the sequences are the states of all steps and, if the derivative needs them,
        the recurrent products.
        """
        length = _length(projected)
        time = length if masks.time is None else masks.time
        inputs = [unstack(gate) for gate in self._cut(projected)]
        valid = None if masks.steps is None else unstack(masks.steps)
        kinds = list(before) if save else [before[0]] if outputs else []
        if save and self.derivative.needs_products:
            kinds.append(projected[0])
        arrays = tuple(
            tf.TensorArray(kind.dtype, length, element_shape=kind.shape) for kind in kinds
        )

        def step(index: Tensor, states: States, arrays: Any) -> tuple[Tensor, States, Any]:
            now = time - 1 - index if reverse else index
            product = self._multiply(states[0], weights, masks.dropout)
            new = advance(
                self.cell,
                self.variables,
                self.whole_step,
                [gate.read(now) for gate in inputs],
                [] if product is None else self._cut(product),
                states,
                weights.others,
                dropout_mask=masks.dropout,
            )
            if valid is not None:
                new = _where(valid.read(now), new, states)
            values = (*new, product) if save else new
            arrays = tuple(
                array.write(now, value) for array, value in zip(arrays, values, strict=False)
            )
            return index + 1, new, arrays

        _, after, arrays = tf.while_loop(
            lambda index, *_: index < time, step, (0, before, arrays), maximum_iterations=length
        )
        return tuple(array.stack() for array in arrays), after

    def _backward(
        self,
        projected: Tensor,
        before: States,
        weights: Weights,
        masks: Masks,
        saved: Tensors,
        d_outputs: Tensor | None,
        d_after: States,
        reverse: bool,
    ) -> Gradients:
        """Return all gradients except those that `sum_over_time` computes."""
        length = _length(projected)
        time = length if masks.time is None else masks.time
        states = tuple(saved[: len(before)])
        # Everything that does not depend on the incoming gradient, for all steps at once.
        previous = tuple(
            _shift(s, first, reverse, masks.time) for s, first in zip(states, before, strict=True)
        )
        recurrent = self._cut(saved[-1]) if self.derivative.needs_products else []
        factors = [
            unstack(factor)
            for factor in self.derivative.linearize(
                self._cut(projected), recurrent, previous, states
            )
        ]
        incoming = None if d_outputs is None else unstack(d_outputs)
        valid = None if masks.steps is None else unstack(masks.steps)
        arrays = tuple(
            tf.TensorArray(projected.dtype, length, element_shape=projected.shape[1:])
            for _ in range(1 if self.shared else 2)
        )

        def step(index: Tensor, d_states: States, d_others: Tensors, arrays: Any) -> Any:
            now = time - 1 - index if reverse else index
            if incoming is not None:
                d_states = (d_states[0] + incoming.read(now), *d_states[1:])
            if valid is not None:
                here = valid.read(now)
                zeros = tuple(tf.zeros_like(d) for d in d_states)
                d_skipped = _where(here, zeros, d_states)
                d_states = _where(here, d_states, zeros)
            pulled = self.derivative.pull_back(
                [factor.read(now) for factor in factors], d_states, weights.others, masks.dropout
            )
            d_states = pulled.states
            if valid is not None:
                d_states = tuple(d + skip for d, skip in zip(d_states, d_skipped, strict=True))
            parts = [tf.concat(pulled.projected, -1)]
            if not self.shared:
                parts.append(tf.concat(pulled.recurrent, -1))
            if weights.transposed is not None:
                d_h = tf.matmul(parts[-1], weights.transposed)
                d_h = d_h if masks.dropout is None else d_h * masks.dropout
                d_states = (d_states[0] + d_h, *d_states[1:])
            d_others = tuple(total + d for total, d in zip(d_others, pulled.weights, strict=True))
            arrays = tuple(a.write(now, part) for a, part in zip(arrays, parts, strict=True))
            return index - 1, d_states, d_others, arrays

        _, d_before, d_others, arrays = tf.while_loop(
            lambda index, *_: index >= 0,
            step,
            (time - 1, d_after, tuple(tf.zeros_like(w) for w in weights.others), arrays),
            maximum_iterations=length,
        )
        d_projected, *rest = (array.stack() for array in arrays)
        return Gradients(d_projected, rest[0] if rest else None, d_before, d_others)

    def sum_over_time(
        self,
        gradients: Gradients,
        first: Tensor,
        outputs: Tensor,
        weights: Weights,
        masks: Masks,
        reverse: bool,
    ) -> Tensors:
        """Return dL/dU, the sum over time of h_{t-1}^T dz_t, as one product, and dL/dbias.

        Args:
            gradients: Of a backward pass.
            first: `(batch, units)`, the output before the first step.
            outputs: `(time, batch, units)`, the output after each step.
            weights: As in the pass.
            masks: As in the pass.
            reverse: As in the pass.
        """
        if weights.kernel is None:
            return ()
        h = _shift(outputs, first, reverse, masks.time)
        h = h if masks.dropout is None else h * masks.dropout
        d_z = gradients.projected if self.shared else gradients.recurrent
        d_kernel = tf.matmul(_rows(h), _rows(d_z), transpose_a=True)
        return (d_kernel,) if weights.bias is None else (d_kernel, tf.reduce_sum(d_z, [0, 1]))

    def _cut(self, fused: Tensor) -> Tensors:
        """Cut the gates before the loop, since XLA cuts slowly inside it."""
        return [fused] if self.whole_step else self.cell.split(fused)

    def _multiply(self, h: Tensor, weights: Weights, dropout_mask: Tensor | None) -> Tensor | None:
        """Return the recurrent product of one step."""
        if weights.kernel is None:
            return None
        product = tf.matmul(h if dropout_mask is None else h * dropout_mask, weights.kernel)
        return product if weights.bias is None else product + weights.bias


def _where(condition: Tensor, one: States, other: States) -> States:
    return tuple(tf.where(condition, a, b) for a, b in zip(one, other, strict=True))


def _shift(states: Tensor, first: Tensor, reverse: bool, time: Tensor | None) -> Tensor:
    """Return the state before each step, from the states after each step."""
    if not reverse:
        return tf.concat([first[None], states[:-1]], 0)
    before = tf.concat([states[1:], first[None]], 0)
    if time is None:
        return before
    begins = tf.range(_length(states)) == time - 1
    return tf.where(begins[:, None, None], first, before)


def _length(sequence: Tensor) -> Tensor:
    return sequence.shape[0] or tf.shape(sequence)[0]


def _rows(tensor: Tensor) -> Tensor:
    return tf.reshape(tensor, (-1, tensor.shape[-1]))
