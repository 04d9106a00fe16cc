"""Pairs of sequences in padded batches."""

from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from apps.common.batches import Batches, feed
from apps.common.seq2seq.teacher_forcing import LENGTHS, padded_length, teacher_forcing_batch


class PairBatches(Batches):
    """Batches for teacher forcing: sources, targets and labels, each of similar length.

    Args:
        sources: Ids above zero, each `(source,)`.
        targets: Ids above zero, each `(target,)`, without start and stop.
        batch_size: Pairs in a batch; the last batch may be smaller.
        seed: The seed of the order. Without one the batches are always sorted by length.
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
        source_buckets = np.searchsorted(LENGTHS, self._lengths)
        target_buckets = np.searchsorted(LENGTHS, [len(target) + 1 for target in targets])
        self._buckets = source_buckets * (len(LENGTHS) + 1) + target_buckets

    def __iter__(self) -> Iterator[tuple[tuple[np.ndarray, np.ndarray], np.ndarray]]:
        for indices in self.order():
            sources = np.zeros((len(indices), padded_length(self._lengths[indices].max())), "int32")
            for row, index in enumerate(indices):
                sources[row, : len(self.sequences[index])] = self.sequences[index]
            answers = [self.answers[index] for index in indices]
            targets, labels = teacher_forcing_batch(answers, self.start, self.stop)
            yield (sources, targets), labels

    def dataset(self) -> tf.data.Dataset:
        """Return a data set that begins each iteration with the order of the current epoch."""
        ids = tf.TensorSpec((None, None), tf.int32)
        return feed(self, ((ids, ids), ids))
