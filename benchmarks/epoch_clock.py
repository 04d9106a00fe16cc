"""How long an application trains, epoch by epoch: it is told by a callback that prints it."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

ROOT = Path(__file__).parents[1]
EPOCHS = 2  # the first traces and compiles
WORDS = "The clock says that the epoch took {:.4f} seconds"


def time_epochs(
    application: str, environment: Mapping[str, str], options: Sequence[str] = ()
) -> list[float]:
    """Train an application on its sample, and return the seconds of each of `EPOCHS` epochs.

    Args:
        application: Its name.
        environment: Environment variables of its process, beside those of this one.
        options: Further options of its command.

    Raises:
        RuntimeError: If it does not train, with the last line that it said.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", f"apps.{application}", "train", "--source", "sample"]
        command += ["--run", f"{folder}/run", "--epochs", str(EPOCHS), *options]
        done = subprocess.run(
            [*command, "--callbacks", "benchmarks.epoch_clock:EpochClock"],
            cwd=ROOT,
            env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
    seconds = seconds_in(done.stdout)
    if done.returncode or len(seconds) < EPOCHS:
        raise RuntimeError((done.stderr.strip().splitlines() or ["it said nothing"])[-1])
    return seconds


class EpochClock(keras.callbacks.Callback):
    """Prints the seconds of each epoch, with its validation."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the clock."""
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Read the clock."""
        print(f"\n{WORDS.format(time.perf_counter() - self.start)}", flush=True)


def seconds_in(output: str) -> list[float]:
    """Return the seconds of each epoch from what a training has printed."""
    pattern = re.escape(WORDS).replace(re.escape("{:.4f}"), r"([\d.]+)")
    return [float(found) for found in re.findall(pattern, output)]
