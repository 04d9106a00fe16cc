"""What networks that forecast have in common: queries, a linear share, the loss, the calendar."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from apps.forecasting.windows import Inputs, Windows

DAY = 24 * 60 * 60
PERIODS = (DAY, 7 * DAY, 31556952)  # in seconds: a day, a week, a mean year


@keras.saving.register_keras_serializable("apps.common")
class Queries(keras.Layer):
    """What is asked of the decoder: a learned vector for each segment and variable.

    Args:
        segments: The number of segments to forecast.
        variables: The number of variables.
    """

    def __init__(self, segments: int, variables: int, **kwargs):
        super().__init__(**kwargs)
        self.segment_count, self.variable_count = segments, variables

    def build(self, shape):
        """Creates the vectors, half a segment's and half a variable's."""
        half = shape[-1] // 2
        normal = keras.initializers.RandomNormal(stddev=1.0)
        self.place = self.add_weight(shape=(1, self.segment_count, half), initializer=normal)
        self.variable = self.add_weight(
            shape=(self.variable_count, 1, shape[-1] - half), initializer=normal
        )

    def call(self, state):
        """Returns `(batch * variables * segments, units)` for `(batch * variables, units)`."""
        parts = [
            ops.broadcast_to(part, (self.variable_count, self.segment_count, part.shape[-1]))
            for part in (self.place, self.variable)
        ]
        each = ops.reshape(ops.concatenate(parts, -1), (-1, state.shape[-1]))
        return ops.tile(each, (ops.shape(state)[0] // self.variable_count, 1))

    def compute_output_shape(self, shape):
        """Returns the shape of the output."""
        return (None, shape[-1])

    def get_config(self):
        """Returns the arguments that create this layer anew."""
        return {
            **super().get_config(),
            "segments": self.segment_count,
            "variables": self.variable_count,
        }


@keras.saving.register_keras_serializable("apps.common")
class LinearShare(keras.Layer):
    """Mixes a share of a linear model's forecasts into a network's; none while it is trained.

    Args:
        middle: The place of the median among the quantiles.

    Weights, none of them trained: `kernel` `(window, horizon)` and `bias` `(horizon,)` of the
    linear model, and `share`, between 0 and 1.
    """

    def __init__(self, middle: int, **kwargs):
        super().__init__(**kwargs)
        self.middle = middle

    def build(self, window_shape, changes_shape):
        """Creates the weights; with a share of zero the linear model has no say."""
        shapes = {
            "kernel": (window_shape[1], changes_shape[1]),
            "bias": changes_shape[1:2],
            "share": (),
        }
        for name, shape in shapes.items():
            weight = self.add_weight(name=name, shape=shape, initializer="zeros", trainable=False)
            setattr(self, name, weight)

    def call(self, window, changes):
        """Moves quantiles so that their median comes nearer to the linear model's forecast.

        Args:
            window: `(batch, window, variables)`, the last value subtracted.
            changes: `(batch, horizon, variables, levels)`, likewise.
        """
        linear = ops.matmul(ops.transpose(window, (0, 2, 1)), self.kernel) + self.bias
        linear = ops.expand_dims(ops.transpose(linear, (0, 2, 1)), -1)
        median = changes[..., self.middle : self.middle + 1]
        # In this order: Keras 3.15 takes what is added for a bias where its shape could be one's.
        return self.share * (linear - median) + changes

    def get_config(self):
        """Returns the arguments that create this layer anew."""
        return {**super().get_config(), "middle": self.middle}

    def choose(self, model: keras.Model, windows: Windows) -> keras.Model:
        """Sets the share with which the median has the smallest absolute error, its own loss.

        Args:
            model: The model of which this is a layer.
            windows: What to choose it on.

        Returns:
            The model.
        """
        shares = np.linspace(0, 1, 21)
        errors = np.zeros(len(shares))
        for inputs, targets in windows:
            network, linear = (
                self._median(model, inputs, share) - targets[..., 0] for share in (0.0, 1.0)
            )
            errors += [np.abs((1 - share) * network + share * linear).sum() for share in shares]
        self.share.assign(shares[np.argmin(errors)])
        return model

    def _median(self, model: keras.Model, inputs: Inputs, share: float) -> np.ndarray:
        self.share.assign(share)
        return model.predict_on_batch(inputs)[..., self.middle].astype("float64")


@keras.saving.register_keras_serializable("apps.common")
class Pinball(keras.losses.Loss):
    """The quantile loss: the smallest where the part `level` of what happens lies below.

    Args:
        levels: The levels of the quantiles.
    """

    def __init__(self, levels: Sequence[float], name: str = "pinball", **kwargs):
        super().__init__(name=name, **kwargs)
        self.levels = list(levels)

    def call(self, y_true, y_pred):
        """Scores quantiles `(..., levels)` by what happened, `(..., 1)`."""
        error, levels = y_true - y_pred, ops.array(self.levels, y_pred.dtype)
        return ops.mean(ops.maximum(levels * error, (levels - 1) * error), axis=-1)

    def get_config(self):
        """Returns the arguments that create this loss anew."""
        return {**super().get_config(), "levels": self.levels}


def phases(time):
    """Returns where times, in seconds, stand in the day, the week and the year, as sine and cosine.

    Shapes are `(batch, steps)` and `(batch, steps, 6)`.
    """
    turns = [2 * np.pi * ops.cast(time % period, "float32") / period for period in PERIODS]
    return ops.stack([wave(turn) for turn in turns for wave in (ops.sin, ops.cos)], axis=-1)
