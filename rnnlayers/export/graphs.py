"""The first part of every export: endpoints as graphs, and the answers of the live model."""

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
    """The graphs to write, and the answers that they must give."""

    functions: dict[str, Any]  # a `ConcreteFunction` for each endpoint
    calls: list[Call]  # of the live model
    tables: list[Any]  # lookup tables

    def write(self, path: Path) -> None:
        """Write a SavedModel."""
        root = tf.Module()
        root.tables = self.tables
        root.weights = [list(function.variables) for function in self.functions.values()]
        # A server does not need the gradients of custom functions.
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        try:
            tf.saved_model.save(root, str(path), signatures=self.functions, options=options)
        except AssertionError as error:
            if "untracked" not in str(error):
                raise
            raise ValueError(
                "model does not contain a lookup table that an endpoint uses. Pass the table, or "
                "the layer that owns it, as well: export_model([model, vectorizer], ...)."
            ) from error


def trace(
    model: Any,
    endpoints: Mapping[str, Any] | None,
    probes: Mapping[str, Any] | None,
    tolerance: float,
    target: Target = Target.TENSORFLOW,
    batch_of_one: bool = False,
) -> Traced:
    """Check the arguments of an export, trace the endpoints and run the live model.

    Args:
        model: What the endpoints use, see `export_model`.
        endpoints: `{name: (function, signature)}`, or None for the inputs of the model.
        probes: Inputs by the name of the endpoint, or None for automatic ones.
        tolerance: Only checked.
        target: Where the graphs will run. Elsewhere no output may have the name of an input.
        batch_of_one: Whether a batch has one example.
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
        # Before writing, so that any state these calls leave behind shows as a difference.
        with portable():
            calls = answer_live(chosen, examples)
    # Tracing may have made tables, so they are searched afterwards.
    tables = lookup_tables(_things(model))
    if target is Target.ELSEWHERE:  # which refuses a table that nothing reads
        read = [tensor for function in traced.values() for tensor in function.captured_inputs]
        tables = [table for table in tables if any(table.resource_handle is t for t in read)]
    return Traced(traced, calls, tables)


def _untraced(function: Any) -> Any:
    """Return the function without its graphs that were traced for another target."""
    if isinstance(function, tf.types.experimental.PolymorphicFunction):
        return tf.function(function.python_function)
    return function


def _traced(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """Return the graph of each endpoint; endpoints of the same function share a graph."""
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
            f"model contains layers that were not built, {names}: they got random weights during "
            "this export. Call the model on data, train it or load its weights first."
        )
