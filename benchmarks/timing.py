"""Timing side by side: every contender once a round, so that all see the same machine."""

import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Timer = Callable[[int], float]  # makes this many calls and returns their seconds in all

PAUSE_S = 0.005  # between contenders: thread pools go on spinning for a moment after their work


@dataclass(frozen=True)
class Plan:
    """How long to measure."""

    rounds: int = 15  # the most rounds
    least: int = 5  # the fewest, however slow a contender is
    budget_s: float = 4.0  # a contender that has run so long leaves once it has its fewest
    slice_s: float = 0.05  # calls of less are repeated until a round takes about so long


@dataclass
class Measured:
    """What one contender took."""

    first_call_s: float = 0.0  # with tracing and compiling
    seconds: list[float] = field(default_factory=list)  # a call, one entry a round


def timed(call: Callable[[], Any]) -> Timer:
    """Return the timer of a function of this process."""

    def timer(calls: int) -> float:
        start = time.perf_counter()
        for _ in range(calls):
            call()
        return time.perf_counter() - start

    return timer


def interleave(timers: Mapping[str, Timer], plan: Plan) -> dict[str, Measured]:
    """Time contenders in rounds.

    Two calls warm each contender up. Then every round times each of them, in a new random order,
    until it has all its rounds or, after `plan.least` rounds, has used up its budget. The n-th
    entries of two contenders are from the same round.
    """
    measured = {name: Measured() for name in timers}
    calls = {}
    for name, timer in timers.items():
        measured[name].first_call_s = _digits(timer(1))
        calls[name] = max(1, round(plan.slice_s / max(timer(1), 1e-9)))
    spent = dict.fromkeys(timers, 0.0)
    running = list(timers)
    orders = random.Random(0)
    for done in range(plan.rounds):
        running = [name for name in running if done < plan.least or spent[name] < plan.budget_s]
        for name in orders.sample(running, len(running)):
            time.sleep(PAUSE_S)
            seconds = timers[name](calls[name])
            spent[name] += seconds
            measured[name].seconds.append(_digits(seconds / calls[name]))
    return measured


def paired_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """Return the median over the rounds that two contenders shared of the one over the other."""
    return statistics.median(a / b for a, b in zip(above, below, strict=False))


def spread(rounds: Sequence[float]) -> float:
    """Return the width of the middle half of the rounds as a part of their median."""
    if len(rounds) < 2:
        return 0.0
    lower, median, upper = statistics.quantiles(rounds, n=4, method="inclusive")
    return (upper - lower) / median


def _digits(seconds: float) -> float:
    """Return a time to five digits: the clock knows no more, and files are read by people."""
    return float(f"{seconds:.5g}")
