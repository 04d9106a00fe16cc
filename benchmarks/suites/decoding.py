"""Decoding: greedy and with a beam, one sentence at a time and many together."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import ops

import rnnlayers
from benchmarks.suite import Bench, Check, Ratio, Row, Suite, all_at_most
from benchmarks.timing import Timer, timed
from rnnlayers.decoding import BeamSearch, Greedy, Sampler

LENGTH, WORDS, EMBEDDING, UNITS, BEAMS = 16, 6000, 256, 512, 5
BATCHES = (1, 64)


def measure(bench: Bench) -> list[Row]:
    """Measure sentences of one length, each batch size."""
    words, units = (50, 8) if bench.quick else (WORDS, UNITS)
    model = make_model(words, units)
    rows = []
    for batch in BATCHES:
        sources = np.random.default_rng(0).integers(1, words, (batch, LENGTH)).astype("int32")
        timers = {
            "greedy": decoder(model, sources, Greedy()),
            "beam": decoder(model, sources, BeamSearch(BEAMS)),
        }
        rows.append(bench.time("Sentences", f"batch {batch}", timers))
    return rows


def make_model(words: int, units: int) -> rnnlayers.EncoderDecoder:
    """Return a translator, untrained: its tokens mean nothing, their number is what counts."""
    keras.utils.set_random_seed(0)
    ids = keras.Input((None,), dtype="int32")
    present = ops.not_equal(ids, 0)
    memory = keras.layers.Embedding(words, EMBEDDING)(ids)
    for _ in range(2):
        gru = rnnlayers.GRU(units // 2, return_sequences=True)
        memory = rnnlayers.Bidirectional(gru)(memory, mask=present)
    model = rnnlayers.EncoderDecoder(
        encoder=keras.Model(ids, [memory, present]),
        embedding=keras.layers.ReversibleEmbedding(words, EMBEDDING),
        decoder=[
            rnnlayers.AttentiveDecoder(rnnlayers.AttentionCell(rnnlayers.GRUCell(units))),
            rnnlayers.GRU(units, return_sequences=True),
            keras.layers.Dense(EMBEDDING),
        ],
        start_token_id=2,
        stop_token_id=3,
    )
    model.build(((None, None), (None, None)))
    return model


def decoder(model: rnnlayers.EncoderDecoder, sources: np.ndarray, sampler: Sampler) -> Timer:
    """Return a timer of sentences that all have the greatest length."""

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)], autograph=False)
    def generate(sources: tf.Tensor) -> tf.Tensor:
        return model.generate(sources, sampler, max_length=LENGTH, min_length=LENGTH).tokens

    tokens = tf.constant(sources)
    return timed(lambda: generate(tokens))


def check(rows: Sequence[Row]) -> list[Check]:
    """Compare a beam with greedy decoding."""
    ratios = {row.case: row.ratio("beam", "greedy") for row in rows}
    return [all_at_most(f"A beam of {BEAMS} relative to greedy decoding", ratios, 6.0)]


SUITE = Suite(
    about=f"`EncoderDecoder.generate` in a `tf.function`, from {LENGTH} tokens to {LENGTH} tokens "
    f"out of {WORDS:,}: two bidirectional GRUs of {UNITS // 2} units, two GRUs of {UNITS} with "
    f"attention between them, weights as they were drawn, greedily and with a beam of {BEAMS}.",
    measure=measure,
    ratios=(Ratio("beam / greedy", "beam", "greedy"),),
    check=check,
)
