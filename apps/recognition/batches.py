"""Batches of padded series or recordings of similar length, changed a little in training."""

from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from apps.common.batches import by_length, feed

# Two lengths an octave give few shapes to compile, and at most a third of a batch is padding.
PADDED_LENGTHS = np.array([2**n * step // 2 for n in range(2, 28) for step in (2, 3)])


class Padded:
    """Examples in padded batches of similar length, in a new random order in each epoch.

    The order and what is changed depend on the seed and the epoch alone.

    Args:
        values: Series, each `(timesteps, channels)`, or recordings, each `(samples,)`.
        targets: Their targets, shape `(examples, ...)`.
        batch_size: Examples in a batch; the last batch may be smaller.
        name: The name of the input of the model: `features` or `samples`.
        unit: Padded lengths are multiples of it.
        seed: The seed of the order. Without one the batches are always sorted by length.
        stretch: Examples become longer or shorter by up to this part.
    """

    def __init__(
        self,
        values: Sequence[np.ndarray],
        targets: np.ndarray,
        batch_size: int,
        name: str,
        unit: int = 1,
        seed: int | None = None,
        stretch: float = 0.0,
    ):
        self.values = values
        self.targets = np.asarray(targets)
        self.batch_size = batch_size
        self.name = name
        self.unit = unit
        self.seed = seed
        self.stretch = stretch
        self.epoch = 0

    def __len__(self) -> int:
        return -(-len(self.values) // self.batch_size)

    def order(self) -> list[np.ndarray]:
        """Return the indices of the examples in each batch of this epoch."""
        units = [-(-len(values) // self.unit) for values in self.values]
        buckets = np.searchsorted(PADDED_LENGTHS, units)
        return by_length(buckets, self.batch_size, self._random(0))

    def in_order(self, outputs: np.ndarray) -> np.ndarray:
        """Return outputs of a model, given batch after batch, in the order of the examples."""
        result = np.empty_like(outputs)
        result[np.concatenate(self.order())] = outputs
        return result

    def __iter__(self) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray]]:
        rng = self._random(1)
        for indices in self.order():
            rows = [self.values[index] for index in indices]
            if rng is not None and self.stretch:
                rows = [stretched_at_random(row, self.stretch, rng) for row in rows]
            yield padded(rows, self.name, self.unit), self.targets[indices]

    def _random(self, purpose: int) -> np.random.Generator | None:
        if self.seed is None:
            return None
        return np.random.default_rng((self.seed, self.epoch, purpose))

    def dataset(self) -> tf.data.Dataset:
        """Return a data set that begins each iteration with the order of the current epoch."""
        return feed(self, signature(self.name, self.values[0].shape[1:], self.targets))


def signature(name: str, channels: tuple[int, ...], targets: np.ndarray) -> tuple:
    """Return what batches consist of."""
    return (
        {
            name: tf.TensorSpec((None, None, *channels), tf.float32),
            "length": tf.TensorSpec((None,), tf.int32),
        },
        tf.TensorSpec((None, *targets.shape[1:]), targets.dtype),
    )


def padded(rows: Sequence[np.ndarray], name: str, unit: int) -> dict[str, np.ndarray]:
    """Return rows of a batch behind which there are zeros, and their lengths."""
    lengths = np.array([len(row) for row in rows], "int32")
    length = unit * PADDED_LENGTHS[np.searchsorted(PADDED_LENGTHS, -(-lengths.max() // unit))]
    values = np.zeros((len(rows), length, *rows[0].shape[1:]), "float32")
    for place, row in zip(values, rows, strict=True):
        place[: len(row)] = row
    return {name: values, "length": lengths}


def stretched_at_random(values: np.ndarray, part: float, rng: np.random.Generator) -> np.ndarray:
    """Return a series or recording that is longer or shorter by up to a part."""
    most = -np.log(1 - part)
    return stretched(values, np.exp(rng.uniform(-most, most)))


def stretched(values: np.ndarray, factor: float) -> np.ndarray:
    """Return a series or recording `factor` times as long, read between its steps."""
    places = np.linspace(0, len(values) - 1, max(1, round(len(values) * factor)))
    steps = np.arange(len(values))
    if values.ndim == 1:
        return np.interp(places, steps, values).astype("float32")
    channels = [np.interp(places, steps, channel) for channel in values.T]
    return np.stack(channels, axis=1).astype("float32")
