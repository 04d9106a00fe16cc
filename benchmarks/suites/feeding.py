"""Whether batches of a long CSV file are read faster than the forecaster trains on them."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from apps.forecasting import app as forecasting
from apps.forecasting.networks import build_model
from benchmarks import long_csv
from benchmarks.suite import Bench, Check, Ratio, Row, Suite, at_least, find
from benchmarks.timing import timed

ROWS = 1_000_000


def measure(bench: Bench) -> list[Row]:
    """Measure how long a batch takes to read, and to train on."""
    rows = 4000 if bench.quick else ROWS
    with tempfile.TemporaryDirectory() as folder:
        settings = long_csv.settings(long_csv.write(Path(folder, "long.csv"), rows))
        series = forecasting.load_series(settings, Path(folder))
        windows = forecasting.make_datasets(series, settings)["training"]
        model = build_model(settings, windows)
        batches = iter(windows.dataset().repeat())
        batch = next(batches)
        timers = {
            "feeding": timed(lambda: next(batches)),
            "training": timed(lambda: model.train_on_batch(*batch)),
        }
        return [bench.time("One batch", _case(rows), timers)]


def _case(rows: int) -> str:
    return f"{rows:,} rows"


def check(rows: Sequence[Row]) -> list[Check]:
    """Compare the two."""
    ratio = find(rows, _case(ROWS)).ratio("training", "feeding")
    return [at_least("Time to train on a batch relative to the time it takes to come", ratio, 1)]


SUITE = Suite(
    about="`apps.forecasting` on a CSV file of hours, "
    f"{long_csv.VARIABLES} variables: a batch of windows of {long_csv.SETTINGS['window']} steps "
    f"and the {long_csv.SETTINGS['horizon']} that follow, from the file mapped into memory.",
    measure=measure,
    ratios=(Ratio("training / feeding", "training", "feeding"),),
    check=check,
)
