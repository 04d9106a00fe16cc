"""What the compiled engine finds out about a cell's step by tracing it once.

Nothing of this is declared in a cell: which weights a step reads, which products it computes, and
from what.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from rnnlayers.cells.base import Cell
from rnnlayers.cells.parts import Product, for_step, tensors_of, with_tensors
from rnnlayers.engines.derivatives import (
    AutomaticDerivative,
    OwnDerivative,
    Step,
    StepGradients,
    Tensors,
    advance,
    derivative_of,
)
from rnnlayers.engines.graph_cache import values_of
from rnnlayers.types import States, Tensor


class Call(NamedTuple):
    """One call of `product` in a step."""

    name: str
    state: int | None  # the number of the state that is multiplied, None for another operand
    leaf: int | None  # the leaf of `x` whose gradient is that of the product, None if none is
    sizes: tuple[int, int]  # of the operand and of the product


class Plan(NamedTuple):
    """What a step does."""

    x: Any  # the structure of `x`: None for a tensor, `Fused(None, parts)` for a fused one
    calls: Sequence[Call]
    variables: Sequence[keras.Variable]  # the weights that it reads
    constants: Sequence[int]  # the numbers of the constants that have a gradient
    leaves: Sequence[int]  # the numbers of the leaves of `x` that have a gradient
    derivative: OwnDerivative | AutomaticDerivative

    def view(self, tensors: Tensors) -> Any:
        """Return tensors, one for each leaf, as a step receives them."""
        return for_step(with_tensors(self.x, tensors))


def make_plan(
    cell: Cell,
    x: Any,
    before: States,
    products: Mapping[str, Product],
    constants: tuple[Tensor, ...],
) -> Plan:
    """Trace one step forwards and back.

    Args:
        cell: A built cell.
        x: From `cell.prepare`, with at least one step.
        before: The states before the first step.
        products: From `cell.products`.
        constants: From `cell.prepare`.
    """
    for tensor in tensors_of(x):
        if not tensor.dtype.is_floating:
            raise ValueError(
                f"`prepare` of {type(cell).__name__} must return tensors of floats; received one "
                f"of {tensor.dtype.name}. Cast it, and compare in `step`."
            )
    variables = [v for v in cell.weights if keras.backend.is_float_dtype(v.dtype)]
    given = Step(for_step(x, lambda t: t[0]), before, [], constants, values_of(variables))
    operands: list[Tensor] = []
    results: list[Tensor] = []
    names: list[str] = []

    def product(v: Tensor, name: str = "") -> Any:
        operands.append(v)
        names.append(name)
        results.append(products[name].of(v))
        given.products.append(products[name].cut(results[-1]))
        return given.products[-1]

    d_states = tuple(map(tf.ones_like, advance(cell, variables, given, product)))
    noted: list[Any] = [None] * len(names)

    def pull_back(derivative: OwnDerivative | AutomaticDerivative, given: Step) -> StepGradients:
        one = [tf.nest.map_structure(lambda t: t[None], part) for part in given[:3]]
        factors = derivative.linearize(
            given._replace(x=one[0], states=one[1], products=one[2]), one[1]
        )
        now = tf.nest.map_structure(lambda t: t[0], factors)

        def back(number: int, d: Any) -> Tensor:
            noted[number] = d
            return tf.zeros_like(operands[number])

        return derivative.pull_back(now, given, d_states, back)

    found = pull_back(AutomaticDerivative(cell, variables), given)
    read = [number for number, d in enumerate(found.weights) if d is not None]
    variables = [variables[number] for number in read]
    derivative = derivative_of(cell, variables, names)
    gradients = found
    if isinstance(derivative, OwnDerivative):
        gradients = pull_back(derivative, given._replace(weights=[]))
    return Plan(
        with_tensors(x, [None] * len(tensors_of(x))),
        [
            Call(
                name,
                _place(operand, before),
                _place(d, gradients.x),
                (operand.shape[-1], result.shape[-1]),
            )
            for name, operand, result, d in zip(names, operands, results, noted, strict=True)
        ],
        variables,
        [number for number, d in enumerate(gradients.constants) if d is not None],
        [number for number, d in enumerate(gradients.x) if d is not None],
        derivative,
    )


def _place(wanted: Any, among: Sequence[Any]) -> int | None:
    """Return the number of the very same tensors, or None."""

    def same(one: Any, other: Any) -> bool:
        if isinstance(one, list) and isinstance(other, list):
            return len(one) == len(other) and all(map(same, one, other))
        return one is not None and one is other

    return next((number for number, thing in enumerate(among) if same(wanted, thing)), None)
