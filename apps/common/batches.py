"""Batches of padded sequences of similar length, as a `tf.data.Dataset`."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

# Two lengths an octave give few shapes to compile, and at most a third of a batch is padding.
PADDED_LENGTHS = np.array([2**n * step // 2 for n in range(2, 16) for step in (2, 3)])


class Batched(Protocol):
    """A known number of batches. They are made again in each iteration."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator: ...


def feed(batches: Batched, signature: Any) -> tf.data.Dataset:
    """Return a data set of batches, which makes the next batch while one is trained on.

    Args:
        batches: The batches.
        signature: A `tf.TensorSpec` for each part of a batch, nested as batches are.
    """
    dataset = tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=signature)
    count = tf.data.experimental.assert_cardinality(len(batches))
    return dataset.apply(count).prefetch(tf.data.AUTOTUNE)


def by_length(
    buckets: np.ndarray, batch_size: int, rng: np.random.Generator | None = None
) -> list[np.ndarray]:
    """Group sequences of similar length in batches.

    Args:
        buckets: The bucket of lengths of each sequence, `(sequences,)`.
        batch_size: Sequences in a batch; the last batch may be smaller.
        rng: Shuffles the sequences within a bucket, and the batches. Without it they are sorted
            by length.

    Returns:
        The indices of the sequences in each batch.
    """
    shuffled = np.arange(len(buckets))
    if rng is not None:
        rng.shuffle(shuffled)
    # A stable sort keeps the sequences of a bucket shuffled.
    ordered = shuffled[np.argsort(buckets[shuffled], kind="stable")]
    batches = [ordered[i : i + batch_size] for i in range(0, len(ordered), batch_size)]
    if rng is not None:
        rng.shuffle(batches)
    return batches


class Batches:
    """Sequences in padded batches of similar length, in a new random order in each epoch.

    The order depends on the seed and the epoch alone, so a training that is resumed at an epoch
    continues as if it had never stopped.

    Args:
        sequences: Ids above zero, each `(timesteps, ...)`; zero is the padding.
        targets: Their targets, shape `(examples, ...)`.
        batch_size: Sequences in a batch; the last batch may be smaller.
        seed: The seed of the order. Without one the batches are always sorted by length.
    """

    def __init__(
        self,
        sequences: Sequence[np.ndarray],
        targets: np.ndarray,
        batch_size: int,
        seed: int | None = None,
    ):
        self.sequences = sequences
        self.targets = np.asarray(targets)
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0
        lengths = [len(sequence) for sequence in sequences]
        self._buckets = np.searchsorted(PADDED_LENGTHS, lengths)

    def __len__(self) -> int:
        return -(-len(self.sequences) // self.batch_size)

    def order(self) -> list[np.ndarray]:
        """Return the indices of the sequences in each batch of this epoch."""
        rng = None if self.seed is None else np.random.default_rng((self.seed, self.epoch))
        return by_length(self._buckets, self.batch_size, rng)

    def in_order(self, outputs: np.ndarray) -> np.ndarray:
        """Return outputs of a model, given batch after batch, in the order of the examples."""
        result = np.empty_like(outputs)
        result[np.concatenate(self.order())] = outputs
        return result

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for indices in self.order():
            length = PADDED_LENGTHS[self._buckets[indices].max()]
            padded = np.zeros((len(indices), length, *self.sequences[0].shape[1:]), "int64")
            for row, index in enumerate(indices):
                padded[row, : len(self.sequences[index])] = self.sequences[index]
            yield padded, self.targets[indices]

    def dataset(self) -> tf.data.Dataset:
        """Return a data set that begins each iteration with the order of the current epoch."""
        signature = (
            tf.TensorSpec((None, None, *self.sequences[0].shape[1:]), tf.int64),
            tf.TensorSpec((None, *self.targets.shape[1:]), self.targets.dtype),
        )
        return feed(self, signature)
