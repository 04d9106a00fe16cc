"""Teacher forcing: what a decoder is given and has to say, and how it is trained to."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

import rnnlayers
from rnnlayers.optimizers import ClipByGlobalNorm

# Few shapes to compile, and little padding.
LENGTHS = np.array([*range(4, 24, 4), *range(24, 64, 8), *range(64, 1024, 32)])


def forced(sequences: Sequence[np.ndarray], start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """Pads sequences for teacher forcing.

    Args:
        sequences: Ids above zero, each `(time,)`.
        start: The id that targets begin with.
        stop: The id that labels end with.

    Returns:
        Targets and labels, both `(batch, padded)`, int32: the labels are one step ahead.
    """
    targets = np.zeros((len(sequences), padded(max(map(len, sequences)) + 1)), "int32")
    labels = np.zeros_like(targets)
    for row, sequence in enumerate(sequences):
        targets[row, : len(sequence) + 1] = [start, *sequence]
        labels[row, : len(sequence) + 1] = [*sequence, stop]
    return targets, labels


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


def compile_taught(
    model: keras.Model,
    *,
    steps: int,
    epochs: int,
    learning_rate: float,
    max_norm: float,
    smoothing: float,
) -> None:
    """Compiles an encoder-decoder with `clipped_adam`.

    Args:
        model: The model.
        steps: Training steps in an epoch.
        epochs: Epochs in all.
        learning_rate: Of Adam, at its highest.
        max_norm: Gradients are scaled down to this global norm.
        smoothing: Of the labels.
    """
    model.compile(
        optimizer=clipped_adam(steps, epochs, learning_rate, max_norm),
        loss=SmoothedCrossentropy(smoothing),
        metrics=["accuracy"],
    )


def clipped_adam(
    steps: int, epochs: int, learning_rate: float, max_norm: float
) -> rnnlayers.ClippedOptimizer:
    """Makes Adam, its rate going up for an epoch and then down to nothing.

    Args:
        steps: Training steps in an epoch.
        epochs: Epochs in all.
        learning_rate: Of Adam, at its highest.
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
