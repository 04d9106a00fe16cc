"""A forecaster of time series."""

from collections.abc import Sequence

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import ops

from apps.common.cards import Card
from apps.common.other_runtimes import NumericEndpoints
from apps.forecasting.data import Series
from apps.forecasting.grids import following
from apps.forecasting.windows import Inputs

CARD = Card(
    "Forecasts how a series goes on, with quantiles.",
    {
        "window": "the newest steps, the newest last, in the units of the series",
        "time": "seconds since 1970 of the steps of the window and of those to forecast",
        "observation": "one step more, in the units of the series",
        "point": "the forecast, the median, in the units of the series",
        "quantiles": "at the levels of the settings, in the units of the series",
    },
    "It knows one series, at one frequency. What has never happened in it is not forecast, and "
    "the intervals hold as long as the future is like the past.",
    {
        "sample": "CO2 on Mauna Loa, weekly, as statsmodels ships it (Keeling and Whorf 2004, "
        "public domain), or a series generated from a seed."
    },
)


class Forecaster(tf.Module):
    """Windows as they were measured in, forecasts in the same units out.

    Args:
        model: The network: `window`, `(batch, window, variables)`, and `time`, the seconds since
            1970 of the steps of the window and of the horizon, to scaled quantiles, `(batch,
            horizon, variables, levels)`.
        scaling: The layer that scales its windows.
        levels: Of the quantiles, 0.5 among them.
        calendar: Whether the network reads `time`.
    """

    def __init__(
        self,
        model: keras.Model,
        scaling: keras.layers.Normalization,
        levels: Sequence[float],
        calendar: bool,
    ):
        super().__init__()
        self.model = model
        self.levels = tuple(levels)
        self.calendar = calendar
        self.window, self.horizon = model.input["window"].shape[1], model.output_shape[1]
        self.mean = ops.reshape(scaling.mean, (1, 1, -1, 1))
        self.scale = ops.sqrt(ops.reshape(scaling.variance, (1, 1, -1, 1)))

    def __call__(self, window: tf.Tensor, time: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """Forecasts from windows; the arguments are those of `signature`."""
        if time is None:  # the network has the input and reads nothing of it
            time = tf.zeros((tf.shape(window)[0], self.window + self.horizon), tf.int64)
        # Quantiles that were learned each for itself may cross.
        scaled = tf.sort(self.model({"window": window, "time": time}))
        quantiles = scaled * self.scale + self.mean
        return {"point": quantiles[..., self.levels.index(0.5)], "quantiles": quantiles}

    def step(self, observation: tf.Tensor, window: tf.Tensor, **time) -> dict[str, tf.Tensor]:
        """Moves windows on by one observation `(batch, variables)`, and forecasts from there."""
        window = tf.concat([window[:, 1:], observation[:, None]], axis=1)
        return {**self(window, **time), "window": window}

    def made_up_inputs(self, count: int = 3) -> Inputs:
        """Returns windows of noise, as large as the series that it was trained on."""
        mean, scale = (np.asarray(array)[..., 0] for array in (self.mean, self.scale))
        noise = np.random.default_rng(0).normal(size=(count, self.window, mean.shape[-1]))
        hours = 3600 * np.arange(self.window + self.horizon)
        return {
            "window": (mean + scale * noise).astype("float32"),
            "time": np.tile(hours, (count, 1)),
        }

    def numeric(self, inputs: Inputs) -> NumericEndpoints:
        """Returns what is exported, all of it numbers.

        Args:
            inputs: What to try it on, `window` and `time`, as large as the series: far from it
                rounding shows.
        """
        probe = {name: inputs[name] for name in self.signature()}
        step = {"observation": inputs["window"][:, 0], **probe}
        return NumericEndpoints(self.endpoints(), {"serving_default": probe, "step": step})

    def endpoints(self) -> dict[str, tuple]:
        """Returns what is exported, with its inputs."""
        signature = self.signature()
        observation = tf.TensorSpec([None, signature["window"].shape[-1]], tf.float32)
        return {
            "serving_default": (self, signature),
            "step": (self.step, {"observation": observation, **signature}),
        }

    def signature(self) -> dict[str, tf.TensorSpec]:
        """Returns the inputs: `window` and, for a network with a calendar, `time`."""
        signature = {"window": tf.TensorSpec(self.model.input["window"].shape, tf.float32)}
        if self.calendar:
            signature["time"] = tf.TensorSpec([None, self.window + self.horizon], tf.int64)
        return signature


def forecast(forecaster: Forecaster, series: Series) -> pd.DataFrame:
    """Forecasts what follows on the end of a series.

    Returns:
        A row for each step and variable: `time`, `variable`, `point`, and the quantiles.
    """
    ahead = following(series.times[-1], series.frequency, forecaster.horizon)
    past = slice(-forecaster.window, None)
    times = np.concatenate([series.times[past], ahead.to_numpy()])
    inputs = {
        "window": np.array(series.values[None, past]),
        "time": times[None].astype("datetime64[s]").astype("int64"),
    }
    answer = forecaster(**{name: tf.constant(inputs[name]) for name in forecaster.signature()})
    index = pd.MultiIndex.from_product([ahead, series.names], names=["time", "variable"])
    names = [f"q{level:g}" for level in forecaster.levels]
    quantiles = answer["quantiles"][0].numpy().reshape(len(index), len(names))
    table = pd.DataFrame(quantiles, index, names)
    table.insert(0, "point", answer["point"][0].numpy().reshape(-1))
    return table.reset_index()
