"""One epoch of `fit`, where the layer is part of a model."""

from functools import partial
from types import ModuleType

import keras
import numpy as np

import rnnlayers
from benchmarks.suite import Bench, Ratio, Row, Suite
from benchmarks.timing import Timer, timed

BATCH, BATCHES, LENGTH, UNITS, WORDS = 32, 40, 200, 64, 1000
TEXTS, STEPS, TEXT_UNITS, CHARACTERS = 64, 100, 512, 65  # of `apps.textgen` on tiny Shakespeare


def measure(bench: Bench) -> list[Row]:
    """Measure an epoch of the same models with our layers and with Keras' own."""
    rows = []
    for case, make in (("Bidirectional LSTM", classifier), ("GRU over characters", generator)):
        timers = {
            "ours": make(rnnlayers, bench.quick),
            "keras": make(keras.layers, bench.quick),
            "keras_xla": make(keras.layers, bench.quick, jit_compile=True),
        }
        rows.append(bench.time("One epoch", case, timers))
    return rows


def classifier(library: ModuleType, quick: bool, jit_compile: bool | str = "auto") -> Timer:
    """Return an epoch of a model that reads masked sequences and says one number."""
    batches, length = (2, 8) if quick else (BATCHES, LENGTH)
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, WORDS, (BATCH * batches, length))
    ends = rng.integers(length // 2, length + 1, (len(tokens), 1))
    tokens[np.arange(length) >= ends] = 0
    labels = rng.integers(0, 2, len(tokens))
    keras.utils.set_random_seed(0)
    recurrent = library.Bidirectional(library.LSTM(UNITS))
    layers = [keras.layers.Embedding(WORDS, UNITS, mask_zero=True), recurrent]
    model = keras.Sequential([*layers, keras.layers.Dense(1)])
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile("adam", loss, jit_compile=jit_compile)
    return timed(partial(model.fit, tokens, labels, batch_size=BATCH, verbose=0))


def generator(library: ModuleType, quick: bool, jit_compile: bool | str = "auto") -> Timer:
    """Return an epoch of a model that says of each character which one follows."""
    batches, length = (2, 8) if quick else (BATCHES // 4, STEPS)
    texts = np.random.default_rng(0).integers(0, CHARACTERS, (TEXTS * batches, length + 1))
    keras.utils.set_random_seed(0)
    recurrent = library.GRU(TEXT_UNITS, return_sequences=True, stateful=True)
    layers = [keras.Input(batch_shape=(TEXTS, length)), keras.layers.Embedding(CHARACTERS, UNITS)]
    model = keras.Sequential([*layers, recurrent, keras.layers.Dense(CHARACTERS)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, jit_compile=jit_compile)
    arrays = (texts[:, :-1], texts[:, 1:])
    return timed(partial(model.fit, *arrays, batch_size=TEXTS, shuffle=False, verbose=0))


SUITE = Suite(
    about="`model.fit` for one epoch on generated tokens: an embedding with a mask, a "
    f"bidirectional LSTM of {UNITS} units and one output; {BATCHES} batches of {BATCH} sequences "
    f"of {LENGTH // 2} to {LENGTH} steps, padded on the right. And a model of characters: an "
    f"embedding of {UNITS}, a stateful GRU of {TEXT_UNITS} units, {CHARACTERS} outputs a step; "
    f"{BATCHES // 4} batches of {TEXTS} texts of {STEPS} steps.",
    measure=measure,
    ratios=(
        Ratio("keras / ours", "keras", "ours"),
        Ratio("keras_xla / ours", "keras_xla", "ours"),
    ),
)
