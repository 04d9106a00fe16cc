"""Texts as tensors."""

from collections.abc import Iterable

import tensorflow as tf

# Letters of scripts without spaces between words, with their marks: Chinese, Japanese, Thai, Lao,
# Khmer, Burmese, Tibetan. Each is a word of its own. In the syntax of RE2 and of `regex`.
UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}ー]\pM*"


def encode(texts: Iterable[str | bytes]) -> tf.Tensor:
    """Return texts as a string tensor `(batch,)`; lone surrogates become `?`, bytes stay."""
    return tf.constant(
        [text if isinstance(text, bytes) else text.encode("utf-8", "replace") for text in texts],
        dtype=tf.string,
    )
