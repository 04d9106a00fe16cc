"""The choice of an engine, the one place where it is made."""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from rnnlayers.cells.base import Cell
from rnnlayers.checks import check_one_of
from rnnlayers.engines.compiled import run_compiled
from rnnlayers.engines.graph_cache import call_in_graph
from rnnlayers.engines.stepwise import run_stepwise
from rnnlayers.engines.target import Target, traced_for
from rnnlayers.types import States, Tensor

Engine = Callable[..., tuple[Tensor | None, States]]

# A cuDNN engine for GPUs will be one more entry here and one more rule in `choose`.
ENGINES: dict[str, Engine] = {"compiled": run_compiled, "stepwise": run_stepwise}
OLD_NAMES = {"fused": "compiled"}  # in older code and saved configurations

# Compiling takes a quarter of a second and saves some 40 % of the time of a batch of this size: it
# pays after 25 batches. Each batch size is compiled for itself, so rare sizes are not compiled.
FULL_BATCH = 32


class EngineChoice(NamedTuple):
    """The name of an engine, and the reason for it."""

    engine: str
    reason: str
    full_batches_only: bool = False  # other batches run on the stepwise engine


def choose(asked: str, batch: int | None, time: int | None, training: bool) -> EngineChoice:
    """Choose an engine.

    Args:
        asked: The `engine` argument of the layer.
        batch: Number of rows, None if it is not known yet.
        time: Number of steps, None if it is not known yet.
        training: Whether gradients will be computed.
    """
    asked = current_name(asked)
    if traced_for() is Target.ELSEWHERE:
        return EngineChoice("stepwise", "other runtimes cannot run parts that XLA compiles")
    if asked != "auto":
        return EngineChoice(asked, f"the layer was built with engine={asked!r}")
    if tf.config.functions_run_eagerly():
        return EngineChoice("stepwise", "functions run eagerly, so nothing is compiled")
    if traced_for() is not Target.HERE:
        return EngineChoice(
            "stepwise", "an exported model contains no part that is compiled where it runs"
        )
    if _numerics_are_checked():
        return EngineChoice(
            "stepwise", "`tf.debugging.enable_check_numerics` cannot check compiled parts"
        )
    if time == 0:
        return EngineChoice("stepwise", "there is no step to compile")
    if training:
        lengths = "known" if time is not None else "padded to one of a few"
        return EngineChoice(
            "compiled", f"training is compiled with XLA; the number of steps is {lengths}"
        )
    if time is None:
        return EngineChoice(
            "stepwise", "the number of steps changes, and compiling for each would cost more"
        )
    if tf.executing_eagerly():
        return EngineChoice("stepwise", "a call outside a graph seldom pays for compiling")
    if batch is None:
        reason = f"XLA compiles it for each multiple of {FULL_BATCH} rows; others run stepwise"
        return EngineChoice("compiled", reason, full_batches_only=True)
    return EngineChoice("compiled", "the number of steps is known, so XLA compiles it once")


def _numerics_are_checked() -> bool:
    """Return whether `tf.debugging.enable_check_numerics` is on, whose checks XLA cannot compile.

    TensorFlow has no function that tells. It shows when a result is NaN.
    """
    with tf.init_scope():
        try:
            tf.math.sqrt(tf.constant(-1.0))
        except tf.errors.InvalidArgumentError:
            return True
    return False


def run_on(engine: str, cell: Cell, *tensors: Any, **options: Any) -> tuple[Any, States]:
    """Run a cell over time on an engine, given by its name; see `run_stepwise`."""
    if engine == "stepwise" and tf.executing_eagerly():
        return call_in_graph(cell, "stepwise", run_stepwise, *tensors, **options)
    return ENGINES[engine](cell, *tensors, **options)


def current_name(asked: Any) -> Any:
    """Return the current name of an engine; "fused" is the old name of "compiled"."""
    return OLD_NAMES.get(asked, asked) if isinstance(asked, str) else asked


def check_engine(asked: Any) -> str:
    """Return the current name of an `engine`, or raise an error if there is none."""
    asked = current_name(asked)
    check_one_of("engine", asked, ("auto", *ENGINES), "'auto' chooses by the shapes.")
    return asked


def explain_engine(layer: Any, shape: tuple[int | None, ...], training: bool = True) -> str:
    """Return in words which engine runs a layer inside a compiled model, and why.

    Args:
        layer: A `Recurrent` layer, such as `LSTM`.
        shape: Shape of its inputs, `(batch, timesteps, features)`, None for sizes that change.
        training: Whether the call is part of training.

    Returns:
        One sentence.

    Example:

    >>> explain_engine(rnnlayers.LSTM(4, name="lstm"), shape=(32, 100, 8))
    'lstm runs on the compiled engine: training is compiled with XLA; the number of steps is known.'
    """
    if len(shape) != 3:
        raise ValueError(
            f"`shape` must be (batch, timesteps, features); received {shape}, which has "
            f"{len(shape)} dimensions."
        )
    choices: list[EngineChoice] = []

    def trace() -> None:
        choices.append(choose(layer.engine, *shape[:2], training))

    tf.function(trace, autograph=False).get_concrete_function()
    (choice,) = choices
    return f"{layer.name} runs on the {choice.engine} engine: {choice.reason}."
