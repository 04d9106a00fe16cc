"""Texts as tensors."""

from collections.abc import Iterable

import tensorflow as tf

from apps.common.endpoint_checks import Requirement, sentence

# Letters of scripts without spaces between words, with their marks: Chinese, Japanese, Thai, Lao,
# Khmer, Burmese, Tibetan. Each is a word of its own. In the syntax of RE2 and of `regex`.
UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}ー]\pM*"


def encode(texts: Iterable[str | bytes]) -> tf.Tensor:
    """Return texts as a string tensor `(batch,)`; lone surrogates become `?`, bytes stay."""
    return tf.constant(
        [text if isinstance(text, bytes) else text.encode("utf-8", "replace") for text in texts],
        dtype=tf.string,
    )


def count_characters(texts: tf.Tensor) -> tf.Tensor:
    """Return at least how many characters texts become, in the same shape, int32.

    TensorFlow counts the bytes that begin a character of UTF-8. Each other byte belongs to one of
    these, three at most to each, or is no UTF-8 and becomes a character of its own.
    """
    begun = tf.strings.length(texts, "UTF8_CHAR")
    return tf.maximum(begun, tf.strings.length(texts) - 3 * begun)


def few_characters(name: str, texts: tf.Tensor, most: int) -> Requirement:
    """Return the requirement that the texts of a request are not too long together.

    It costs no more than a look at each byte. What comes after it, such as regular expressions, may
    take thousands of times the memory of a text, and cannot be stopped.

    Args:
        name: The input.
        texts: Its texts.
        most: The largest number of characters.
    """
    count = tf.reduce_sum(tf.cast(count_characters(texts), tf.int64))
    words = f"{name} may have at most {most:,} characters in a request; received "
    return Requirement(count <= most, sentence(words, count))
