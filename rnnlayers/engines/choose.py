"""The choice of an engine, the one place where it is made."""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from rnnlayers.cells.base import Cell
from rnnlayers.cells.chunked import ChunkedCell
from rnnlayers.cells.linear import LinearCell
from rnnlayers.checks import check_one_of
from rnnlayers.engines import cudnn
from rnnlayers.engines.compiled import run_compiled
from rnnlayers.engines.graph_cache import call_in_graph
from rnnlayers.engines.native.engine import native_refuses, run_native
from rnnlayers.engines.scan import run_scan
from rnnlayers.engines.stepwise import run_stepwise
from rnnlayers.engines.target import Target, traced_for
from rnnlayers.types import States, Tensor

OLD_NAMES = {"fused": "compiled"}  # in older code and saved configurations

# Compiling takes a quarter of a second and saves some 40 % of the time of a batch of this size: it
# pays after 25 batches. Each batch size is compiled for itself, so rare sizes are not compiled.
FULL_BATCH = 32


class Call(NamedTuple):
    """A call of a layer."""

    batch: int | None  # rows, None if their number is not known yet
    time: int | None  # steps, None if their number is not known yet
    training: bool  # whether gradients will be computed
    asked: bool = False  # whether the engine was asked for by name


class Engine(NamedTuple):
    """A way to run a cell over time, see `run_stepwise`."""

    run: Callable[..., tuple[Tensor | None, States]]
    refuses: Callable[[Cell, Call], str | None]  # the reason in words, or None
    reason: Callable[[Cell, Call], str]  # why it is taken if it does not refuse
    one_operator: bool = False  # nothing is left to compile; it takes `batch_major`
    is_there: Callable[[], bool] = lambda: True  # if not, it is not worth a word
    # Both directions over the same sequences at once, see `run_both_cudnn`, and why not.
    run_both: Callable[..., list[tuple[Tensor | None, States]]] | None = None
    refuses_both: Callable[[Cell, Cell, Call], str | None] = lambda forward, backward, call: None


class EngineChoice(NamedTuple):
    """The name of an engine, and the reason for it."""

    engine: str
    reason: str
    full_batches_only: bool = False  # other batches run on the stepwise engine
    refusals: tuple[tuple[str, str], ...] = ()  # names and reasons of engines that refuse


def _scan_refuses(cell: Cell, call: Call) -> str | None:
    if not isinstance(cell, LinearCell | ChunkedCell):
        return f"the state of {type(cell).__name__} is not linear in the state before it"
    if traced_for() is Target.ELSEWHERE:
        return "other runtimes get a plain loop"
    if call.time is None and not (call.training and isinstance(cell, ChunkedCell)):
        return "the number of steps is not known"
    return None


def _native_refuses(cell: Cell, call: Call) -> str | None:
    refusal = native_refuses(cell)
    if refusal is None and not call.asked and _numerics_are_checked():
        return "`tf.debugging.enable_check_numerics` cannot check each step of it"
    return refusal


def _compiled_refuses(cell: Cell, call: Call) -> str | None:
    if traced_for() is Target.ELSEWHERE:
        return "other runtimes cannot run parts that XLA compiles"
    if call.asked:
        return None
    if tf.config.functions_run_eagerly():
        return "functions run eagerly, so nothing is compiled"
    if traced_for() is not Target.HERE:
        return "an exported model contains no part that is compiled where it runs"
    if _numerics_are_checked():
        return "`tf.debugging.enable_check_numerics` cannot check compiled parts"
    if call.time == 0:
        return "there is no step to compile"
    if call.training:
        return None
    if call.time is None:
        return "the number of steps changes, and compiling for each would cost more"
    if tf.executing_eagerly():
        return "a call outside a graph seldom pays for compiling"
    return None


def _compiled_reason(cell: Cell, call: Call) -> str:
    if call.training:
        lengths = "known" if call.time is not None else "padded to one of a few"
        return f"training is compiled with XLA; the number of steps is {lengths}"
    if call.batch is None:
        return f"XLA compiles it for each multiple of {FULL_BATCH} rows; others run stepwise"
    return "the number of steps is known, so XLA compiles it once"


