"""An epoch of every application, with the native engine and without it."""

from collections.abc import Sequence

from apps.common.applications import find_applications
from benchmarks.epoch_clock import time_epochs
from benchmarks.suite import Bench, Check, Ratio, Row, Suite, all_at_most

ROUNDS = 3
ENGINES = {"native": {}, "compiled": {"RNNLAYERS_NATIVE": "0"}}
ON_CPU = {"CUDA_VISIBLE_DEVICES": "-1"}
FEW = ("--limit", "60", "--units", "4", "--filters", "4")  # for a quick run of recognition


def measure(bench: Bench) -> list[Row]:
    """Train each application on its sample in fresh processes, in turn with each engine."""
    if bench.quick:
        return [_row(bench, "recognition", rounds=1, options=FEW)]
    rounds = min(ROUNDS, bench.plan.rounds)
    return [_row(bench, application, rounds) for application in find_applications()]


def _row(bench: Bench, application: str, rounds: int, options: Sequence[str] = ()) -> Row:
    seconds: dict[str, list[float]] = {name: [] for name in ENGINES}
    firsts: dict[str, list[float]] = {name: [] for name in ENGINES}
    for _ in range(rounds):
        for name, environment in ENGINES.items():
            first, second = time_epochs(application, {**environment, **ON_CPU}, options)
            firsts[name].append(first)
            seconds[name].append(second)
    least = {name: min(found) for name, found in firsts.items()}
    return bench.tell(Row("The second epoch", application, seconds, least), SUITE.unit)


def check(rows: Sequence[Row]) -> list[Check]:
    """Ask that the native engine costs no application time."""
    return [
        all_at_most(
            "The largest time of an epoch relative to the engine that compiles",
            {row.case: row.ratio("native", "compiled") for row in rows},
            1.05,
        )
    ]


SUITE = Suite(
    about="`python -m apps.APPLICATION train --source sample`, with the native engine and with "
    "`RNNLAYERS_NATIVE=0`, which leaves the compiled one: the second epoch, with its validation. "
    "First calls are first epochs, with tracing and compiling.",
    measure=measure,
    ratios=[Ratio("compiled / native", "compiled", "native")],
    check=check,
    mean=True,
)
