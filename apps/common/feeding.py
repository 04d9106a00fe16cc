"""Batches that are made one by one, as Keras takes them."""

from collections.abc import Iterator
from typing import Any, Protocol

import tensorflow as tf


class Batched(Protocol):
    """So many batches, made anew each time they are gone through."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator: ...


def feed(batches: Batched, signature: Any) -> tf.data.Dataset:
    """Makes a data set that goes through batches, the next one made while one is trained on.

    Args:
        batches: The batches.
        signature: A `tf.TensorSpec` for each part of a batch, nested as batches are.
    """
    dataset = tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=signature)
    count = tf.data.experimental.assert_cardinality(len(batches))
    return dataset.apply(count).prefetch(tf.data.AUTOTUNE)
