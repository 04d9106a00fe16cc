"""Parts of the networks: queries, a linear share, calibration, the loss, the calendar."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import ops

from apps.common.inference import answering
from apps.forecasting.windows import Inputs, Windows

DAY = 24 * 60 * 60
PERIODS = (DAY, 7 * DAY, 31556952)  # in seconds: a day, a week, a mean year
LEAST_DISTANCE = 0.05  # of a quantile from the median, before calibration
LEAST_FACTOR = 0.05  # where the medians of nearly all windows are too high, or too low


@keras.saving.register_keras_serializable("apps.common")
class Queries(keras.Layer):
    """Inputs of the decoder: a learned vector for each segment and variable.

    Args:
        segments: The number of segments to forecast.
        variables: The number of variables.
    """

    def __init__(self, segments: int, variables: int, **kwargs):
        super().__init__(**kwargs)
        self.segment_count, self.variable_count = segments, variables

    def build(self, shape):
        """Create the vectors, half for the segment and half for the variable."""
        half = shape[-1] // 2
        normal = keras.initializers.RandomNormal(stddev=1.0)
        self.place = self.add_weight(shape=(1, self.segment_count, half), initializer=normal)
        self.variable = self.add_weight(
            shape=(self.variable_count, 1, shape[-1] - half), initializer=normal
        )

    def call(self, state):
        """Return `(batch * variables * segments, units)` for `(batch * variables, units)`."""
        parts = [
            ops.broadcast_to(part, (self.variable_count, self.segment_count, part.shape[-1]))
            for part in (self.place, self.variable)
        ]
        each = ops.reshape(ops.concatenate(parts, -1), (-1, state.shape[-1]))
        return ops.tile(each, (ops.shape(state)[0] // self.variable_count, 1))

    def compute_output_shape(self, shape):
        """Return the shape of the output."""
        return (None, shape[-1])

    def get_config(self):
        """Return the arguments that create this layer again."""
        return {
            **super().get_config(),
            "segments": self.segment_count,
            "variables": self.variable_count,
        }


@keras.saving.register_keras_serializable("apps.common")
class LinearShare(keras.Layer):
    """Mixes a share of a linear model's forecasts into a network's; zero during training.

    Args:
        middle: The position of the median among the quantiles.

    Weights, none of them trained: `kernel` `(window, horizon)` and `bias` `(horizon,)` of the
    linear model, and `share`, between 0 and 1.
    """

    def __init__(self, middle: int, **kwargs):
        super().__init__(**kwargs)
        self.middle = middle

    def build(self, window_shape, changes_shape):
        """Create the weights; a share of zero leaves the linear model out."""
        shapes = {
            "kernel": (window_shape[1], changes_shape[1]),
            "bias": changes_shape[1:2],
            "share": (),
        }
        for name, shape in shapes.items():
            weight = self.add_weight(name=name, shape=shape, initializer="zeros", trainable=False)
            setattr(self, name, weight)

    def call(self, window, changes):
        """Shift quantiles so that their median comes nearer to the linear model's forecast.

        Args:
            window: `(batch, window, variables)`, the last value subtracted.
            changes: `(batch, horizon, variables, levels)`, likewise.
        """
        linear = ops.matmul(ops.transpose(window, (0, 2, 1)), self.kernel) + self.bias
        linear = ops.expand_dims(ops.transpose(linear, (0, 2, 1)), -1)
        median = changes[..., self.middle : self.middle + 1]
        # In this order: Keras 3.15 takes a summand for a bias wherever its shape might be one's.
        return self.share * (linear - median) + changes

    def get_config(self):
        """Return the arguments that create this layer again."""
        return {**super().get_config(), "middle": self.middle}

    def choose(self, model: keras.Model, windows: Windows) -> None:
        """Set the share with the smallest absolute error of the median, which is its loss.

        Args:
            model: The model with this layer.
            windows: The windows to choose the share on.
        """
        answer = answering(model)

        def median(inputs: Inputs, share: float) -> np.ndarray:
            self.share.assign(share)
            return answer(inputs)[..., self.middle].astype("float64")

        shares = np.linspace(0, 1, 21)
        errors = np.zeros(len(shares))
        for inputs, targets, counted in windows.counted():
            network, linear = (median(inputs, share) - targets[..., 0] for share in (0.0, 1.0))
            mixed = ((1 - share) * network + share * linear for share in shares)
            errors += [np.abs(error[counted]).sum() for error in mixed]
        self.share.assign(shares[np.argmin(errors)])


@keras.saving.register_keras_serializable("apps.forecasting")
class Calibration(keras.Layer):
    """Moves quantiles away from the median or towards it, so that they hold what they promise.

    Each distance is multiplied by a factor of its level. On the windows that choose the factors,
    the part of all values below the quantile is then its level, as in conformalized quantile
    regression (Romano et al. 2019), there with a summand instead of a factor.

    Args:
        levels: The levels of the quantiles, 0.5 among them.

    Weight, not trained: `factors` `(levels,)`, ones at first.
    """

    def __init__(self, levels: Sequence[float], **kwargs):
        super().__init__(**kwargs)
        self.levels = list(levels)
        self.middle = self.levels.index(0.5)

    def build(self, shape):
        """Create the factors."""
        self.factors = self.add_weight(
            name="factors", shape=(len(self.levels),), initializer="ones", trainable=False
        )

    def call(self, quantiles, training=False):
        """Return calibrated quantiles, `(..., levels)` like those given; those in training."""
        if training:
            return quantiles
        median = quantiles[..., self.middle : self.middle + 1]
        sides = ops.sign(ops.array(self.levels, quantiles.dtype) - 0.5)
        # Each quantile is learned for itself, so one may lie on the wrong side of the median.
        distances = sides * ops.maximum(sides * (quantiles - median), LEAST_DISTANCE)
        return median + self.factors * distances

    def compute_output_shape(self, shape):
        """Return the shape of the output."""
        return shape

    def get_config(self):
        """Return the arguments that create this layer again."""
        return {**super().get_config(), "levels": self.levels}

    def choose(self, model: keras.Model, windows: Windows, training: Windows) -> None:
        """Set the factors with which the quantiles hold their levels.

        The windows that the model was trained on count too, unless its errors there are smaller.

        Args:
            model: The model with this layer. Its output differs from that of the layer by a summand
                and a positive factor, the same for all levels.
            windows: Windows that the model was not trained on.
            training: Windows that it was trained on.
        """
        self.factors.assign(np.ones(len(self.levels)))
        answer = answering(model)
        (ratios, error), (more, training_error) = (
            self._ratios(answer, part) for part in (windows, training)
        )
        if training_error >= error:
            ratios = np.concatenate([ratios, more])
        # The quantile of n ratios that holds for one more.
        ranks = [max(level, 1 - level) * (1 + 1 / len(ratios)) for level in self.levels]
        factors = [
            np.quantile(ratios[:, place], min(rank, 1), method="higher")
            for place, rank in enumerate(ranks)
        ]
        factors[self.middle] = 1.0
        self.factors.assign(np.maximum(factors, LEAST_FACTOR))

    def _ratios(
        self, answer: Callable[[Inputs], np.ndarray], windows: Windows
    ) -> tuple[np.ndarray, float]:
        """Return errors of the median as parts of the distances, and their mean size."""
        ratios, errors = [], []
        for inputs, targets, counted in windows.counted():
            quantiles = answer(inputs).astype("float64")[counted]
            median = quantiles[:, self.middle : self.middle + 1]
            distances = quantiles - median
            distances[:, self.middle] = 1.0
            error = targets[counted] - median
            ratios.append(error / distances)
            errors.append(np.abs(error))
        return np.concatenate(ratios), float(np.concatenate(errors).mean())


@keras.saving.register_keras_serializable("apps.common")
class Pinball(keras.losses.Loss):
    """The quantile loss, smallest if the part `level` of all values lies below the forecast.

    Args:
        levels: The levels of the quantiles.
    """

    def __init__(self, levels: Sequence[float], name: str = "pinball", **kwargs):
        super().__init__(name=name, **kwargs)
        self.levels = list(levels)

    def call(self, y_true, y_pred):
        """Score quantiles `(..., levels)` by the true values, `(..., 1)`."""
        error, levels = y_true - y_pred, ops.array(self.levels, y_pred.dtype)
        return ops.mean(ops.maximum(levels * error, (levels - 1) * error), axis=-1)

    def get_config(self):
        """Return the arguments that create this loss again."""
        return {**super().get_config(), "levels": self.levels}


def phases(time):
    """Return the phases of times, in seconds, in day, week and year, as sine and cosine.

    Shapes are `(batch, steps)` and `(batch, steps, 6)`.
    """
    turns = [2 * np.pi * ops.cast(time % period, "float32") / period for period in PERIODS]
    return ops.stack([wave(turn) for turn in turns for wave in (ops.sin, ops.cos)], axis=-1)
