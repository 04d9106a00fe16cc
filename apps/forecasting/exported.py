"""The exported forecaster: measured windows in, forecasts in the same units out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import ops

from apps.common.cards import Card
from apps.common.endpoint_checks import Requirement, Tensors, checked, every, sentence
from apps.common.other_runtimes import NumericEndpoints
from apps.forecasting.covariates import KNOWN, PAST, STATIC, Words, static_names
from apps.forecasting.grids import following
from apps.forecasting.panels import Panel
from apps.forecasting.series import Series
from apps.forecasting.settings import Settings
from apps.forecasting.windows import TIME, WINDOW, Inputs, input_specs

LAST_SECOND = 253_402_300_799  # of the year 9999, since 1970
OBSERVATION, POINT, QUANTILES = "observation", "point", "quantiles"

CARD = Card(
    "Forecasts how a series goes on, with quantiles.",
    {
        WINDOW: "the newest steps, the newest last, in the units of the series",
        TIME: "seconds since 1970 of the steps of the window and of those to forecast",
        KNOWN: "the columns known in the future, at the steps of the window and of those to "
        "forecast, in their units",
        PAST: "the columns that are read but not forecast, at the steps of the window, in their "
        "units",
        STATIC: "the columns of a series, in their units, and 1 or 0 for each word",
        "mean": "of the series up to the window, in its units",
        "scale": "the standard deviation of the series up to the window, in its units",
        OBSERVATION: "one more step, in the units of the series; further inputs are those of the "
        "window that ends with it",
        POINT: "the forecast, the median, in the units of the series",
        QUANTILES: "at the levels of the settings, in the units of the series",
    },
    "It knows one series, at one frequency. It cannot forecast what has never happened in that "
    "series, and its intervals hold as long as the future is like the past.",
    {
        "sample": "A series that this project generates from a seed (Mackey and Glass 1977, or "
        "waves), or CO2 on Mauna Loa, weekly, as statsmodels ships it (Keeling and Whorf 2004, "
        "public domain); the setting `sample` says which."
    },
    "time-series-forecasting",
    {
        "sample": "the embedded sample mackey_glass (generated from an equation, no measurements)",
        "sample:synthetic": "the embedded sample synthetic (generated waves, no measurements)",
        "sample:co2": "weekly carbon dioxide on Mauna Loa, 1958 to 2001",
    },
)


PANEL_CARD = replace(
    CARD,
    limits="It knows many series of one frequency, each scaled by its own mean and deviation. It "
    "cannot forecast what has never happened in those series, and its intervals hold as long as "
    "the future is like the past.",
)


def card_of(settings: Settings, words: Words | None = None) -> Card:
    """Return the card of a run, which lists its covariates in the order of the inputs.

    Args:
        settings: The settings of the run.
        words: What its static columns hold.
    """
    card = PANEL_CARD if settings.series_column else CARD
    static = [name for column, held in (words or {}).items() for name in static_names(column, held)]
    columns = {KNOWN: settings.known, PAST: settings.past, STATIC: static}
    lists = {
        kind: f"{card.tensors[kind]}: {', '.join(names)}"
        for kind, names in columns.items()
        if names
    }
    return replace(card, tensors={**card.tensors, **lists})


class Forecaster(tf.Module):
    """A network with scaling: measured windows in, forecasts in the same units out.

    Args:
        model: The network, from `windows.input_specs` to scaled quantiles, `(batch, horizon,
            variables, levels)`.
        scaling: The layer of the network that scales windows.
        levels: The levels of the quantiles, 0.5 among them.
        calendar: Whether the network reads `time`.
        further: The layers that scale covariates, by the name of the input.
    """

    def __init__(
        self,
        model: keras.Model,
        scaling: keras.layers.Normalization,
        levels: Sequence[float],
        calendar: bool,
        further: Mapping[str, keras.layers.Normalization] = MappingProxyType({}),
    ):
        super().__init__()
        self.model = model
        self.levels = tuple(levels)
        self.calendar = calendar
        self.covariates = {name: model.input[name].shape[-1] for name in further}
        self.covariate_scales = {
            name: (np.asarray(layer.mean).ravel(), np.sqrt(np.asarray(layer.variance)).ravel())
            for name, layer in further.items()
        }
        self.window, self.horizon = model.input[WINDOW].shape[1], model.output_shape[1]
        self.mean = ops.reshape(scaling.mean, (1, 1, -1, 1))
        self.scale = ops.sqrt(ops.reshape(scaling.variance, (1, 1, -1, 1)))

    def __call__(
        self, window: tf.Tensor, time: tf.Tensor | None = None, **covariates: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Forecast from windows; the arguments are those of `signature`."""
        if time is None:  # the network has the input and ignores it
            time = tf.zeros((tf.shape(window)[0], self.window + self.horizon), tf.int64)
        # Each quantile is learned for itself, so they may cross.
        scaled = tf.sort(self.model({WINDOW: window, TIME: time, **covariates}))
        quantiles = scaled * self.scale + self.mean
        return {POINT: quantiles[..., self.levels.index(0.5)], QUANTILES: quantiles}

    def step(self, observation: tf.Tensor, window: tf.Tensor, **further) -> dict[str, tf.Tensor]:
        """Append an observation `(batch, variables)` to windows, and forecast from there.

        Further inputs, as times and covariates, are those of the windows that this makes.
        """
        window = tf.concat([window[:, 1:], observation[:, None]], axis=1)
        return {**self(window, **further), WINDOW: window}

    def random_inputs(self, count: int = 3) -> Inputs:
        """Return windows of noise with the mean and deviation of the series trained on."""
        mean, scale = (np.asarray(array)[..., 0] for array in (self.mean, self.scale))
        random = np.random.default_rng(0)
        noise = random.normal(size=(count, self.window, mean.shape[-1]))
        hours = 3600 * np.arange(self.window + self.horizon)
        return {
            WINDOW: (mean + scale * noise).astype("float32"),
            TIME: np.tile(hours, (count, 1)),
            **{
                name: (center + size * random.normal(size=(count, *shape))).astype("float32")
                for name, (center, size) in self.covariate_scales.items()
                for shape in [self.model.input[name].shape[1:]]
            },
        }

    def numeric(self, inputs: Inputs) -> NumericEndpoints:
        """Return the endpoints, all of numbers, with examples.

        Args:
            inputs: The examples, `window` and `time`, of the size of the series: rounding errors
                of values far from it are larger.
        """
        probe = {name: inputs[name] for name in self.signature()}
        step = {OBSERVATION: inputs[WINDOW][:, 0], **probe}
        return NumericEndpoints(self._functions(), {"serving_default": probe, "step": step})

    def endpoints(self) -> dict[str, tuple]:
        """Return the exported functions with their inputs."""
        return {
            name: (checked(function, signature, self.requirements), signature)
            for name, (function, signature) in self._functions().items()
        }

    def _functions(self) -> dict[str, tuple]:
        signature = self.signature()
        observation = tf.TensorSpec([None, signature[WINDOW].shape[-1]], tf.float32)
        return {
            "serving_default": (self, signature),
            "step": (self.step, {OBSERVATION: observation, **signature}),
        }

    def requirements(self, inputs: Tensors) -> Iterable[Requirement]:
        """Yield what must hold of the inputs."""
        return time_requirements(inputs)

    def signature(self) -> dict[str, tf.TensorSpec]:
        """Return the inputs: `window`, `time` if the network reads a calendar, and covariates."""
        variables = self.model.input[WINDOW].shape[-1]
        specs = input_specs(self.window, self.horizon, variables, self.covariates)
        return {name: spec for name, spec in specs.items() if name != TIME or self.calendar}


