"""The peak memory of training the forecaster on a long CSV file, in a process of its own."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import long_csv
from benchmarks.memory import added_by, can_measure
from benchmarks.suite import Bench, Check, Row, Suite, at_most, find, median

ROUNDS = 3
LENGTHS = (100_000, 1_000_000)  # the shorter one measures what does not depend on the length


def measure(bench: Bench) -> list[Row]:
    """Measure each length, in a fresh process each round."""
    if not can_measure():
        bench.say("csv_memory: skipped, this system does not tell the peak of a process")
        return []
    rows = []
    for length in (4000,) if bench.quick else LENGTHS:
        with tempfile.TemporaryDirectory() as folder:
            path = long_csv.write(Path(folder, "long.csv"), length)
            rounds = range(min(ROUNDS, bench.plan.rounds))
            added = [added_by("benchmarks.long_csv", str(path)) for _ in rounds]
        rows.append(bench.tell(Row("Peak", _case(length), {"ours": added}), SUITE.unit))
    return rows


def _case(length: int) -> str:
    return f"{length:,} rows"


def check(rows: Sequence[Row]) -> list[Check]:
    """Compare the long one with the shorter one."""
    short, long = (median(find(rows, _case(length)), "ours") for length in LENGTHS)
    ratio = long / short if short and long else None
    return [at_most("Memory for a million rows relative to a tenth of them", ratio, 1.5)]


SUITE = Suite(
    about="Memory that reading a CSV file and training both networks of `apps.forecasting` on ten "
    "batches of it add to a fresh process which has imported all it needs: hours, "
    f"{long_csv.VARIABLES} variables.",
    measure=measure,
    ratios=(),
    check=check,
    unit="MiB",
)
