"""Text for networks: words in the graph, and batches of sequences of similar length."""

from collections import Counter
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from apps.common.refusal import Refusal
from apps.common.text import encode

BLOCK = 25  # neighbouring texts that count once
BEGIN = "[begin]"  # no text holds it: signs stand apart from letters


def split_words(texts: tf.Tensor) -> tf.RaggedTensor:
    """Splits texts into lower-case words and signs, with TensorFlow operations only.

    What is not UTF-8, control characters and HTML tags separate words as spaces do; every sign that
    is neither letter nor digit stands alone, and an apostrophe stays inside its word.

    Args:
        texts: Strings, shape `(batch,)`.

    Returns:
        The words, ragged, shape `(batch, None)`.
    """
    texts = tf.strings.unicode_transcode(
        texts, "UTF-8", "UTF-8", replacement_char=ord(" "), replace_control_characters=True
    )
    texts = tf.strings.lower(texts, encoding="utf-8")
    for pattern, replacement in (
        (r"</?[a-z][^<>]*>", " "),
        (r"[\pZ\pC]+", " "),
        (r"([^\pL\pM\pN' ])", r" \1 "),
        (r"\B'|'\B", " "),
    ):
        texts = tf.strings.regex_replace(texts, pattern, replacement)
    return tf.strings.split(texts)


def kept_words(texts: tf.Tensor, max_length: int) -> tf.RaggedTensor:
    """Returns `BEGIN` and the words of texts `(batch,)`, of a long text those of both ends."""
    words = split_words(texts)
    head = max_length // 2
    tail = max_length - 1 - head
    begin = tf.fill([words.nrows(), 1], BEGIN)
    return tf.concat([begin, words[:, :head], words[:, head:][:, -tail:]], axis=1)


def ngrams(words: tf.RaggedTensor, orders: int) -> tf.RaggedTensor:
    """Returns the n-grams, up to that length, that end at each word: `(batch, None, orders)`."""
    begin = tf.fill([words.nrows(), 1], BEGIN)
    grams = [
        tf.strings.ngrams(tf.concat([begin] * (order - 1) + [words], axis=1), order)
        for order in range(1, orders + 1)
    ]
    return words.with_flat_values(tf.stack([gram.flat_values for gram in grams], axis=1))


class Vectorizer(tf.Module):
    """Turns raw texts into ids, with TensorFlow operations only, so that it can be exported.

    Each step has the ids of the n-grams that end there: the word, the pair of words, and so on.
    The id 0 pads and 1 stands for all that is not in the vocabulary. `BEGIN` stands before each
    text, so that none is empty. Of a long text the first and the last words are kept, half each.

    Args:
        vocabulary: The n-grams with the ids from 2 up, their words joined by spaces.
        max_length: The steps in a text at most, at least 3.
        orders: The length of the longest n-grams.
    """

    def __init__(self, vocabulary: Sequence[str], max_length: int, orders: int):
        super().__init__()
        self.vocabulary = tuple(vocabulary)
        self.max_length = max_length
        self.orders = orders
        self.lookup = keras.layers.StringLookup(vocabulary=self.vocabulary, mask_token="")

    @classmethod
    def learned(
        cls, texts: Sequence[str | bytes], max_length: int, orders: int, min_blocks: int
    ) -> "Vectorizer":
        """Makes one with the n-grams that occur all over the texts.

        Args:
            texts: The texts. Neighbours may be about the same thing: names that occur there alone
                say nothing of other texts.
            max_length: As above.
            orders: As above.
            min_blocks: In how many blocks of neighbouring texts an n-gram must occur to be kept.

        Raises:
            Refusal: If no word occurs in so many.
        """
        blocks: Counter[bytes] = Counter()
        for start in range(0, len(texts), BLOCK):
            words = kept_words(encode(texts[start : start + BLOCK]), max_length)
            found = ngrams(words, orders)
            blocks.update(set(found.flat_values.numpy().ravel().tolist()))
        kept = [gram for gram, count in blocks.items() if count >= min_blocks and gram]
        if not kept:
            raise Refusal(
                f"min_blocks: no word occurs in {min_blocks} of the {-(-len(texts) // BLOCK)} "
                f"blocks of {BLOCK} texts; use a lower number, or more texts"
            )
        # Words first, then by frequency and spelling: the same texts give the same vocabulary.
        kept.sort(key=lambda gram: (gram.count(b" "), -blocks[gram], gram))
        return cls([gram.decode() for gram in kept], max_length, orders)

    @property
    def size(self) -> int:
        """How many ids there are."""
        return len(self.vocabulary) + 2

    @property
    def word_count(self) -> int:
        """How many ids there are for single words; they are the lowest."""
        return sum(" " not in gram for gram in self.vocabulary) + 2

    def words(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Returns what is kept of texts `(batch,)` as words, shape `(batch, None)`."""
        return kept_words(texts, self.max_length)

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Returns what is kept of texts `(batch,)` as ids, shape `(batch, None, orders)`."""
        grams = ngrams(self.words(texts), self.orders)
        return grams.with_flat_values(self.lookup(grams.flat_values))

    def arrays(self, texts: Sequence[str | bytes]) -> list[np.ndarray]:
        """Returns the ids of each text, `(timesteps, orders)`."""
        arrays: list[np.ndarray] = []
        for start in range(0, len(texts), 1000):
            ids = self(encode(texts[start : start + 1000]))
            arrays += np.split(ids.flat_values.numpy(), ids.row_splits.numpy()[1:-1])
        return arrays
