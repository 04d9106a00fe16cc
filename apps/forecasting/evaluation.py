"""Scores of networks and of simpler forecasts, from every origin of the test part."""

from collections.abc import Mapping

import keras
import numpy as np

from apps.common.inference import answers
from apps.forecasting.baselines import forecast_baselines
from apps.forecasting.metrics import (
    forecast_scores,
    futures,
    seasonal_naive_error,
    step_errors,
)
from apps.forecasting.panel_forecasts import baseline_forecasts, panel_scores
from apps.forecasting.panel_windows import PanelWindows
from apps.forecasting.series import Series
from apps.forecasting.settings import Settings
from apps.forecasting.windows import Windows

# The scores of each forecast by its name, and its error at each step.
Scores = tuple[dict[str, dict[str, float]], dict[str, np.ndarray]]


def score_series(
    networks: Mapping[str, keras.Model], settings: Settings, series: Series, test: Windows
) -> Scores:
    """Score the forecasts of a series."""
    values = (series.values[: series.ends[-1]] - test.mean) / test.scale
    actual = futures(values, test.origins, settings.horizon)
    naive_error = seasonal_naive_error(values[: series.ends[0]], series.season, series.names)
    scales = {"mean": test.mean, "scale": test.scale, "naive_error": naive_error}
    scores, errors = {}, {}
    for name, network in networks.items():
        quantiles = np.sort(answers(network, test.dataset()))
        point = quantiles[..., settings.middle]
        scores[name] = forecast_scores(actual, point, quantiles, settings.levels, **scales)
        errors[name] = step_errors(actual, point)
    sizes = {"window": settings.window, "horizon": settings.horizon}
    for name, origins, point in forecast_baselines(
        values,
        series.ends,
        test.origins,
        season=series.season,
        mean=test.mean,
        scale=test.scale,
        **sizes,
    ):
        followed = futures(values, origins, settings.horizon)
        scores[name] = forecast_scores(followed, point, **scales)
        errors[name] = step_errors(followed, point)
        if len(origins) < len(test.origins):
            print(f"{name} is scored from {len(origins):,} of {len(test.origins):,} origins")
    return scores, errors


def score_panel(
    networks: Mapping[str, keras.Model], settings: Settings, test: PanelWindows
) -> Scores:
    """Score the forecasts of many series: the mean over all origins."""
    origins = np.asarray(test.origins)
    actual = test.targets(origins)[..., 0]
    scores, errors = {}, {}
    for name, network in networks.items():
        quantiles = np.sort(answers(network, test.dataset()))
        point = quantiles[..., settings.middle]
        scores[name] = panel_scores(test, origins, point, quantiles, settings.levels)
        errors[name] = step_errors(actual, point)
    for name, taken, point in baseline_forecasts(test, settings):
        scores[name] = panel_scores(test, taken, point)
        errors[name] = step_errors(test.targets(taken)[..., 0], point)
        if len(taken) < len(origins):
            print(f"{name} is scored from {len(taken):,} of {len(origins):,} origins")
    return scores, errors
