"""A long text as streams that continue from batch to batch, for truncated backpropagation."""

from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from apps.common.batches import feed
from apps.common.refusal import Refusal
from rnnlayers import distribute


class Streams:
    """Batches of segments and their next characters. Each segment continues the one before.

    The text is cut into `batch_size` streams. In each epoch the segments begin at another shift,
    which depends on the seed and the epoch alone, so a training that is resumed at an epoch
    continues as if it had never stopped.

    Args:
        ids: The text, shape `(time,)`.
        batch_size: The number of streams.
        steps: The number of steps in a segment, after which the gradient is cut.
        seed: The seed of the shift. Without one segments always begin at the start.

    Raises:
        Refusal: If the text is too short.
    """

    def __init__(self, ids: np.ndarray, batch_size: int, steps: int, seed: int | None = None):
        needed = batch_size * (steps + 1) + steps
        if len(ids) < needed:
            raise Refusal(
                f"batch_size {batch_size} and steps {steps} need training and validation texts of "
                f"at least {needed:,} characters each; received {len(ids):,}: choose lower "
                f"numbers, a larger --validation-part, or a longer text"
            )
        self.ids = ids
        self.batch_size = batch_size
        self.steps = steps
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return (len(self.ids) - self.steps - 1) // self.batch_size // self.steps

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        shift = 0
        if self.seed is not None:
            shift = np.random.default_rng((self.seed, self.epoch)).integers(self.steps)
        length = len(self) * self.steps
        starts = shift + np.arange(self.batch_size) * (
            (len(self.ids) - shift - 1) // self.batch_size
        )
        rows = self.ids[starts[:, None] + np.arange(length + 1)]
        for start in range(0, length, self.steps):
            segment = rows[:, start : start + self.steps + 1]
            yield segment[:, :-1], segment[:, 1:]

    def dataset(self) -> tf.data.Dataset:
        """Return a data set that begins each iteration with the shift of the current epoch."""
        ids = tf.TensorSpec((self.batch_size, self.steps), tf.int32)
        return feed(self, (ids, ids))


def own_streams(batch_size: int) -> int:
    """Return how many of the streams this process trains on, of several that train together.

    Raises:
        Refusal: If there are more processes than streams.
    """
    ours = distribute.share(batch_size)
    if batch_size < distribute.size():
        raise Refusal(
            f"batch_size must be at least {distribute.size()}, the number of workers, since each "
            f"of them reads streams of its own; received {batch_size}"
        )
    return ours.stop - ours.start


class ResetStates(keras.callbacks.Callback):
    """Resets stateful layers where a text begins: at each epoch, and at each validation."""

    def on_epoch_begin(self, epoch, logs=None):
        """Reset states for the training text."""
        self._reset()

    def on_test_begin(self, logs=None):
        """Reset states for the validation text."""
        self._reset()

    def _reset(self) -> None:
        for layer in self.model.layers:
            if getattr(layer, "stateful", False):
                layer.reset_state()
