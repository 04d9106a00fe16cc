"""Sequences with the sequences they are answered by, in padded batches, and the loss on them."""

from collections.abc import Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from apps.common.text import Batches

# Few shapes to compile, and little padding.
LENGTHS = np.array([*range(4, 24, 4), *range(24, 64, 8), *range(64, 1024, 32)])


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
        self._lengths = (
            np.array([len(source) for source in sources]),
            np.array([len(target) + 1 for target in targets]),
        )
        first, second = (np.searchsorted(LENGTHS, lengths) for lengths in self._lengths)
        self._buckets = first * (len(LENGTHS) + 1) + second

    def __iter__(self) -> Iterator[tuple[tuple[np.ndarray, np.ndarray], np.ndarray]]:
        for indices in self.order():
            shapes = ((len(indices), padded(side[indices].max())) for side in self._lengths)
            sources, labels = (np.zeros(shape, "int32") for shape in shapes)
            targets = np.zeros_like(labels)
            for row, index in enumerate(indices):
                source, target = self.sequences[index], self.answers[index]
                sources[row, : len(source)] = source
                targets[row, : len(target) + 1] = [self.start, *target]
                labels[row, : len(target) + 1] = [*target, self.stop]
            yield (sources, targets), labels

    def dataset(self) -> tf.data.Dataset:
        """Returns a data set that starts each time with the order of the current epoch."""
        ids = tf.TensorSpec((None, None), tf.int32)
        batches = tf.data.Dataset.from_generator(
            lambda: iter(self), output_signature=((ids, ids), ids)
        )
        count = tf.data.experimental.assert_cardinality(len(self))
        return batches.apply(count).prefetch(tf.data.AUTOTUNE)


def padded(length: int) -> int:
    """Returns the length to which a sequence is padded."""
    place = np.searchsorted(LENGTHS, length)
    return int(LENGTHS[place]) if place < len(LENGTHS) else -(-length // 256) * 256


@keras.saving.register_keras_serializable("apps.common")
class SmoothedCrossentropy(keras.losses.Loss):
    """Keras' categorical cross-entropy with label smoothing, of labels that are ids.

    Args:
        smoothing: The part of the probability that is spread over all ids.
    """

    def __init__(self, smoothing: float, name: str = "smoothed_crossentropy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.smoothing = smoothing

    def call(self, y_true, y_pred):
        """Scores logits `(..., vocabulary)` by ids `(...)`."""
        labels = ops.one_hot(ops.cast(y_true, "int32"), y_pred.shape[-1], dtype=y_pred.dtype)
        return keras.losses.categorical_crossentropy(
            labels, y_pred, from_logits=True, label_smoothing=self.smoothing
        )

    def get_config(self):
        """Returns the arguments that create this loss anew."""
        return {**super().get_config(), "smoothing": self.smoothing}