# In the order of preference.
ENGINES: dict[str, Engine] = {
    "native": Engine(
        run_native,
        _native_refuses,
        lambda cell, call: "one operator computes all steps, for any number of them",
        one_operator=True,
    ),
    "scan": Engine(
        run_scan, _scan_refuses, lambda cell, call: "its steps can be computed in parallel"
    ),
    "cudnn": Engine(
        cudnn.run_cudnn,
        cudnn.cudnn_refuses,
        lambda cell, call: "cuDNN computes all steps",
        one_operator=True,
        is_there=lambda: cudnn.gpu_is_there(),
        run_both=cudnn.run_both_cudnn,
        refuses_both=cudnn.cudnn_refuses_both,
    ),
    "compiled": Engine(run_compiled, _compiled_refuses, _compiled_reason),
    "stepwise": Engine(
        run_stepwise, lambda cell, call: None, lambda cell, call: "it runs everything"
    ),
}


def choose(
    cell: Cell, asked: str, batch: int | None, time: int | None, training: bool
) -> EngineChoice:
    """Choose an engine: the first that does not refuse.

    Args:
        cell: The cell.
        asked: The `engine` argument of the layer.
        batch: Number of rows, None if it is not known yet.
        time: Number of steps, None if it is not known yet.
        training: Whether gradients will be computed.
    """
    asked = current_name(asked)
    refusals: list[tuple[str, str]] = []
    if asked != "auto":
        refusal = ENGINES[asked].refuses(cell, Call(batch, time, training, asked=True))
        if refusal is None:
            return EngineChoice(asked, f"the layer was built with engine={asked!r}")
        refusals.append((asked, refusal))
    call = Call(batch, time, training)
    for name, engine in ENGINES.items():
        if name == asked or not engine.is_there():
            continue
        if (refusal := engine.refuses(cell, call)) is not None:
            refusals.append((name, refusal))
            continue
        reason = engine.reason(cell, call)
        if name == "stepwise" and refusals:
            reason = refusals[-1][1]
        some = name == "compiled" and batch is None and not training
        return EngineChoice(name, reason, some, tuple(refusals))
    raise AssertionError("the stepwise engine refuses nothing")


def engines_for_both() -> list[str]:
    """Return the names of the engines that can run both directions at once on this machine."""
    return [name for name, engine in ENGINES.items() if engine.run_both and engine.is_there()]


def choose_for_both(
    cells: tuple[Cell, Cell],
    asked: tuple[str, str],
    batch: int | None,
    time: int | None,
    training: bool,
) -> tuple[str | None, str]:
    """Choose the engine that runs a cell forwards and another backwards at once.

    Args:
        cells: The two cells.
        asked: The `engine` argument of the layer of each.
        batch: Number of rows, None if it is not known yet.
        time: Number of steps, None if it is not known yet.
        training: Whether gradients will be computed.

    Returns:
        The name of the engine, or None if each direction runs by itself, and the reason.
    """
    name, other = (
        choose(cell, engine, batch, time, training).engine
        for cell, engine in zip(cells, asked, strict=True)
    )
    if name != other:
        return None, f"one direction runs on {name} and the other on {other}"
    if name not in engines_for_both():
        return None, f"the {name} engine runs one direction at a time"
    refusal = ENGINES[name].refuses_both(*cells, Call(batch, time, training))
    return (name, "they are of one kind and size") if refusal is None else (None, refusal)


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
    return ENGINES[engine].run(cell, *tensors, **options)


def run_both_on(
    engine: str, cells: tuple[Cell, Cell], *tensors: Any, **options: Any
) -> list[tuple[Any, States]]:
    """Run two directions on an engine that `choose_for_both` has chosen; see `run_both_cudnn`."""
    run_both = ENGINES[engine].run_both
    assert run_both is not None  # noqa: S101  # for the type checker
    return run_both(cells, *tensors, **options)


def is_one_operator(engine: str) -> bool:
    """Return whether an engine is one operator, which takes `batch_major`."""
    return ENGINES[engine].one_operator


def current_name(asked: Any) -> Any:
    """Return the current name of an engine; "fused" is the old name of "compiled"."""
    return OLD_NAMES.get(asked, asked) if isinstance(asked, str) else asked


def check_engine(asked: Any, cell: Any = None) -> str:
    """Return the current name of an `engine`.

    Raises:
        ValueError: If there is none of that name, or if it cannot run the cell.
    """
    asked = current_name(asked)
    check_one_of("engine", asked, ("auto", *ENGINES), "'auto' chooses by cell and shapes.")
    if asked == "scan" and not isinstance(cell, LinearCell | ChunkedCell):
        raise ValueError(
            f"`engine='scan'` runs cells whose state is linear in the state before it, such as "
            f"MinGRUCell; received a {type(cell).__name__}. Use 'auto'."
        )
    return asked
