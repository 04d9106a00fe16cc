"""How training time grows with the length of the sequences."""

from collections.abc import Sequence

from benchmarks.contenders import Shape, Workload
from benchmarks.suite import (
    SPEEDUPS,
    Bench,
    Check,
    Row,
    Suite,
    at_least,
    at_most,
    find,
    median,
)

LENGTHS = (500, 1000, 2000, 4000, 8000)
XLA_LONGEST = 4000  # Keras with XLA takes four times as long for twice the length


def measure(bench: Bench) -> list[Row]:
    """Measure each length."""
    return [
        bench.time_layer(
            "Training",
            f"T = {length}",
            Workload("LSTM", Shape(16, length, 32, 64)),
            xla=length <= XLA_LONGEST,
        )
        for length in ((10, 20) if bench.quick else LENGTHS)
    ]


def check(rows: Sequence[Row]) -> list[Check]:
    """Compare with Keras at T = 4000, and T = 8000 with that."""
    long, longest = (median(find(rows, f"T = {length}"), "ours") for length in (4000, 8000))
    return [
        at_least(
            "Speed-up over Keras at T = 4000", find(rows, "T = 4000").ratio("keras", "ours"), 5
        ),
        at_most(
            "Time at T = 8000 relative to T = 4000",
            longest / long if long and longest else None,
            2.3,
        ),
    ]


SUITE = Suite(
    about="Training step of an LSTM: batch 16, 32 features, 64 units. Keras with XLA is measured "
    f"up to T = {XLA_LONGEST}.",
    measure=measure,
    ratios=SPEEDUPS,
    check=check,
)
