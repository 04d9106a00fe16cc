"""A training step of an encoder-decoder with attention, of our layers and of Keras'."""

from collections.abc import Sequence
from functools import partial

import keras
import numpy as np
from keras import ops

import rnnlayers
from benchmarks.suite import Bench, Check, Ratio, Row, Suite, at_least, find
from benchmarks.timing import Timer, timed

BATCH, LENGTH, WORDS = 128, 16, 6000
EMBEDDING, ENCODER, DECODER = 256, 256, 512
CASE = "translation"


def measure(bench: Bench) -> list[Row]:
    """Measure the same model with our layers and with Keras' own."""
    batch = 2 if bench.quick else BATCH
    rng = np.random.default_rng(0)
    sources, targets, labels = (rng.integers(1, WORDS, (batch, LENGTH)) for _ in range(3))
    for tokens in (sources, targets):
        tokens[np.arange(LENGTH) >= rng.integers(LENGTH // 2, LENGTH + 1, (batch, 1))] = 0
    labels[targets == 0] = 0

    def step(ours: bool, jit_compile: bool | str = "auto") -> Timer:
        keras.utils.set_random_seed(0)
        model = make_model(ours)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)
        model.compile("adam", loss, jit_compile=jit_compile)
        # Not `fit`: at its end it waits, for whoever is quick, until five seconds have passed.
        return timed(partial(model.train_on_batch, [sources, targets], labels))

    timers = {
        "ours": step(ours=True),
        "keras": step(ours=False),
        "keras_xla": step(ours=False, jit_compile=True),
    }
    return [bench.time("Training step", CASE, timers)]


def make_model(ours: bool) -> keras.Model:
    """Return the same network twice: the logits of targets `(batch, target)` from both inputs."""
    library = rnnlayers if ours else keras.layers
    source, target = (keras.Input((None,), dtype="int32") for _ in range(2))
    present = ops.not_equal(source, 0)
    memory = keras.layers.Embedding(WORDS, EMBEDDING, mask_zero=True)(source)
    for _ in range(2):
        gru = library.GRU(ENCODER, return_sequences=True)
        memory = library.Bidirectional(gru)(memory, mask=present)
    state = keras.layers.Dense(DECODER, activation="tanh")(ops.mean(memory, 1))
    vectors = keras.layers.Embedding(WORDS, EMBEDDING, mask_zero=True)(target)
    if ours:
        cell = rnnlayers.AttentionCell(rnnlayers.GRUCell(DECODER), units=EMBEDDING)
        outputs = rnnlayers.AttentiveDecoder(cell)(vectors, memory, state, memory_mask=present)
    else:
        states = library.GRU(DECODER, return_sequences=True)(vectors, initial_state=state)
        queries = keras.layers.Dense(2 * ENCODER, use_bias=False)(states)
        contexts = keras.layers.Attention()([queries, memory])
        both = ops.concatenate([contexts, states], -1)
        outputs = keras.layers.Dense(EMBEDDING, activation="tanh", use_bias=False)(both)
    return keras.Model([source, target], keras.layers.Dense(WORDS)(outputs))


def check(rows: Sequence[Row]) -> list[Check]:
    """Compare with Keras."""
    row = find(rows, CASE)
    return [
        at_least(f"Training: speed-up over Keras {how}", row.ratio(name, "ours"), 2.0)
        for name, how in (("keras", "as `fit` runs it"), ("keras_xla", "with XLA"))
    ]


SUITE = Suite(
    about=f"`model.train_on_batch` with {BATCH} pairs of {LENGTH // 2} to {LENGTH} tokens out "
    f"of {WORDS:,}: two bidirectional GRUs of {ENCODER} units, a GRU decoder of {DECODER} with "
    f"attention (general), logits of all tokens. The same weights and the same arithmetic; the "
    f"logits, which are alike in all, are a third of it.",
    measure=measure,
    ratios=(
        Ratio("keras / ours", "keras", "ours"),
        Ratio("keras_xla / ours", "keras_xla", "ours"),
    ),
    check=check,
)
