"""The derivative of a cell's step: one written by hand if it has one that fits, else automatic.

A derivative has two parts, so that the loop back through time computes as little as possible:

- `linearize` computes, for all steps at once, every factor that does not depend on the incoming
  gradient;
- `pull_back` computes, from the gradients of one step's new states, those of its arguments.

Neither multiplies with a matrix. The results of the products are known from the forward pass, and
`back` takes the gradient of each to that of its operand.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from rnnlayers.cells.base import Cell
from rnnlayers.engines.graph_cache import call_with_weights
from rnnlayers.types import States, Tensor

Tensors = Sequence[Tensor]


class Step(NamedTuple):
    """The arguments of one step, or of all steps with a leading axis `time`."""

    x: Any
    states: States
    products: list[Any]  # what each call of `product` returned
    constants: tuple[Tensor, ...]
    weights: Tensors  # of `variables`, in their own shapes


class StepGradients(NamedTuple):
    """Gradients with respect to the arguments of one step; None where it does not depend on one."""

    x: list[Any]  # of each of `leaves(x)`, a list for a fused one
    states: Tensors
    constants: Sequence[Tensor | None]
    weights: Sequence[Tensor | None]


class OwnDerivative:
    """A derivative written by hand, of a class such as `rnnlayers.cells.lstm.LSTMDerivative`."""

    def __init__(self, written: Any, names: Sequence[str]) -> None:
        self.written = written
        self.names = names
        self.needs_products = written.needs_products

    def linearize(self, steps: Step, states: States) -> Any:
        """Return the factors for all steps, each `(time, batch, units)`."""
        return self.written.linearize(steps.x, steps.products, steps.states, states)

    def pull_back(
        self, factors: Any, given: Step, d_states: States, back: Callable[..., Tensor]
    ) -> StepGradients:
        """Return the gradients of one step, from those of its new states.

        Args:
            factors: Those of `linearize` at this step.
            given: The step; only its constants count.
            d_states: The gradients of the new states.
            back: Takes the number of a product and its gradient, and returns that of its operand.
        """
        left = list(enumerate(self.names))

        def back_by_name(d: Any, name: str = "") -> Tensor:
            place = next(p for p in reversed(left) if p[1] == name)
            left.remove(place)
            return back(place[0], d)

        d_x, d_previous = self.written.pull_back(factors, d_states, back_by_name, given.constants)
        none = [None] * len(given.constants), [None] * len(given.weights)
        return StepGradients(list(_leaves(d_x)), d_previous, *none)


class AutomaticDerivative:
    """The derivative of a step by a tape at each step of the loop back.

    Its factors are the arguments themselves.
    """

    needs_products = True

    def __init__(self, cell: Cell, variables: Sequence[keras.Variable]) -> None:
        self.cell = cell
        self.variables = variables

    def linearize(self, steps: Step, states: States) -> Any:
        """Return the arguments of all steps, each with the leading axis `time`."""
        return steps.x, steps.states, steps.products

    def pull_back(
        self, factors: Any, given: Step, d_states: States, back: Callable[..., Tensor]
    ) -> StepGradients:
        """Return the gradients of one step; see `OwnDerivative.pull_back`."""
        x, previous, products = factors
        count = iter(range(len(products)))

        def recall(v: Tensor, name: str = "") -> Any:
            """Return the product that is known, and note what comes back to it."""
            number = next(count)
            known = products[number]

            @tf.custom_gradient
            def function(v: Tensor) -> tuple[Any, Callable[..., Tensor]]:
                return known, lambda *d: back(number, list(d) if isinstance(known, list) else d[0])

            return function(v)

        moving = [constant for constant in given.constants if constant.dtype.is_floating]
        sources = x, tuple(previous), moving, tuple(given.weights)
        with tf.GradientTape() as tape:
            tape.watch(sources)
            new = advance(
                self.cell, self.variables, given._replace(x=x, states=tuple(previous)), recall
            )
        d_x, d_previous, d_moving, d_weights = tape.gradient(
            list(new), sources, output_gradients=list(d_states)
        )
        d_previous = tuple(
            tf.zeros_like(state) if d is None else d
            for d, state in zip(d_previous, previous, strict=True)
        )
        left = iter(d_moving)
        d_constants = [next(left) if c.dtype.is_floating else None for c in given.constants]
        return StepGradients(_by_leaf(x, d_x), d_previous, d_constants, d_weights)


def _by_leaf(x: Any, d_x: Any) -> list[Any]:
    """Return gradients with respect to what a step received as `x`, one for each leaf.

    A fused leaf has arrived as a list. Parts of it that the step does not read are zero.
    """
    if isinstance(x, list):
        if all(d is None for d in d_x):
            return [None]
        return [[tf.zeros_like(p) if d is None else d for p, d in zip(x, d_x, strict=True)]]
    if isinstance(x, tuple):
        return [d for pair in zip(x, d_x, strict=True) for d in _by_leaf(*pair)]
    return [d_x]


def _leaves(d_x: Any) -> Iterator[Any]:
    """Yield the gradients that a derivative by hand returns for `x`, one for each leaf."""
    if isinstance(d_x, tuple):
        for part in d_x:
            yield from _leaves(part)
    else:
        yield d_x


def advance(
    cell: Cell, variables: Sequence[keras.Variable], given: Step, product: Callable[..., Any]
) -> States:
    """Return the new states, computed with `given.weights` in place of the cell's `variables`.

    A function with a gradient written by hand must get its weights as arguments, while a cell
    reads its own attributes. `keras.StatelessScope` connects the two.
    """

    def step() -> States:
        return cell.step(given.x, given.states, product, given.constants)

    return tuple(call_with_weights(cell, variables, given.weights, step) if variables else step())


def derivative_of(
    cell: Cell, variables: Sequence[keras.Variable], names: Sequence[str]
) -> OwnDerivative | AutomaticDerivative:
    """Return the cell's own derivative if it has one that fits.

    Args:
        cell: The cell.
        variables: The weights that its step reads.
        names: Names of the products, in the order of their calls.
    """
    # Of the class itself: a subclass may have another step.
    for written in vars(type(cell)).get("derivatives", ()):
        if written.fits(cell) and not variables:
            return OwnDerivative(written(cell), names)
    return AutomaticDerivative(cell, variables)
