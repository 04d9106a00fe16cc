"""Sequences with the sequences they are answered by, in padded batches."""

from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from apps.common.batches import Batches, feed
from apps.common.seq2seq.teacher_forcing import LENGTHS, forced, padded


class PairBatches(Batches):
    """Batches for teacher forcing: sources and targets of similar lengths, and the labels.

    Args:
        sources: Ids above zero, each `(source,)`.
        targets: Likewise, each `(target,)`, without start and stop.
        batch_size: Pairs in a batch; the last batch may be smaller.
        seed: The seed of the order. Without one the order is by length, always the same.
        start: The id that targets begin with.
        stop: The id that labels end with.
    """

    def __init__(
        self,
        sources: Sequence[np.ndarray],
        targets: Sequence[np.ndarray],
        batch_size: int,
        seed: int | None = None,
        *,
        start: int,
        stop: int,
    ):
        super().__init__(sources, np.arange(len(sources)), batch_size, seed)
        self.answers = targets
        self.start, self.stop = start, stop
        self._lengths = np.array([len(source) for source in sources])
        first = np.searchsorted(LENGTHS, self._lengths)
        second = np.searchsorted(LENGTHS, [len(target) + 1 for target in targets])
        self._buckets = first * (len(LENGTHS) + 1) + second

    def __iter__(self) -> Iterator[tuple[tuple[np.ndarray, np.ndarray], np.ndarray]]:
        for indices in self.order():
            sources = np.zeros((len(indices), padded(self._lengths[indices].max())), "int32")
            for row, index in enumerate(indices):
                sources[row, : len(self.sequences[index])] = self.sequences[index]
            targets, labels = forced([self.answers[i] for i in indices], self.start, self.stop)
            yield (sources, targets), labels

    def dataset(self) -> tf.data.Dataset:
        """Returns a data set that starts each time with the order of the current epoch."""
        ids = tf.TensorSpec((None, None), tf.int32)
        return feed(self, ((ids, ids), ids))
