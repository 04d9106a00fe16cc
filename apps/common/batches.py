"""Batches as Keras takes them, made one by one: sequences of similar length, padded."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

# Two lengths an octave: few shapes to compile, and at most a third of a batch is padding.
PADDED_LENGTHS = np.array([2**n * step // 2 for n in range(2, 16) for step in (2, 3)])


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


def by_length(
    buckets: np.ndarray, batch_size: int, chance: np.random.Generator | None = None
) -> list[np.ndarray]:
    """Puts sequences of similar length together in batches.

    Args:
        buckets: A number for the length of each sequence, `(sequences,)`.
        batch_size: Sequences in a batch; the last batch may be smaller.
        chance: Shuffles the sequences within a bucket, and the batches; without it they come by
            length.

    Returns:
        The places of the sequences in each batch.
    """
    shuffled = np.arange(len(buckets))
    if chance is not None:
        chance.shuffle(shuffled)
    # Stable: within a bucket the sequences stay shuffled.
    ordered = shuffled[np.argsort(buckets[shuffled], kind="stable")]
    batches = [ordered[i : i + batch_size] for i in range(0, len(ordered), batch_size)]
    if chance is not None:
        chance.shuffle(batches)
    return batches


class Batches:
    """Sequences in padded batches of similar length, in an order drawn anew for each epoch.

    The order of epoch `n` depends on the seed and `n` alone, so that training which is taken up
    again at an epoch goes on as if it had never stopped.

    Args:
        sequences: Ids above zero, each `(timesteps, ...)`; zero is the padding.
        targets: Their targets, shape `(examples, ...)`.
        batch_size: Sequences in a batch; the last batch may be smaller.
        seed: The seed of the order. Without one the order is by length, always the same.
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
        """Returns the indices of the sequences in each batch of this epoch."""
        chance = None if self.seed is None else np.random.default_rng((self.seed, self.epoch))
        return by_length(self._buckets, self.batch_size, chance)

    def in_order(self, outputs: np.ndarray) -> np.ndarray:
        """Sorts what a model answered, batch after batch, into the order of the examples."""
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
        """Returns a data set that starts each time with the order of the current epoch."""
        signature = (
            tf.TensorSpec((None, None, *self.sequences[0].shape[1:]), tf.int64),
            tf.TensorSpec((None, *self.targets.shape[1:]), self.targets.dtype),
        )
        return feed(self, signature)
