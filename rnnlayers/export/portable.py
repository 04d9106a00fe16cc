"""Operators that run on this machine only, and how to keep them out of a graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

import keras
import tensorflow as tf

_TrackableResource = tf.saved_model.experimental.TrackableResource

# The prefix of an operator's name, and the reason to refuse it.
_REFUSED = {
    "Cudnn": (
        "runs on NVIDIA GPUs only. export_model switches cuDNN off in every layer that it reaches "
        "from `model`, but not in a tf.function that was traced before: pass the model that holds "
        "the layer and a plain function, or replace the layer with rnnlayers.accelerate(model)"
    ),
    "PyFunc": "calls back into this Python process. Write that step with TensorFlow operators",
    "EagerPyFunc": "calls back into this Python process. Write that step with TensorFlow operators",
}


def reachable(roots: Iterable[Any]) -> Iterator[Any]:
    """Yield every layer, module and lookup table in `roots` and their attributes, each once."""
    visited: dict[int, Any] = {}  # keeps objects alive, so that no id is used twice
    pending = list(roots)
    while pending:
        thing = pending.pop()
        if id(thing) in visited:
            continue
        visited[id(thing)] = thing
        if isinstance(thing, dict):
            pending.extend(thing.values())
        elif isinstance(thing, (list, tuple, set)):
            pending.extend(thing)
        elif isinstance(thing, (keras.Layer, tf.Module, _TrackableResource)):
            pending.extend(vars(thing).values())
            yield thing


def lookup_tables(things: Iterable[Any]) -> list[Any]:
    """Return the lookup tables (and other resources except variables) among `things`."""
    return [thing for thing in things if isinstance(thing, _TrackableResource)]


@contextmanager
def cudnn_switched_off(things: Iterable[Any]) -> Iterator[None]:
    """Make stock recurrent layers use portable operators, even if a GPU is visible.

    Keras chooses cuDNN by the devices that exist, not by the device in use, so `tf.device` does not
    help.
    """
    saved = [(thing, thing.use_cudnn) for thing in things if getattr(thing, "use_cudnn", False)]
    try:
        for layer, _ in saved:
            layer.use_cudnn = False
        yield
    finally:
        for layer, value in saved:
            layer.use_cudnn = value


def check_portable(endpoint: str, graph: Any) -> None:
    """Check that stock TensorFlow can run a graph on a CPU, outside this process.

    Args:
        endpoint: The name for the error message.
        graph: A `GraphDef`. The functions in its library are checked too.

    Raises:
        ValueError: If an operator is not part of stock TensorFlow, or is refused here.
    """
    functions = {function.signature.name for function in graph.library.function}
    for node in chain(graph.node, *(function.node_def for function in graph.library.function)):
        reason = next((why for start, why in _REFUSED.items() if node.op.startswith(start)), None)
        # tf.raw_ops lists the stock operators, without those of tests, XLA and TPUs.
        if reason is None and not hasattr(tf.raw_ops, node.op) and node.op not in functions:
            reason = "is not an operator of stock TensorFlow. Find the layer by the name above"
        if reason is not None:
            kind = node.attr["rnn_mode"].s.decode().upper() if "rnn_mode" in node.attr else ""
            layer = f" (a keras.layers.{kind})" if kind else ""
            raise ValueError(
                f"endpoints[{endpoint!r}] cannot be exported: the operator {node.op} at "
                f"{node.name!r}{layer} {reason}."
            )
