"""Which engine runs a cell: the one place where this is decided."""

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple

import tensorflow as tf

from rnnlayers.cells.base import RecurrentCell, States, Tensor
from rnnlayers.engines import fused, stepwise
from rnnlayers.engines.target import Target, traced_for

Engine = Callable[..., tuple[Tensor | None, States]]

# A cuDNN engine for GPUs will be one more entry here and one more rule in `choose`.
ENGINES: dict[str, Engine] = {"fused": fused.run, "stepwise": stepwise.run}


class Choice(NamedTuple):
    """An engine by name, and why."""

    engine: str
    reason: str


def choose(asked: str, time: int | None, training: bool) -> Choice:
    """Choose an engine.

    Args:
        asked: The `engine` argument of the layer.
        time: Number of steps, None where it is not known yet.
        training: Whether gradients will be asked for.
    """
    if traced_for() is Target.ELSEWHERE:
        return Choice("stepwise", "other runtimes have no part that XLA compiles")
    if asked != "auto":
        return Choice(asked, f"the layer was built with engine={asked!r}")
    if tf.config.functions_run_eagerly():
        return Choice("stepwise", "functions run eagerly, so that nothing is compiled")
    if traced_for() is not Target.HERE:
        return Choice("stepwise", "an exported model holds no part that is compiled where it runs")
    if time == 0:
        return Choice("stepwise", "there is no step to compile")
    if training:
        lengths = "known" if time is not None else "padded to one of a few"
        return Choice("fused", f"training is compiled with XLA; the number of steps is {lengths}")
    if time is None:
        return Choice("stepwise", "the number of steps changes, and compiling would cost more")
    if tf.executing_eagerly():
        return Choice("stepwise", "a call outside a graph seldom pays for compiling")
    return Choice("fused", "the number of steps is known, so that XLA compiles it once")


def run(engine: str, cell: RecurrentCell, *tensors: Any, **how: Any) -> tuple[Any, States]:
    """Run a cell over time on an engine by name; see `stepwise.run`.

    Outside a graph it builds one and keeps it with the cell: eager steps cost ten times as much.
    """
    if not tf.executing_eagerly():
        return ENGINES[engine](cell, *tensors, **how)
    graphs = cell.__dict__.setdefault("_graphs", SimpleNamespace())
    if not hasattr(graphs, engine):
        in_graph = partial(ENGINES[engine], cell)
        setattr(graphs, engine, tf.function(in_graph, autograph=False, reduce_retracing=True))
    return getattr(graphs, engine)(*tensors, **how)


def check_engine(asked: Any) -> None:
    """Raise an error for an `engine` that does not exist."""
    if asked not in ("auto", *ENGINES):
        raise ValueError(
            f"`engine` must be one of 'auto', {', '.join(map(repr, ENGINES))}; received {asked!r}. "
            "'auto' chooses by the shapes."
        )


def explain_engine(layer: Any, shape: tuple[int | None, ...], training: bool = True) -> str:
    """Say in words which engine runs a layer inside a compiled model, and why.

    Args:
        layer: A `Recurrent` layer, such as `LSTM`.
        shape: Shape of its inputs, `(batch, timesteps, features)`, None where it changes.
        training: Whether the call is part of training.

    Returns:
        One sentence.

    Example:

    >>> explain_engine(rnnlayers.LSTM(4, name="lstm"), shape=(32, 100, 8))
    'lstm runs on the fused engine: training is compiled with XLA; the number of steps is known.'
    """
    if len(shape) != 3:
        raise ValueError(
            f"`shape` must be (batch, timesteps, features); received {shape}, which has "
            f"{len(shape)} dimensions."
        )
    with tf.Graph().as_default():
        engine, reason = choose(layer.engine, shape[1], training)
    return f"{layer.name} runs on the {engine} engine: {reason}."
