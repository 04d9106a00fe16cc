"""Forecasts of many series: the exported forecaster, a table, scores."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pandas as pd
import tensorflow as tf

from apps.common.endpoint_checks import Requirement, Tensors, every
from apps.common.refusal import Refusal
from apps.forecasting.baselines import pooled_ridge
from apps.forecasting.exported import (
    POINT,
    QUANTILES,
    Forecaster,
    further_inputs,
    time_requirements,
)
from apps.forecasting.grids import following
from apps.forecasting.metrics import forecast_scores
from apps.forecasting.panel_windows import ID, MEAN, SCALE, PanelWindows, scaled_series
from apps.forecasting.panels import Panel, named
from apps.forecasting.series import Series
from apps.forecasting.settings import Settings
from apps.forecasting.statistical import statistical_forecasts
from apps.forecasting.windows import TIME, WINDOW, Inputs

MANY = 1024  # windows that a model forecasts from at a time
PICTURES = 4  # of forecasts
COMPARED = 20  # series that are forecast by statistical models
COMPARED_ORIGINS = 5  # of each


class PanelForecaster(Forecaster):
    """A `Forecaster` that also takes the scales of the series of each window."""

    def __call__(
        self,
        window: tf.Tensor,
        mean: tf.Tensor,
        scale: tf.Tensor,
        time: tf.Tensor | None = None,
        **covariates: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """Forecast from windows; the arguments are those of `signature`."""
        scaled = super().__call__((window - mean[:, None]) / scale[:, None], time, **covariates)
        return {
            POINT: scaled[POINT] * scale[:, None] + mean[:, None],
            QUANTILES: scaled[QUANTILES] * scale[:, None, :, None] + mean[:, None, :, None],
        }

    def signature(self) -> dict[str, tf.TensorSpec]:
        """Return the inputs: those of a `Forecaster`, and `mean` and `scale`."""
        signature = super().signature()
        variables = signature[WINDOW].shape[-1]
        scales = {name: tf.TensorSpec((None, variables), tf.float32) for name in (MEAN, SCALE)}
        return {WINDOW: signature[WINDOW], **scales, **signature}

    def random_inputs(self, count: int = 3) -> Inputs:
        """Return windows of noise, with its mean and deviation."""
        inputs = super().random_inputs(count)
        shape = count, inputs[WINDOW].shape[-1]
        return {**inputs, MEAN: np.zeros(shape, "float32"), SCALE: np.ones(shape, "float32")}

    def requirements(self, inputs: Tensors) -> Iterator[Requirement]:
        """Yield what must hold of the inputs."""
        yield from time_requirements(inputs)
        yield every(SCALE, inputs[SCALE], inputs[SCALE] > 0, "above 0")


def measured_inputs(windows: PanelWindows, origins: np.ndarray) -> Inputs:
    """Return the inputs of a `PanelForecaster` for origins of shape `(batch,)`."""
    series = windows.panel.series_of(origins)
    measured = windows.values[origins[:, None] + windows.back]
    return {
        **windows.inputs(origins),
        WINDOW: measured,
        MEAN: windows.series_mean[series],
        SCALE: windows.series_scale[series],
    }


def forecast_panel(
    forecaster: PanelForecaster, panel: Panel, scales: tuple[np.ndarray, np.ndarray]
) -> pd.DataFrame:
    """Forecast the steps after the end of each series that is long enough.

    Returns:
        A row for each series, step and variable: `series`, `time`, `variable`, `point`, and the
        quantiles.

    Raises:
        Refusal: If no series is as long as the window, or a column known in the future ends too
            early.
    """
    lengths = np.diff(panel.bounds)[:, 0]
    long = np.flatnonzero(lengths >= forecaster.window)
    short = [panel.ids[number] for number in np.flatnonzero(lengths < forecaster.window)]
    words = f"the model needs the last {forecaster.window:,} rows before the forecast"
    if not len(long):
        raise Refusal(f"{panel.origin}: {words}; the longest series has {lengths.max():,}")
    if short:
        print(f"Data: {words}; no forecast of {len(short):,} shorter series: {named(short)}")
    tables = []
    for start in range(0, len(long), MANY):
        numbers = long[start : start + MANY]
        stops = panel.bounds[numbers, 1]
        past = stops[:, None] + np.arange(-forecaster.window, 0)
        ahead = [
            following(panel.times[stop - 1], panel.frequency, forecaster.horizon).to_numpy()
            for stop in stops
        ]
        times = np.concatenate([panel.times[past], np.stack(ahead)], axis=1)
        inputs = {
            WINDOW: np.array(panel.values[past]),
            MEAN: scales[0][numbers].astype("float32"),
            SCALE: scales[1][numbers].astype("float32"),
            TIME: times.astype("datetime64[s]").astype("int64"),
            **further_inputs(forecaster, panel, numbers, stops),
        }
        answer = forecaster(**{name: tf.constant(inputs[name]) for name in forecaster.signature()})
        steps, variables = forecaster.horizon, len(panel.names)
        table = {
            ID: np.repeat([panel.ids[number] for number in numbers], steps * variables),
            "time": np.repeat(np.stack(ahead).ravel(), variables),
            "variable": np.tile(panel.names, len(numbers) * steps),
            POINT: answer[POINT].numpy().ravel(),
        }
        for place, level in enumerate(forecaster.levels):
            table[f"q{level:g}"] = answer[QUANTILES][..., place].numpy().ravel()
        tables.append(pd.DataFrame(table))
    return pd.concat(tables, ignore_index=True)


def pictures(
    name: str, series: Series | Panel, table: pd.DataFrame
) -> Iterator[tuple[str, Series, pd.DataFrame]]:
    """Yield the names, the series and the forecasts of pictures, one for each of a few series."""
    if isinstance(series, Series):
        yield name, series, table
        return
    for number, (identity, rows) in enumerate(table.groupby(ID, sort=False), start=1):
        if number > PICTURES:
            break
        one = series[series.ids.index(str(identity))]
        yield f"{name}_{number}", one, rows.drop(columns=ID)


def baseline_forecasts(
    windows: PanelWindows, settings: Settings
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Forecast each series by the last value, the last season, ridge regression, statistics.

    Yields:
        For each baseline its name, the origins that it forecasts from, and its scaled forecasts,
        shape `(origins, horizon, variables)`. Statistical models forecast some series.
    """
    panel, origins = windows.panel, np.asarray(windows.origins)
    series, starts = panel.series_of(origins), panel.bounds[:, 0]
    for name, season in (("naive", 1), ("seasonal_naive", panel.season)):
        early = origins - starts[series] < season
        rows = np.where(early, 1, season)
        steps = np.arange(settings.horizon)
        point = windows.values[(origins - rows)[:, None] + steps % rows[:, None]]
        yield name, origins, windows.scaled(point, origins)
    known = scaled_series(panel, windows)
    kernel, bias = pooled_ridge(known, settings.window, settings.horizon)
    past = windows.inputs(origins)[WINDOW].swapaxes(1, 2).astype("float64")
    last = past[..., -1:]
    yield "linear", origins, ((past - last) @ kernel + bias + last).swapaxes(1, 2)
    chosen = np.unique(series)
    chosen = chosen[:: -(-len(chosen) // COMPARED)]
    found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for number in chosen:
        here = origins[series == number]
        here = here[:: -(-len(here) // COMPARED_ORIGINS)]
        step = int(here[1] - here[0]) if len(here) > 1 else 1
        local = range(int(here[0] - starts[number]), int(here[-1] - starts[number]) + 1, step)
        one = panel[int(number)]
        for name, taken, point in statistical_forecasts(
            one.values, one.ends[0], local, settings.horizon, panel.season
        ):
            rows = np.asarray(taken) + starts[number]
            found.setdefault(name, []).append((rows, windows.scaled(point, rows)))
    for name, parts in found.items():
        if len(parts) == len(chosen):
            yield name, *map(np.concatenate, zip(*parts, strict=True))


def panel_scores(
    windows: PanelWindows,
    origins: np.ndarray,
    point: np.ndarray,
    quantiles: np.ndarray | None = None,
    levels: tuple[float, ...] = (),
) -> dict[str, float]:
    """Score forecasts of many series, see `forecast_scores`: the mean over the origins.

    MASE leaves out series that repeat themselves exactly in their training part.

    Args:
        windows: The windows that were forecast from.
        origins: Their origins.
        point: The scaled forecasts, shape `(origins, horizon, variables)`.
        quantiles: Scaled quantiles, shape `(origins, horizon, variables, levels)`.
        levels: Their levels.
    """
    actual = windows.targets(origins)[..., 0]
    series = windows.panel.series_of(origins)
    scores, weights = Counter(), Counter()
    for number in np.unique(series):
        rows = series == number
        part = forecast_scores(
            actual[rows],
            point[rows],
            None if quantiles is None else quantiles[rows],
            levels,
            mean=windows.series_mean[number],
            scale=windows.series_scale[number],
            naive_error=_naive_error(windows, int(number)),
        )
        for name, score in part.items():
            if np.isfinite(score):
                scores[name] += score * rows.sum()
                weights[name] += rows.sum()
    return {name: float(score / weights[name]) for name, score in scores.items()}


def _naive_error(windows: PanelWindows, number: int) -> np.ndarray:
    """Return the error of the value a season ago in the training part, NaN where it is zero."""
    one = windows.panel[number]
    train = one.values[: one.ends[0]].astype("float64")
    season = one.season if one.season < len(train) else 1
    error = np.abs(train[season:] - train[:-season]).mean(axis=0) / windows.series_scale[number]
    return np.where(error > 0, error, np.nan)
