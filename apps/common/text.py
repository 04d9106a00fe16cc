"""Texts as tensors."""

from collections.abc import Iterable

import tensorflow as tf


def encode(texts: Iterable[str | bytes]) -> tf.Tensor:
    """Makes a string tensor `(batch,)` of any texts, lone surrogates and raw bytes included."""
    return tf.constant(
        [text if isinstance(text, bytes) else text.encode("utf-8", "replace") for text in texts],
        dtype=tf.string,
    )
