"""The compiled engine: backpropagation through time written by hand, compiled with XLA.

`program.py` has the two passes; this module makes one differentiable function of them.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import tensorflow as tf
from keras import ops

from rnnlayers.cells.base import Cell
from rnnlayers.cells.parts import Product, SideInputs, tensors_of, with_tensors
from rnnlayers.engines.derivatives import Tensors
from rnnlayers.engines.gradients import with_gradient
from rnnlayers.engines.graph_cache import cached, values_of
from rnnlayers.engines.plan import make_plan
from rnnlayers.engines.program import Arguments, Gradients, Masks, Program, Saved, shifted
from rnnlayers.engines.segments import run_in_segments
from rnnlayers.engines.stepwise import run_stepwise
from rnnlayers.types import States, Tensor

ThroughTime = Callable[..., tuple[Tensor | None, States]]


def run_compiled(
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
    """Run a cell over time; see `run_stepwise`. XLA compiles it once for each (batch, time)."""
    options: dict[str, Any] = {"return_sequences": return_sequences}
    through_time: ThroughTime = partial(_through_time, cell, **options)
    steps = inputs.shape[0]
    span = remat or truncate or _segment_length(steps)
    if span is None or (steps is not None and steps <= span):
        return through_time(inputs, initial_states, mask, side, reverse=reverse, training=training)
    return run_in_segments(
        through_time,
        partial(run_stepwise, cell, truncate=truncate, **options),
        cell,
        inputs,
        initial_states,
        mask,
        side,
        reverse=reverse,
        return_sequences=return_sequences,
        span=span,
        truncate=truncate,
    )


def _through_time(
    cell: Cell,
    inputs: Tensor,
    initial_states: States,
    mask: Tensor | None,
    side: SideInputs | None,
    *,
    reverse: bool = False,
    return_sequences: bool,
    training: bool,
) -> tuple[Tensor | None, States]:
    """Run a cell over all steps in one pass that saves all states."""
    x, constants = cell.prepare(inputs, side)
    steps = tensors_of(x)
    time, length = None, _length_to_pad_to(steps[0])
    if length is not None:
        time = tf.shape(steps[0])[0]
        steps = [_pad_to(leaf, length) for leaf in steps]
        mask = _pad_to(mask, length)
    products = {name: _as_tensors(product) for name, product in cell.products(side).items()}
    program = _program_of(cell, with_tensors(x, steps), initial_states, products, constants)
    plan, masks = program.plan, Masks(mask, time)
    # How many of the states are returned for all steps.
    kept = len(initial_states) if cell.reads else int(return_sequences)
    layout = _Layout(steps, initial_states, products, constants, plan.constants)

    def forward(*inputs: Tensor) -> tuple[Tensors, Saved]:
        saved, after = program.forward(layout.read(inputs), masks, reverse, kept, training)
        return (*saved.states[:kept], *after), saved

    def backward(inputs: Tensors, saved: Saved, upstream: Tensors) -> Tensors:
        given = layout.read(inputs)
        if not training:  # a call without `training` may be differentiated too
            saved, _ = program.forward(given, masks, reverse, 0, True)
        gradients = program.backward(
            given, masks, saved, list(upstream[:kept]), tuple(upstream[kept:]), reverse
        )
        # TensorFlow's own large products are faster than those of the compiled part.
        sums = program.sum_over_time(gradients, given, saved, masks, reverse)
        return layout.gradients(given, gradients, sums, plan.leaves)

    def plain(*inputs: Tensor) -> Tensors:
        saved, after = program.plain(layout.read(inputs), masks, reverse, kept, False)
        return (*saved.states, *after)

    function = with_gradient(forward, backward, plain)
    results = function(*layout.tensors, *values_of(plan.variables))
    sequences, after = results[:kept], tuple(results[kept:])
    if not kept:
        return None, after
    if cell.reads:
        before = shifted(sequences, initial_states, reverse, time)
        outputs = cell.read(plan.view(steps), tuple(sequences), before, constants)
    else:
        (outputs,) = sequences
    return outputs if time is None else outputs[:time], after


class _Layout:
    """The order of the tensors that the differentiable function takes, and of their gradients."""

    def __init__(
        self,
        steps: Tensors,
        before: States,
        products: Mapping[str, Product],
        constants: tuple[Tensor, ...],
        differentiable: Sequence[int],
    ) -> None:
        self.products = products
        # Those without a gradient are closed over, and must not lead a tape into compiled loops.
        self.constants = tuple(map(tf.stop_gradient, constants))
        self.differentiable = differentiable
        weights = [w for product in products.values() for w in product[:2] if w is not None]
        moving = [constants[number] for number in differentiable]
        self.tensors = [*steps, *before, *weights, *moving]
        self.cuts = len(steps), len(before), len(weights), len(moving)

    def read(self, inputs: Tensors) -> Arguments:
        """Arrange the arguments of the function."""
        left = iter(inputs)
        x, before, weights, moving = ([next(left) for _ in range(cut)] for cut in self.cuts)
        constants, tensors = list(self.constants), iter(weights)
        for number, value in zip(self.differentiable, moving, strict=True):
            constants[number] = value
        products = {
            name: Product(next(tensors), None if p.bias is None else next(tensors), p.parts)
            for name, p in self.products.items()
        }
        return Arguments(x, tuple(before), products, tuple(constants), list(left))

    def gradients(
        self,
        given: Arguments,
        found: Gradients,
        sums: Mapping[str, Product],
        leaves: Sequence[int],
    ) -> Tensors:
        """Arrange the gradients in the order of the arguments."""
        by_leaf = dict(zip(leaves, found.x, strict=True))
        d_x = [by_leaf.get(n, tf.zeros_like(leaf)) for n, leaf in enumerate(given.x)]
        d_weights = [
            tf.zeros_like(weight) if name not in sums else d
            for name, product in given.products.items()
            for weight, d in zip(product[:2], sums.get(name, product)[:2], strict=True)
            if weight is not None
        ]
        return (*d_x, *found.before, *d_weights, *found.constants, *found.weights)


def _as_tensors(product: Product) -> Product:
    kernel, bias = (
        None if weight is None else tf.convert_to_tensor(ops.convert_to_tensor(weight))
        for weight in product[:2]
    )
    return Product(kernel, bias, product.parts)


def _program_of(
    cell: Cell,
    x: Any,
    before: States,
    products: Mapping[str, Product],
    constants: tuple[Tensor, ...],
) -> Program:
    """Return the compiled passes of a cell, in eager calls those of an earlier call.

    Eager calls put no graph around the passes: under several tapes TensorFlow would prepare to
    differentiate that graph again, which it cannot do with loops that XLA compiles.
    """

    def make() -> Program:
        return Program(cell, make_plan(cell, x, before, products, constants))

    if not tf.executing_eagerly():
        return make()
    programs: dict[str, Program] = cached(cell, "programs", dict)
    tensors = tf.nest.flatten((x, before, products, constants))
    kinds = str([getattr(tensor, "shape", tensor) for tensor in tensors])
    if kinds not in programs:
        programs[kinds] = make()
    return programs[kinds]


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
    edges = [[0, length - tf.shape(sequence)[0]], *([0, 0] for _ in sequence.shape[1:])]
    return tf.pad(sequence, edges)
