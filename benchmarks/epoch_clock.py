"""A callback that prints how long each epoch takes.

An application has it by `--callbacks benchmarks.epoch_clock:EpochClock`.
"""

import re
import time
from typing import Any

import keras

WORDS = "The clock says that the epoch took {:.4f} seconds"


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
