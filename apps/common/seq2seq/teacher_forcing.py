"""Teacher forcing: targets and labels of a decoder, the loss, and the optimizer."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

import rnnlayers
from rnnlayers.optimizers import ClipByGlobalNorm

# The lengths that sequences are padded to: few shapes to compile, and little padding.
LENGTHS = np.array([*range(4, 24, 4), *range(24, 64, 8), *range(64, 1024, 32)])


def teacher_forcing_batch(
    sequences: Sequence[np.ndarray], start: int, stop: int
) -> tuple[np.ndarray, np.ndarray]:
    """Make padded targets and labels of sequences.

    Args:
        sequences: Ids above zero, each `(time,)`.
        start: The id that targets begin with.
        stop: The id that labels end with.

    Returns:
        Targets and labels, both `(batch, time)`, int32; labels are one step ahead of targets.
    """
    targets = np.zeros((len(sequences), padded_length(max(map(len, sequences)) + 1)), "int32")
    labels = np.zeros_like(targets)
    for row, sequence in enumerate(sequences):
        targets[row, : len(sequence) + 1] = [start, *sequence]
        labels[row, : len(sequence) + 1] = [*sequence, stop]
    return targets, labels


def padded_length(length: int) -> int:
    """Return the length to which a sequence of this length is padded."""
    place = np.searchsorted(LENGTHS, length)
    return int(LENGTHS[place]) if place < len(LENGTHS) else -(-length // 256) * 256


@keras.saving.register_keras_serializable("apps.common")
class SmoothedCrossentropy(keras.losses.Loss):
    """Categorical cross-entropy with label smoothing, for labels that are ids.

    Args:
        smoothing: The part of the probability that is spread evenly over all ids.
    """

    def __init__(self, smoothing: float, name: str = "smoothed_crossentropy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.smoothing = smoothing

    def call(self, y_true, y_pred):
        """Return the loss `(...)` of logits `(..., vocabulary)` for ids `(...)`."""
        labels = ops.one_hot(ops.cast(y_true, "int32"), y_pred.shape[-1], dtype=y_pred.dtype)
        return keras.losses.categorical_crossentropy(
            labels, y_pred, from_logits=True, label_smoothing=self.smoothing
        )

    def get_config(self):
        """Return the arguments of the constructor."""
        return {**super().get_config(), "smoothing": self.smoothing}


def compile_with_teacher_forcing(
    model: keras.Model,
    *,
    steps: int,
    epochs: int,
    learning_rate: float,
    max_norm: float,
    smoothing: float,
) -> None:
    """Compile an encoder-decoder with smoothed cross-entropy and `clipped_adam`.

    Args:
        model: The model.
        steps: Training steps in an epoch.
        epochs: The number of epochs in all.
        learning_rate: The highest learning rate.
        max_norm: Gradients are scaled down to this global norm.
        smoothing: See `SmoothedCrossentropy`.
    """
    model.compile(
        optimizer=clipped_adam(steps, epochs, learning_rate, max_norm),
        loss=SmoothedCrossentropy(smoothing),
        metrics=["accuracy"],
    )


def clipped_adam(
    steps: int, epochs: int, learning_rate: float, max_norm: float
) -> rnnlayers.ClippedOptimizer:
    """Return Adam with clipped gradients.

    The learning rate rises linearly in the first epoch and then decays to zero as a cosine.

    Args:
        steps: Training steps in an epoch.
        epochs: The number of epochs in all.
        learning_rate: The highest learning rate.
        max_norm: Gradients are scaled down to this global norm.
    """
    rate = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        decay_steps=max(1, steps * (epochs - 1)),
        warmup_target=learning_rate,
        warmup_steps=steps,
    )
    adam = keras.optimizers.Adam(rate, beta_2=0.98)
    return rnnlayers.ClippedOptimizer(adam, ClipByGlobalNorm(max_norm))