def time_requirements(inputs: Tensors) -> Iterable[Requirement]:
    """Yield what must hold of `time`, if the network reads it."""
    if TIME not in inputs:
        return
    time = inputs[TIME]
    before, after = time[:, :-1], time[:, 1:]
    earlier = tf.where(after <= before)[:1]
    yield Requirement(
        tf.reduce_all(after > before),
        sentence(
            f"{TIME} must increase from step to step; received ",
            tf.gather_nd(after, earlier),
            " after ",
            tf.gather_nd(before, earlier),
        ),
    )
    yield every(
        TIME,
        time,
        tf.abs(time) <= LAST_SECOND,
        "seconds since 1970, up to the year 9999 (not milliseconds)",
    )


def further_inputs(
    forecaster: Forecaster, series: Series | Panel, numbers: np.ndarray, stops: np.ndarray
) -> Inputs:
    """Return the covariates of the steps before and after the ends of series.

    Args:
        forecaster: The forecaster.
        series: One series, or many.
        numbers: The numbers of series, shape `(batch,)`.
        stops: The rows after their last ones, shape `(batch,)`.

    Raises:
        Refusal: If a column known in the future ends too early.
    """
    if series.covariates is None:
        return {}
    horizon = forecaster.horizon
    for number, stop in zip(numbers.tolist(), stops.tolist(), strict=True):
        origin = series.origin
        if isinstance(series, Panel):
            origin = f"{origin}, series {series.ids[number]!r}"
        last = series.times[stop - 1]
        series.covariates.check_known(origin, number, last, stop, series.frequency, horizon)
    back, ahead = np.arange(-forecaster.window, 0), np.arange(horizon)
    return series.covariates.inputs(stops, numbers, back, ahead)


def forecast(forecaster: Forecaster, series: Series) -> pd.DataFrame:
    """Forecast the steps after the end of a series.

    Returns:
        A row for each step and variable: `time`, `variable`, `point`, and the quantiles.

    Raises:
        Refusal: If a column known in the future ends too early.
    """
    ahead = following(series.times[-1], series.frequency, forecaster.horizon)
    past = slice(-forecaster.window, None)
    times = np.concatenate([series.times[past], ahead.to_numpy()])
    inputs = {
        WINDOW: np.array(series.values[None, past]),
        TIME: times[None].astype("datetime64[s]").astype("int64"),
        **further_inputs(forecaster, series, np.zeros(1, int), np.array([len(series.times)])),
    }
    answer = forecaster(**{name: tf.constant(inputs[name]) for name in forecaster.signature()})
    index = pd.MultiIndex.from_product([ahead, series.names], names=["time", "variable"])
    names = [f"q{level:g}" for level in forecaster.levels]
    quantiles = answer[QUANTILES][0].numpy().reshape(len(index), len(names))
    table = pd.DataFrame(quantiles, index, names)
    table.insert(0, POINT, answer[POINT][0].numpy().reshape(-1))
    return table.reset_index()
