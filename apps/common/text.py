"""Texts as tensors."""

from collections.abc import Iterable

import tensorflow as tf


def encode(texts: Iterable[str | bytes]) -> tf.Tensor:
    """Return texts as a string tensor `(batch,)`; lone surrogates become `?`, bytes stay."""
    return tf.constant(
        [text if isinstance(text, bytes) else text.encode("utf-8", "replace") for text in texts],
        dtype=tf.string,
    )
