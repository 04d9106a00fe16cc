"""A long CSV file of hourly series, and the process that trains the forecaster on it."""

import contextlib
import io
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from apps.forecasting import app as forecasting
from benchmarks.memory import peak, reset_peak

VARIABLES = 7
SETTINGS = {"window": 336, "horizon": 96, "segment": 24, "limit": 640, "epochs": 1}


def write(path: Path, rows: int, at_once: int = 100_000) -> Path:
    """Write repeating days with noise.

    Args:
        path: The file.
        rows: The number of rows, an hour apart.
        at_once: The number of rows held in memory.
    """
    noise = np.random.default_rng(0)
    with path.open("w") as file:
        for first in range(0, rows, at_once):
            hours = np.arange(first, min(first + at_once, rows))
            values = np.sin(2 * np.pi * hours / 24)[:, None] + np.arange(VARIABLES)
            values = values + noise.normal(size=values.shape)
            table = pd.DataFrame(values.round(4), columns=list("abcdefg"))
            times = np.datetime64("1880-01-01") + hours.astype("timedelta64[h]")
            table.insert(0, "date", times.astype(str))
            table.to_csv(file, index=False, header=first == 0)
    return path


def settings(path: Path) -> forecasting.Settings:
    """Return settings for one epoch of ten batches."""
    return forecasting.Settings(source=str(path), **SETTINGS)


def main(path: str) -> None:
    """Print the memory, in bytes, that reading the file and training on it add to the process."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        before = reset_peak()
        forecasting.train(Path(folder, "run"), settings(Path(path)))
        added = peak() - before
    print(json.dumps({"bytes": added}))


if __name__ == "__main__":
    main(*sys.argv[1:])
