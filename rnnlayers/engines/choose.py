"""Which engine runs a cell: the one place where this is decided."""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from rnnlayers.cells.base import RecurrentCell
from rnnlayers.checks import check_one_of
from rnnlayers.engines import fused, stepwise
from rnnlayers.engines.kept import call_as_graph
from rnnlayers.engines.target import Target, traced_for
from rnnlayers.types import States, Tensor

Engine = Callable[..., tuple[Tensor | None, States]]

# A cuDNN engine for GPUs will be one more entry here and one more rule in `choose`.
ENGINES: dict[str, Engine] = {"fused": fused.run, "stepwise": stepwise.run}


# Compiling takes a quarter of a second, and saves some 40 % of a batch of so many rows: 25 batches
# pay for it. Every batch size would be compiled anew, so those that seldom come back are not.
FULL_BATCH = 32


class Choice(NamedTuple):
    """An engine by name, and why."""

    engine: str
    reason: str
    full_batches_only: bool = False  # then other batches run on the stepwise engine


def choose(asked: str, batch: int | None, time: int | None, training: bool) -> Choice:
    """Choose an engine.

    Args:
        asked: The `engine` argument of the layer.
        batch: Number of rows, None where it is not known yet.
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
    if _numerics_are_checked():
        return Choice("stepwise", "`tf.debugging.enable_check_numerics` sees no compiled parts")
    if time == 0:
        return Choice("stepwise", "there is no step to compile")
    if training:
        lengths = "known" if time is not None else "padded to one of a few"
        return Choice("fused", f"training is compiled with XLA; the number of steps is {lengths}")
    if time is None:
        return Choice("stepwise", "the number of steps changes, and compiling would cost more")
    if tf.executing_eagerly():
        return Choice("stepwise", "a call outside a graph seldom pays for compiling")
    if batch is None:
        reason = f"XLA compiles it for each multiple of {FULL_BATCH} rows; others run stepwise"
        return Choice("fused", reason, full_batches_only=True)
    return Choice("fused", "the number of steps is known, so that XLA compiles it once")


def _numerics_are_checked() -> bool:
    """Return whether `tf.debugging.enable_check_numerics` is on, whose checks XLA cannot compile.

    TensorFlow does not say so. It shows where a number is not one.
    """
    with tf.init_scope():
        try:
            tf.math.sqrt(tf.constant(-1.0))
        except tf.errors.InvalidArgumentError:
            return True
    return False


def run(engine: str, cell: RecurrentCell, *tensors: Any, **how: Any) -> tuple[Any, States]:
    """Run a cell over time on an engine by name; see `stepwise.run`."""
    if engine == "stepwise" and tf.executing_eagerly():
        return call_as_graph(cell, "stepwise", stepwise.run, *tensors, **how)
    return ENGINES[engine](cell, *tensors, **how)


def check_engine(asked: Any) -> None:
    """Raise an error for an `engine` that does not exist."""
    check_one_of("engine", asked, ("auto", *ENGINES), "'auto' chooses by the shapes.")


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
    choices: list[Choice] = []

    def trace() -> None:
        choices.append(choose(layer.engine, *shape[:2], training))

    tf.function(trace, autograph=False).get_concrete_function()
    (choice,) = choices
    return f"{layer.name} runs on the {choice.engine} engine: {choice.reason}."
