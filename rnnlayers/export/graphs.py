"""Endpoints as graphs, and how the live model answers: what every export begins with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from rnnlayers.checks import check_number
from rnnlayers.engines.target import Target, portable
from rnnlayers.export.endpoints import Endpoint, make_endpoints, make_probes
from rnnlayers.export.portable import check_portable, cudnn_switched_off, lookup_tables, reachable
from rnnlayers.export.verify import Call, answer_live


class Traced(NamedTuple):
    """What is to be written, and how it has to answer."""

    functions: dict[str, Any]  # of each endpoint a `ConcreteFunction`
    calls: list[Call]  # of the live model
    tables: list[Any]  # lookup tables

    def write(self, path: Path) -> None:
        """Writes a SavedModel."""
        root = tf.Module()
        root.tables = self.tables
        root.weights = [list(function.variables) for function in self.functions.values()]
        # Gradients of custom functions would go into the file, too; a server never asks for them.
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        try:
            tf.saved_model.save(root, str(path), signatures=self.functions, options=options)
        except AssertionError as error:
            if "untracked" not in str(error):
                raise
            raise ValueError(
                "model does not hold a lookup table that an endpoint uses. Pass it, or the layer "
                "that owns it, as well: export_model([model, vectorizer], ...)."
            ) from error


def trace(
    model: Any,
    endpoints: Mapping[str, Any] | None,
    probes: Mapping[str, Any] | None,
    tolerance: float,
    target: Target = Target.TENSORFLOW,
    batch_of_one: bool = False,
) -> Traced:
    """Checks the arguments of an export, traces the endpoints and asks the live model.

    Args:
        model: What the endpoints use, see `export_model`.
        endpoints: `{name: (function, signature)}`, or None for the inputs of the model.
        probes: Inputs by the name of the endpoint, or None to make some up.
        tolerance: Is checked alone.
        target: What the graphs are for. Elsewhere no output has the name of an input.
        batch_of_one: Whether a batch is to be of one example.
    """
    check_number("tolerance", tolerance, "[0, inf)", "the largest difference that is allowed")
    things = _things(model)
    chosen = make_endpoints(model, endpoints)
    if target is Target.ELSEWHERE:
        chosen = [replace(point, distinct=True) for point in chosen]
    examples = make_probes(chosen, probes)
    if batch_of_one:
        examples = {point.name: point.split(examples[point.name]) for point in chosen}
        chosen = [point.batch_of_one() for point in chosen]
    unbuilt = [thing for thing in things if isinstance(thing, keras.Layer) and not thing.built]
    with cudnn_switched_off(things):
        with portable(target):
            if target is Target.ELSEWHERE:
                traced = _traced([replace(p, function=_untraced(p.function)) for p in chosen])
            else:
                traced = _traced(chosen)
        _check_built(unbuilt)
        for name, function in traced.items():
            check_portable(name, function.graph.as_graph_def())
        # Before the writing, so that whatever these calls leave behind shows as a difference.
        with portable():
            calls = answer_live(chosen, examples)
    # Tracing may have made tables, so they are looked for afterwards.
    tables = lookup_tables(_things(model))
    if target is Target.ELSEWHERE:  # where a table that nothing reads would be one too many
        read = [tensor for function in traced.values() for tensor in function.captured_inputs]
        tables = [table for table in tables if any(table.resource_handle is t for t in read)]
    return Traced(traced, calls, tables)


def _untraced(function: Any) -> Any:
    """The same function without the graphs of it that were traced for somewhere else."""
    if isinstance(function, tf.types.experimental.PolymorphicFunction):
        return tf.function(function.python_function)
    return function


def _traced(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The graph of each endpoint; one that is another one under a second name shares its graph."""
    graphs: list[tuple[Endpoint, Any]] = []
    traced = {}
    for endpoint in endpoints:
        same = (endpoint.function, endpoint.signature)
        shared = [graph for other, graph in graphs if (other.function, other.signature) == same]
        traced[endpoint.name] = shared[0] if shared else endpoint.trace()
        graphs.append((endpoint, traced[endpoint.name]))
    return traced


def _things(model: Any) -> list[Any]:
    roots = list(model) if isinstance(model, (list, tuple)) else [model]
    things = list(reachable(roots))
    wrong = [root for root in roots if not any(root is thing for thing in things)]
    if wrong or not roots:
        raise ValueError(
            "model must be a Keras model or layer, a tf.Module, a lookup table, or a list of "
            f"these. Received: {(wrong or [model])[0]!r}."
        )
    return things


def _check_built(layers: Sequence[keras.Layer]) -> None:
    names = [layer.name for layer in layers if layer.weights]
    if names:
        raise ValueError(
            f"model holds layers that were not built, {names}: they got their weights, at random, "
            "during this very export. Call the model on data, train it or load its weights first."
        )
