"""From the logits of symbols at each step to transcripts: greedily, or by a search of prefixes."""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from apps.recognition.networks import BLANK

BEAMS = 16  # prefixes that are kept after each step


class Decoded(NamedTuple):
    """Transcripts as numbers of symbols."""

    ids: tf.RaggedTensor  # (batch, None), 1 is the first letter
    log_probability: tf.Tensor  # (batch,)


def search_prefixes(logits: tf.Tensor, steps: tf.Tensor, beams: int = BEAMS) -> Decoded:
    """Find the likeliest transcripts: the sum over all alignments counts (Graves 2012, 7.5.3).

    Args:
        logits: `(batch, steps, symbols + 1)`, the first that of the blank.
        steps: How many steps of each row count, `(batch,)`.
        beams: The number of prefixes that are kept after each step.

    Returns:
        The transcripts, and the logarithm of the sum of their alignments that were kept.
    """
    last = tf.roll(logits, -1, axis=-1)  # TensorFlow's search takes the last symbol for the blank
    found, scores = tf.nn.ctc_beam_search_decoder(
        tf.transpose(last, [1, 0, 2]), steps, beam_width=beams, top_paths=1
    )
    ids = tf.RaggedTensor.from_sparse(tf.sparse.reorder(found[0])) + 1
    return Decoded(ids, scores[:, 0])


def follow_best(logits: tf.Tensor, steps: tf.Tensor, before: tf.Tensor | None = None) -> Decoded:
    """Take the likeliest symbol of each step, and leave out repetitions and blanks.

    Args:
        logits: `(batch, steps, symbols + 1)`.
        steps: How many steps of each row count, `(batch,)`.
        before: The symbol of the step before the first, `(batch,)`; the blank if None.

    Returns:
        The transcripts, and the logarithm of the probability of this one alignment.
    """
    best = tf.argmax(logits, axis=-1, output_type=tf.int32)
    first = tf.fill(tf.shape(best)[:1], BLANK) if before is None else before
    previous = tf.concat([first[:, None], best[:, :-1]], axis=1)
    present = tf.sequence_mask(steps, tf.shape(best)[1])
    kept = (best != previous) & (best != BLANK) & present
    scores = tf.reduce_max(tf.nn.log_softmax(logits), axis=-1)
    score = tf.reduce_sum(tf.where(present, scores, 0.0), axis=1)
    return Decoded(tf.ragged.boolean_mask(best, kept), score)


def as_texts(ids: tf.RaggedTensor, symbols: Sequence[str]) -> tf.Tensor:
    """Return numbers of symbols as texts, `(batch,)`."""
    letters = tf.ragged.map_flat_values(lambda n: tf.gather(["", *symbols], n), ids)
    return tf.strings.reduce_join(letters, axis=-1)
