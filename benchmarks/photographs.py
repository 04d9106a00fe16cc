"""A process that trains the captioner for photographs and prints the duration of a step."""

import json
import sys
import time

import keras
import numpy as np

from apps.captioning.model import build_model
from apps.captioning.settings import Settings
from apps.common.training import keep_memory

WARM = 8  # steps before the clock starts: each length of captions is compiled once
LENGTHS = (12, 16, 20, 24)  # of captions, padded


class Clock(keras.callbacks.Callback):
    """Records when each step ends."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[float] = []

    def on_train_batch_end(self, batch, logs=None):
        """Record the time."""
        self.ends.append(time.perf_counter())


def main(mode: str, image_size: str, steps: str) -> None:
    """Print the seconds of a step, with freed memory kept or given back."""
    if mode == "kept" and not keep_memory():
        raise RuntimeError("This system's C library gives no choice.")
    settings = Settings(
        image_size=int(image_size),
        filters=24,
        levels=4,
        flip=True,
        shift=0.1,
        vocabulary_size=3000,
        embedding_size=128,
        units=256,
        dropout=0.25,
        smoothing=0.1,
        word_dropout=0.0,
        batch_size=32,
        each=3,
    )
    model = build_model(settings, settings.vocabulary_size, steps=1000)
    clock, count = Clock(), WARM + int(steps)
    model.fit(batches(settings), steps_per_epoch=count, callbacks=[clock], shuffle=False, verbose=0)
    print(json.dumps({"seconds": (clock.ends[-1] - clock.ends[WARM - 1]) / int(steps)}))


def batches(settings: Settings):
    """Yield batches of noise, with captions of several lengths."""
    draw, side = np.random.default_rng(0), settings.image_size
    for place in range(10**9):
        pixels = draw.integers(0, 256, (settings.batch_size, side, side, 3)).astype("uint8")
        shape = (settings.batch_size * settings.each, LENGTHS[place % len(LENGTHS)])
        ids = draw.integers(4, settings.vocabulary_size, shape).astype("int32")
        yield (pixels, ids), ids


if __name__ == "__main__":
    main(*sys.argv[1:])
