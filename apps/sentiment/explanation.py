"""What each word does to the answer: the change of the log-odds when it is left out."""

from collections.abc import Callable

import tensorflow as tf

from apps.sentiment.words import Vectorizer, ends, truncated

ROWS = 64  # texts with a word left out that are computed together


def word_effects(
    texts: tf.Tensor, network: Callable[[tf.Tensor], tf.Tensor], vectorizer: Vectorizer
) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """Measure the effect of each word, by asking again without it.

    Args:
        texts: The texts, `(batch,)`.
        network: Computes from ids `(batch, timesteps, orders)` the log-odds of class 1 of two,
            `(batch,)`, or the logits of more classes, `(batch, classes)`.
        vectorizer: Turns words into ids.

    Returns:
        The words that are read, `(batch, None)`, and their effects: the log-odds of the answer
        minus those without the word. The answer is class 1 of two, or the likeliest of more.
    """
    words, read = with_neighbours(vectorizer.all_words(texts), vectorizer.max_length)

    def ask(words: tf.RaggedTensor) -> tf.Tensor:
        return network(vectorizer.ids(truncated(words, vectorizer.max_length)).to_tensor())

    def explain(text: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        words, read = text
        whole = ask(tf.RaggedTensor.from_tensor(words[None, :]))
        label = tf.argmax(whole[0]) if whole.shape.rank == 2 else tf.constant(1, tf.int64)
        places = tf.squeeze(tf.where(read), axis=1)
        size = tf.clip_by_value(tf.size(places), 1, ROWS)
        chunks = tf.maximum(-(-tf.size(places) // size), 1)  # also without words
        padded = tf.pad(places, [[0, chunks * size - tf.size(places)]])
        without = tf.map_fn(
            lambda chunk: log_odds_of(ask(left_out(words, chunk)), label),
            tf.reshape(padded, [chunks, size]),
            fn_output_signature=tf.float32,
        )
        return log_odds_of(whole, label) - tf.reshape(without, [-1])[: tf.size(places)]

    ragged = tf.RaggedTensorSpec([None], tf.float32)
    effects = tf.map_fn(explain, (words, read), fn_output_signature=ragged)
    return tf.ragged.boolean_mask(words, read), effects


def with_neighbours(
    words: tf.RaggedTensor, max_length: int
) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """Return the words that are read, and those that take the place of one that is left out.

    Args:
        words: All words of texts, `(batch, None)`.
        max_length: The largest number of steps of a text.

    Returns:
        The words, and whether each is read, both `(batch, None)`.
    """
    head, tail = ends(max_length)
    words = tf.concat([words[:, : head + 1], words[:, head + 1 :][:, -(tail + 1) :]], axis=1)
    lengths = words.row_lengths()
    places = tf.ragged.range(lengths)
    from_end = tf.repeat(lengths, lengths) - places.flat_values
    read = (places.flat_values < head) | (from_end <= tail)
    return words, words.with_flat_values(read)


def left_out(words: tf.Tensor, places: tf.Tensor) -> tf.RaggedTensor:
    """Return for each place `(rows,)` the words `(steps,)` without the one that is there."""
    others = tf.range(tf.size(words, tf.int64))[None, :] != places[:, None]
    repeated = tf.repeat(words[None, :], tf.size(places), axis=0)
    return tf.ragged.boolean_mask(repeated, others)


def log_odds_of(log_odds: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
    """Return the log-odds of a class against all others, `(batch,)`.

    Args:
        log_odds: What `network` of `word_effects` computes.
        label: The number of the class; it does not matter if there are two.
    """
    if log_odds.shape.rank == 1:
        return log_odds
    chosen = tf.one_hot(label, log_odds.shape[-1], on_value=True, off_value=False)
    others = tf.where(chosen, -float("inf"), log_odds)
    return tf.gather(log_odds, label, axis=1) - tf.reduce_logsumexp(others, axis=-1)
