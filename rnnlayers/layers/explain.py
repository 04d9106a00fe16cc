"""Which engine runs a layer, in words."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from rnnlayers.cells.base import Cell
from rnnlayers.engines.choose import choose
from rnnlayers.layers.attentive import AttentiveDecoder
from rnnlayers.layers.bidirectional import Bidirectional
from rnnlayers.layers.both_directions import choose_for_both_layers
from rnnlayers.layers.stack import Stack


def explain_engine(layer: Any, shape: tuple[int | None, ...], training: bool = True) -> str:
    """Return in words which engine runs a layer inside a compiled model, and why.

    Args:
        layer: A layer of one cell, such as `LSTM`, an `AttentiveDecoder`, or a `Bidirectional` or
            `Stack` of layers.
        shape: Shape of its inputs, `(batch, timesteps, features)`, None for sizes that change.
        training: Whether the call is part of training.

    Returns:
        A sentence, and then a line for each engine that would be preferred but refuses. Of a
        `Stack` and of both directions this for each layer; of the latter also, if an engine could
        run them at once, whether it does.

    Raises:
        ValueError: If no engine runs such a layer, or if the shape has another rank.

    Example:

    >>> print(explain_engine(rnnlayers.NAS(4, name="nas"), shape=(32, 100, 8)))
    nas runs on the compiled engine: training is compiled with XLA; the number of steps is known.
    Not on native: it has no NASCell.
    Not on scan: the state of NASCell is not linear in the state before it.
    """
    if len(shape) != 3:
        raise ValueError(
            f"`shape` must be (batch, timesteps, features); received {shape}, which has "
            f"{len(shape)} dimensions."
        )
    if isinstance(layer, Stack):
        return "\n".join(explain_engine(one, shape, training) for one in layer.layers)
    if isinstance(layer, Bidirectional):
        both = (layer.forward_layer, layer.backward_layer)
        lines = [explain_engine(one, shape, training) for one in both]
        arguments = (*shape[:2], training, layer.compute_dtype)
        name, reason = _in_graph(choose_for_both_layers, both, *arguments)
        if reason:
            how = "in one call" if name else "one after the other"
            lines.append(f"{layer.name} runs both directions {how}: {reason}.")
        return "\n".join(lines)
    attentive = isinstance(layer, AttentiveDecoder)
    cell = layer._steps() if attentive else getattr(layer, "cell", None)
    if not (isinstance(cell, Cell) and hasattr(layer, "engine")):
        raise ValueError(
            "`layer` must be a recurrent layer of this library, such as `rnnlayers.LSTM(64)`, or a "
            f"`Bidirectional` or `Stack` of such layers; received {layer!r}."
        )
    choice = _in_graph(choose, cell, layer.engine, *shape[:2], training)
    lines = [f"{layer.name} runs on the {choice.engine} engine: {choice.reason}."]
    lines += [f"Not on {name}: {reason}." for name, reason in choice.refusals]
    return "\n".join(lines)


def _in_graph(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function returns where a graph is traced."""
    results: list[Any] = []

    def trace() -> None:
        results.append(function(*arguments))

    tf.function(trace, autograph=False).get_concrete_function()
    return results[0]
