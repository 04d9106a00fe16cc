"""Words and n-grams of texts as ids, computed in the graph."""

from collections import Counter
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from apps.common.refusal import Refusal
from apps.common.text import UNSPACED, encode

BLOCK = 25  # neighbouring texts that count once
SPECIAL_IDS = 2  # 0 is padding, 1 an n-gram outside the vocabulary
MIN_BLOCKS = 10  # in which an n-gram of many texts occurs
BLOCKS_EACH = 50  # blocks of all texts for each block in which an n-gram of fewer texts occurs
BEGIN = "[begin]"  # not a word of any text, since signs are split from letters


def split_words(texts: tf.Tensor, unspaced: bool = True) -> tf.RaggedTensor:
    """Split texts into lower-case words and signs, with TensorFlow operations only.

    HTML tags, control characters and bytes that are not UTF-8 separate words, as spaces do. Each
    sign that is neither letter nor digit is a word. An apostrophe inside a word stays there. In
    scripts without spaces each letter is a word, and n-grams are words of two and three letters.

    Args:
        texts: Strings, shape `(batch,)`.
        unspaced: Whether letters of scripts without spaces are words.

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
        *([(rf"({UNSPACED})", r" \1 ")] if unspaced else []),
    ):
        texts = tf.strings.regex_replace(texts, pattern, replacement)
    return tf.strings.split(texts)


def truncated(words: tf.RaggedTensor, max_length: int) -> tf.RaggedTensor:
    """Return `BEGIN` and the words `(batch, None)`; a long text keeps those at both ends."""
    head, tail = ends(max_length)
    begin = tf.fill([words.nrows(), 1], BEGIN)
    return tf.concat([begin, words[:, :head], words[:, head:][:, -tail:]], axis=1)


def ends(max_length: int) -> tuple[int, int]:
    """Return how many words are read at the start and at the end of a long text."""
    head = max_length // 2
    return head, max_length - 1 - head


def ngrams(words: tf.RaggedTensor, orders: int) -> tf.RaggedTensor:
    """Return the n-grams of length 1 to `orders` that end at each word, `(batch, None, orders)`."""
    begin = tf.fill([words.nrows(), 1], BEGIN)
    grams = [
        tf.strings.ngrams(tf.concat([begin] * (order - 1) + [words], axis=1), order)
        for order in range(1, orders + 1)
    ]
    return words.with_flat_values(tf.stack([gram.flat_values for gram in grams], axis=1))


def block_count(texts: int) -> int:
    """Return the number of blocks of so many texts."""
    return -(-texts // BLOCK)


def blocks_needed(texts: int) -> int:
    """Return in how many blocks of so many texts an n-gram must occur to be kept."""
    count = block_count(texts)
    return min(MIN_BLOCKS, max(count // BLOCKS_EACH, 2), count)


class Vectorizer(tf.Module):
    """Turns raw texts into ids, with TensorFlow operations only, so that it can be exported.

    Each step has the ids of the n-grams that end there: the word, the pair of words, and so on.
    The id 0 is padding, and 1 stands for n-grams outside the vocabulary. `BEGIN` comes before each
    text, so that no text is empty. A long text keeps its first and last words, half each.

    Args:
        vocabulary: The n-grams with the ids from 2, their words joined by spaces.
        max_length: The largest number of steps of a text, at least 3.
        orders: The length of the longest n-grams.
    """

    def __init__(self, vocabulary: Sequence[str], max_length: int, orders: int):
        super().__init__()
        self.vocabulary = tuple(vocabulary)
        self.max_length = max_length
        self.orders = orders
        self.lookup = keras.layers.StringLookup(vocabulary=self.vocabulary, mask_token="")
        # Vocabularies of earlier versions may hold words of several letters of such scripts.
        words = encode(gram for gram in self.vocabulary if " " not in gram and not gram.isascii())
        self.unspaced = bool(tf.reduce_all(split_words(words).row_lengths() <= 1))

    @classmethod
    def fit(
        cls,
        texts: Sequence[str | bytes],
        max_length: int,
        orders: int,
        min_blocks: int | None = None,
    ) -> "Vectorizer":
        """Return a vectorizer with the n-grams that occur throughout the texts.

        Args:
            texts: The texts. Neighbours may share a subject, and names that occur in them alone do
                not help with other texts.
            max_length: As above.
            orders: As above.
            min_blocks: The number of blocks of neighbouring texts in which a kept n-gram occurs. By
                default it is 10, and of few texts one in 50 blocks but at least 2.

        Raises:
            Refusal: If no word occurs in this many blocks.
        """
        if min_blocks is None:
            min_blocks = blocks_needed(len(texts))
        blocks: Counter[bytes] = Counter()
        for start in range(0, len(texts), BLOCK):
            words = truncated(split_words(encode(texts[start : start + BLOCK])), max_length)
            grams = ngrams(words, orders)
            blocks.update(set(grams.flat_values.numpy().ravel().tolist()))
        kept = [gram for gram, count in blocks.items() if count >= min_blocks and gram]
        if not kept:
            raise Refusal(
                f"min_blocks must leave some words; no word occurs in {min_blocks} of the "
                f"{block_count(len(texts))} blocks of {BLOCK} texts: choose a lower number, or "
                f"give more texts"
            )
        # Words come first, then the most frequent, then by spelling, so the order is unique.
        kept.sort(key=lambda gram: (gram.count(b" "), -blocks[gram], gram))
        return cls([gram.decode() for gram in kept], max_length, orders)

    @property
    def size(self) -> int:
        """The number of ids."""
        return len(self.vocabulary) + SPECIAL_IDS

    @property
    def word_count(self) -> int:
        """The number of ids of single words, which are the lowest."""
        return sum(" " not in gram for gram in self.vocabulary) + SPECIAL_IDS

    def words(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Return the words read of texts `(batch,)`, shape `(batch, None)`."""
        return truncated(self.all_words(texts), self.max_length)

    def all_words(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Return the words of texts `(batch,)`, shape `(batch, None)`, also those not read."""
        return split_words(texts, self.unspaced)

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Return the ids of texts `(batch,)`, shape `(batch, None, orders)`."""
        return self.ids(self.words(texts))

    def ids(self, words: tf.RaggedTensor) -> tf.RaggedTensor:
        """Return the ids of words that were read, shape `(batch, None, orders)`."""
        grams = ngrams(words, self.orders)
        return grams.with_flat_values(self.lookup(grams.flat_values))

    def arrays(self, texts: Sequence[str | bytes]) -> list[np.ndarray]:
        """Return the ids of each text, `(timesteps, orders)`."""
        arrays: list[np.ndarray] = []
        for start in range(0, len(texts), 1000):
            ids = self(encode(texts[start : start + 1000]))
            arrays += np.split(ids.flat_values.numpy(), ids.row_splits.numpy()[1:-1])
        return arrays
