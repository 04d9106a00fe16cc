"""Training steps of the captioner, with freed memory kept for the next step and given back."""

import platform
from collections.abc import Sequence

from benchmarks.memory import printed_by
from benchmarks.suite import Bench, Check, Ratio, Row, Suite, at_least, find

ROUNDS = 3
SIDE = 96  # of images, in pixels


def measure(bench: Bench) -> list[Row]:
    """Measure both ways, in a fresh process each round."""
    if platform.libc_ver()[0] != "glibc":
        bench.say("kept_memory: skipped, the C library is not glibc")
        return []
    side, steps = (16, 4) if bench.quick else (SIDE, 40)
    rounds: dict[str, list[float]] = {"kept": [], "given_back": []}
    for _ in range(min(ROUNDS, bench.plan.rounds)):
        for name, seconds in rounds.items():
            result = printed_by("benchmarks.photographs", name, str(side), str(steps))
            seconds.append(result["seconds"])
    return [bench.tell(Row("Step", f"{side} x {side}", rounds), SUITE.unit)]


def check(rows: Sequence[Row]) -> list[Check]:
    """Compare for photographs of the size in apps/captioning/README.md."""
    ratio = find(rows, f"{SIDE} x {SIDE}").ratio("given_back", "kept")
    return [at_least("A step with memory given back relative to one with it kept", ratio, 1.0)]


SUITE = Suite(
    about="A training step of `apps.captioning` with the options for photographs in its README, 32 "
    "images with three captions each, in a fresh process: once with glibc's defaults, which give "
    "freed memory back to the system, and once after `apps.common.training.keep_memory`.",
    measure=measure,
    ratios=[Ratio("given back / kept", "given_back", "kept")],
    check=check,
)
