"""The forward and the backward pass of a cell over time, each compiled with XLA.

The textbook's sum over time, dL/dU = sum over t of h_{t-1}^T dz_t, is computed after the loop as
one matrix product, and so is every other product that need not wait for a step. Two kinds must wait
and stay in the loops: with U in each forward step, and with U^T in each backward step.
docs/backpropagation_through_time.md derives each line.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import tensorflow as tf

from rnnlayers.cells.base import Cell
from rnnlayers.cells.parts import Product, multiply, transposed
from rnnlayers.engines.arrays import unstack
from rnnlayers.engines.derivatives import Step, Tensors, advance
from rnnlayers.engines.plan import Plan
from rnnlayers.types import States, Tensor


class Arguments(NamedTuple):
    """What both passes read, in the compute dtype."""

    x: Tensors  # one for each leaf of what the cell has prepared, (time, batch, ...)
    before: States  # the states before the first step
    products: Mapping[str, Product]
    constants: tuple[Tensor, ...]
    weights: Tensors  # that the step itself reads


class Masks(NamedTuple):
    """The mask of the steps, `(time, batch, 1)` or None, and the number of steps to run.

    Sequences may be padded: None runs all steps.
    """

    steps: Tensor | None
    time: Tensor | None = None


class Saved(NamedTuple):
    """Sequences that a forward pass returns, `(time, batch, ...)` each."""

    states: Tensors  # after each step: all, or the first, or none
    products: Tensors = ()  # if the derivative needs them
    operands: Tensors = ()  # of the products whose operand is no state


class Gradients(NamedTuple):
    """The result of a backward pass."""

    x: Tensors  # of the leaves that have a gradient
    products: Tensors  # of each product, unless it is that of a leaf
    before: States
    constants: Tensors
    weights: Tensors


class Program:
    """Both passes of one cell, as compiled functions of tensors.

    A forward pass saves for the backward pass the states of all steps, `time * batch * size`
    numbers for each state, and the products, if the derivative needs them.
    """

    def __init__(self, cell: Cell, plan: Plan) -> None:
        self.cell = cell
        self.plan = plan
        self.plain = self._forward  # for automatic derivatives
        # TensorFlow warns of retracing for all functions with the same code together, and so for a
        # model of many layers. A partial function has no code of its own.
        self.forward, self.backward = (
            tf.function(partial(run), jit_compile=True, autograph=False)
            for run in (self._forward, self._backward)
        )

    def _forward(
        self, given: Arguments, masks: Masks, reverse: bool, outputs: int, save: bool
    ) -> tuple[Saved, States]:
        """Return sequences and the final states.

        Args:
            given: The arguments.
            masks: The masks.
            reverse: Whether to begin with the last step.
            outputs: How many of the states to return for all steps, if `save` does not say all.
            save: Whether to return what the backward pass needs.
        """
        calls, before = self.plan.calls, given.before
        length = _length(given.x[0])
        time = length if masks.time is None else masks.time
        inputs = self._arrays(given.x)
        valid = None if masks.steps is None else unstack(masks.steps)
        shapes = [state.shape for state in before[: len(before) if save else outputs]]
        rows = before[0].shape[:1]
        if save and self.plan.derivative.needs_products:
            shapes += [(*rows, call.sizes[1]) for call in calls]
        if save:
            shapes += [(*rows, call.sizes[0]) for call in calls if call.state is None]
        dtype = before[0].dtype
        arrays = tuple(tf.TensorArray(dtype, length, element_shape=shape) for shape in shapes)

        def step(index: Tensor, states: States, arrays: Any) -> tuple[Tensor, States, Any]:
            now = time - 1 - index if reverse else index
            new, (operands, products) = self._step(_read(inputs, now), states, given)
            if valid is not None:
                new = _where(valid.read(now), new, states)
            values = list(new)
            if save and self.plan.derivative.needs_products:
                values += products
            if save:
                values += [v for v, c in zip(operands, calls, strict=True) if c.state is None]
            # Without `save`, only the first states are kept.
            arrays = tuple(a.write(now, value) for a, value in zip(arrays, values, strict=False))
            return index + 1, new, arrays

        _, after, arrays = tf.while_loop(
            lambda index, *_: index < time, step, (0, before, arrays), maximum_iterations=length
        )
        sequences = [array.stack() for array in arrays]
        if not save:
            return Saved(sequences), after
        cut = len(before)
        last = cut + (len(calls) if self.plan.derivative.needs_products else 0)
        return Saved(sequences[:cut], sequences[cut:last], sequences[last:]), after

    def _step(
        self, tensors: Tensors, states: States, given: Arguments
    ) -> tuple[States, tuple[list[Tensor], list[Tensor]]]:
        """Return the new states, and the operands and the results of the products."""
        operands: list[Tensor] = []
        results: list[Tensor] = []

        def product(v: Tensor, name: str = "") -> Any:
            operands.append(v)
            results.append(given.products[name].of(v))
            return given.products[name].cut(results[-1])

        here = Step(tensors, states, [], given.constants, given.weights)
        return advance(self.cell, self.plan.variables, here, product), (operands, results)

    def _backward(
        self,
        given: Arguments,
        masks: Masks,
        saved: Saved,
        d_states: Tensors,
        d_after: States,
        reverse: bool,
    ) -> Gradients:
        """Return all gradients except those that `sum_over_time` computes.

        Args:
            given: The arguments of the forward pass.
            masks: As there.
            saved: What it has saved.
            d_states: The gradients of the first states after each step, `(time, batch, size)`.
            d_after: The gradients of the final states.
            reverse: As there.
        """
        plan, products = self.plan, given.products
        length = _length(given.x[0])
        time = length if masks.time is None else masks.time
        # Everything that does not depend on the incoming gradient, for all steps at once.
        previous = shifted(saved.states, given.before, reverse, masks.time)
        known = [
            products[call.name].cut(product)
            for call, product in zip(plan.calls, saved.products, strict=False)
        ]
        given_steps = Step(plan.view(given.x), previous, known, given.constants, given.weights)
        factors = tf.nest.map_structure(
            unstack, plan.derivative.linearize(given_steps, tuple(saved.states))
        )
        incoming = [unstack(d) for d in d_states]
        valid = None if masks.steps is None else unstack(masks.steps)
        # Transposed once, outside the loop: a product with a transposed operand is slower.
        kernels = {name: transposed(product.kernel) for name, product in products.items()}
        own = [number for number, call in enumerate(plan.calls) if call.leaf is None]
        shapes = [given.x[number].shape[1:] for number in plan.leaves]
        shapes += [(*given.before[0].shape[:1], plan.calls[number].sizes[1]) for number in own]
        dtype = given.before[0].dtype
        arrays = tuple(tf.TensorArray(dtype, length, element_shape=shape) for shape in shapes)

        def step(index: Tensor, d_new: States, totals: Tensors, arrays: Any) -> Any:
            now = time - 1 - index if reverse else index
            d_new = tuple(
                d + incoming[number].read(now) if number < len(incoming) else d
                for number, d in enumerate(d_new)
            )
            if valid is not None:
                here = valid.read(now)
                zeros = tuple(tf.zeros_like(d) for d in d_new)
                d_skipped = _where(here, zeros, d_new)
                d_new = _where(here, d_new, zeros)
            d_products: list[Any] = [None] * len(plan.calls)

            def back(number: int, d: Any) -> Tensor:
                d_products[number] = d = tf.concat(d, -1) if isinstance(d, list) else d
                return multiply(d, kernels[plan.calls[number].name])

            one = Step(None, (), [], given.constants, given.weights)
            here_factors = tf.nest.map_structure(lambda factor: factor.read(now), factors)
            pulled = plan.derivative.pull_back(here_factors, one, d_new, back)
            d_new = tuple(pulled.states)
            if valid is not None:
                d_new = tuple(d + skip for d, skip in zip(d_new, d_skipped, strict=True))
            parts = [pulled.x[number] for number in plan.leaves]
            parts = [tf.concat(d, -1) if isinstance(d, list) else d for d in parts]
            parts += [
                # A step may compute a product and use nothing of it.
                tf.zeros((tf.shape(d_new[0])[0], plan.calls[number].sizes[1]), d_new[0].dtype)
                if d_products[number] is None
                else d_products[number]
                for number in own
            ]
            found = [pulled.constants[number] for number in plan.constants]
            found += [d for d in pulled.weights if d is not None]
            totals = tuple(total + d for total, d in zip(totals, found, strict=True))
            arrays = tuple(a.write(now, part) for a, part in zip(arrays, parts, strict=True))
            return index - 1, d_new, totals, arrays

        totals = [given.constants[number] for number in plan.constants] + list(given.weights)
        _, d_before, totals, arrays = tf.while_loop(
            lambda index, *_: index >= 0,
            step,
            (time - 1, tuple(d_after), tuple(map(tf.zeros_like, totals)), arrays),
            maximum_iterations=length,
        )
        stacked = [array.stack() for array in arrays]
        cut, middle = len(plan.leaves), len(plan.constants)
        return Gradients(stacked[:cut], stacked[cut:], d_before, totals[:middle], totals[middle:])

    def sum_over_time(
        self, gradients: Gradients, given: Arguments, saved: Saved, masks: Masks, reverse: bool
    ) -> dict[str, Product]:
        """Return dL/dU, the sum over time of h_{t-1}^T dz_t, as one product, and dL/dbias.

        Args:
            gradients: Of a backward pass.
            given: As in the pass.
            saved: As in the pass.
            masks: As in the pass.
            reverse: As in the pass.

        Returns:
            The gradients of the kernel and the bias of each product, under its name.
        """
        by_leaf = dict(zip(self.plan.leaves, gradients.x, strict=True))
        own, operands = iter(gradients.products), iter(saved.operands)
        totals: dict[str, Product] = {}
        for name, state, leaf, _ in self.plan.calls:
            if state is None:
                v = next(operands)
            else:
                (v,) = shifted(
                    saved.states[state : state + 1], given.before[state:], reverse, masks.time
                )
            d = next(own) if leaf is None else by_leaf[leaf]
            product = given.products[name]
            d_bias = None if product.bias is None else tf.reduce_sum(d, [0, 1])
            found = Product(_kernel_gradient(v, d, product.kernel), d_bias)
            if name in totals:
                before = totals[name]
                d_bias = None if d_bias is None else before.bias + d_bias
                found = Product(before.kernel + found.kernel, d_bias)
            totals[name] = found
        return totals

    def _arrays(self, x: Tensors) -> Any:
        """Return the steps of the inputs, cut before the loop: XLA cuts slowly inside it."""
        return tf.nest.map_structure(unstack, self.plan.view(x))


def shifted(
    states: Tensors, first: Sequence[Tensor], reverse: bool, time: Tensor | None = None
) -> tuple[Tensor, ...]:
    """Return the states before each step, from the states after each step.

    Args:
        states: `(time, batch, size)` each.
        first: The states before the first step.
        reverse: Whether the last step is computed first.
        time: The number of steps that were computed, None for all.
    """
    return tuple(_shift(s, f, reverse, time) for s, f in zip(states, first, strict=False))


def _shift(states: Tensor, first: Tensor, reverse: bool, time: Tensor | None) -> Tensor:
    if not reverse:
        return tf.concat([first[None], states[:-1]], 0)
    before = tf.concat([states[1:], first[None]], 0)
    if time is None:
        return before
    begins = tf.range(_length(states)) == time - 1
    return tf.where(begins[:, None, None], first, before)


def _kernel_gradient(v: Tensor, d: Tensor, kernel: Tensor) -> Tensor:
    """Return the gradient of a kernel, see `Product`, from all operands and gradients."""
    v, d = (tf.reshape(tensor, (-1, tensor.shape[-1])) for tensor in (v, d))
    rank = len(kernel.shape)
    if rank == 2:
        return tf.matmul(v, d, transpose_a=True)
    if rank == 1:
        return tf.reduce_sum(v * d, 0)
    blocks, size, width = kernel.shape
    v, d = tf.reshape(v, (-1, blocks, size)), tf.reshape(d, (-1, blocks, width))
    return tf.einsum("rbi,rbo->bio", v, d)


def _read(arrays: Any, now: Tensor) -> Any:
    return tf.nest.map_structure(lambda array: array.read(now), arrays)


def _where(condition: Tensor, one: Sequence[Tensor], other: Sequence[Tensor]) -> States:
    return tuple(tf.where(condition, a, b) for a, b in zip(one, other, strict=True))


def _length(sequence: Tensor) -> Tensor:
    return sequence.shape[0] or tf.shape(sequence)[0]
