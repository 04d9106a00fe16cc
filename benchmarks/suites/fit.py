"""One epoch of `fit`, where the layer is part of a model."""

from functools import partial
from types import ModuleType

import keras
import numpy as np

import rnnlayers
from benchmarks.suite import Bench, Ratio, Row, Suite
from benchmarks.timing import Timer, timed

BATCH, BATCHES, LENGTH, UNITS, WORDS = 32, 40, 200, 64, 1000


def measure(bench: Bench) -> list[Row]:
    """Measure an epoch of the same model with our layer and with Keras' own."""
    batches, length = (2, 8) if bench.quick else (BATCHES, LENGTH)
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, WORDS, (BATCH * batches, length))
    ends = rng.integers(length // 2, length + 1, (len(tokens), 1))
    tokens[np.arange(length) >= ends] = 0
    labels = rng.integers(0, 2, len(tokens))

    def epoch(library: ModuleType, jit_compile: bool | str = "auto") -> Timer:
        keras.utils.set_random_seed(0)
        recurrent = library.Bidirectional(library.LSTM(UNITS))
        layers = [keras.layers.Embedding(WORDS, UNITS, mask_zero=True), recurrent]
        model = keras.Sequential([*layers, keras.layers.Dense(1)])
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        model.compile("adam", loss, jit_compile=jit_compile)
        return timed(partial(model.fit, tokens, labels, batch_size=BATCH, verbose=0))

    timers = {
        "ours": epoch(rnnlayers),
        "keras": epoch(keras.layers),
        "keras_xla": epoch(keras.layers, jit_compile=True),
    }
    return [bench.time("One epoch", "Bidirectional LSTM", timers)]


SUITE = Suite(
    about="`model.fit` for one epoch on generated tokens: an embedding with a mask, a "
    f"bidirectional LSTM of {UNITS} units and one output; {BATCHES} batches of {BATCH} sequences "
    f"of {LENGTH // 2} to {LENGTH} steps, padded on the right.",
    measure=measure,
    ratios=(
        Ratio("keras / ours", "keras", "ours"),
        Ratio("keras_xla / ours", "keras_xla", "ours"),
    ),
)
