"""What an option costs: the same layer with it and without it."""

from collections.abc import Sequence
from dataclasses import replace

from benchmarks.contenders import SHAPES, TINY, Workload, draw, in_graph
from benchmarks.suite import Bench, Check, Ratio, Row, Suite, at_most, find
from benchmarks.timing import timed

BIDIRECTIONAL = "LSTM, bidirectional"
LEFT_PADDED = "LSTM, left-padded mask"
RECURRENT_DROPOUT = "LSTM, recurrent_dropout=0.2"
RESET_BEFORE = "GRU, reset_after=False"


def measure(bench: Bench) -> list[Row]:
    """Measure each option, with it and without it in the same rounds."""
    shape = TINY if bench.quick else SHAPES["s3"]
    lstm, gru = Workload("LSTM", shape), Workload("GRU", shape)
    pairs = {
        BIDIRECTIONAL: (replace(lstm, bidirectional=True), lstm),
        LEFT_PADDED: (replace(lstm, left_padded=True), lstm),
        RECURRENT_DROPOUT: (replace(lstm, options={"recurrent_dropout": 0.2}), lstm),
        RESET_BEFORE: (replace(gru, options={"reset_after": False}), gru),
    }
    rows = []
    for case, workloads in pairs.items():
        timers = {
            f"{library}{suffix}": timed(in_graph(workload, draw(workload), library == "ours"))
            for library in ("ours", "keras")
            for suffix, workload in zip(("", " without"), workloads, strict=True)
        }
        rows.append(bench.time("Training", case, timers))
    return rows


def check(rows: Sequence[Row]) -> list[Check]:
    """Compare the times with an option and without it."""
    return [
        at_most(
            f"Time of {case} relative to the layer without",
            find(rows, case).ratio("ours", "ours without"),
            bound,
        )
        # One direction already takes all cores.
        for case, bound in ((BIDIRECTIONAL, 2.0), (LEFT_PADDED, 1.25), (RECURRENT_DROPOUT, 1.25))
    ]


SUITE = Suite(
    about="Training step with an option and without it, in the same rounds, at s3 = "
    f"{tuple(SHAPES['s3'])} (batch, timesteps, features, units). Without means one direction, no "
    "mask, no dropout, and `reset_after=True`.",
    measure=measure,
    ratios=(
        Ratio("ours, with / without", "ours", "ours without"),
        Ratio("keras, with / without", "keras", "keras without"),
        Ratio("keras / ours", "keras", "ours"),
    ),
    check=check,
)
