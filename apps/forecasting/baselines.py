"""Simpler forecasts, for comparison with a network.

Origins and shapes are those of `apps.forecasting.metrics`.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from apps.common.refusal import Refusal
from apps.forecasting.metrics import chunks
from apps.forecasting.statistical import statistical_forecasts

MAX_WINDOWS = 50_000  # of the regression
MIN_ROWS = 10  # of the training part
PENALTIES = 10.0 ** np.arange(-6, 3)  # of the linear model, times the mean eigenvalue


def forecast_baselines(
    values: np.ndarray,
    ends: tuple[int, int, int],
    origins: range,
    *,
    season: int,
    window: int,
    horizon: int,
    mean: np.ndarray,
    scale: np.ndarray,
) -> Iterator[tuple[str, range, np.ndarray]]:
    """Forecast by the last value, the last season, ridge regression and statistical models.

    Args:
        values: The scaled series, shape `(time, variables)`.
        ends: The rows at which training, validation and test end.
        origins: The origins, increasing, none before the end of the training part.
        season: The number of steps in a season.
        window: The number of steps in the window of the regression.
        horizon: The number of steps to forecast.
        mean: The mean that was subtracted from each variable, shape `(variables,)`.
        scale: The deviation by which each variable was then divided, shape `(variables,)`.

    Yields:
        For each baseline its name, the origins that it forecasts from, and its forecasts, shape
        `(origins, horizon, variables)`, float32. The statistical models take evenly spaced origins
        if there are many.

    Raises:
        Refusal: If the series or a part of it is too short for them.
    """
    if not (origins and max(season, window, ends[0]) <= origins[0] <= origins[-1] <= len(values)):
        raise Refusal(
            f"forecasts must begin after the training part of {ends[0]:,} rows, a season of "
            f"{season} and a window of {window}, within the series of {len(values):,} rows; "
            f"received forecasts from the rows {origins}; give a shorter season or window"
        )
    yield "naive", origins, seasonal_naive(values, origins, horizon, 1)
    yield "seasonal_naive", origins, seasonal_naive(values, origins, horizon, season)
    yield "linear", origins, linear(values, ends, origins, window, horizon)
    # Models of products and ratios need values as they were measured.
    measured = values * scale + mean
    for name, taken, point in statistical_forecasts(measured, ends[0], origins, horizon, season):
        yield name, taken, (point - mean) / scale


def seasonal_naive(values: np.ndarray, origins: range, horizon: int, season: int) -> np.ndarray:
    """Repeat the last season; with a season of 1, the last value.

    Arguments and result are as in `forecast_baselines`.
    """
    rows = np.array(origins)[:, None] - season + np.arange(horizon) % season
    return values[rows].astype("float32", copy=False)


def linear(
    values: np.ndarray, ends: tuple[int, int, int], origins: range, window: int, horizon: int
) -> np.ndarray:
    """Forecast by `ridge`. Arguments and result are as in `forecast_baselines`."""
    kernel, bias = ridge(values, ends, window, horizon)
    forecasts = [
        (np.tensordot(past, kernel, 1) + bias + last).swapaxes(1, 2).astype("float32")
        for past, last in _pairs(values, origins, window, 0)
    ]
    return np.concatenate(forecasts)


def ridge(
    values: np.ndarray, ends: tuple[int, ...], window: int, horizon: int
) -> tuple[np.ndarray, np.ndarray]:
    """Fit a ridge regression of the next steps on the window, one for all variables.

    The last value of the window is subtracted from both, as in NLinear (Zeng et al., AAAI 2023).
    The penalty is the one with the smallest error on the validation part. Long series contribute
    `MAX_WINDOWS` windows, evenly spaced.

    Args:
        values: The scaled series, shape `(time, variables)`.
        ends: The rows at which training and validation end.
        window: The number of steps in the window.
        horizon: The number of steps to forecast.

    Returns:
        The kernel, shape `(window, horizon)`, and the bias, shape `(horizon,)`.

    Raises:
        Refusal: If the training or the validation part holds no window with its horizon.
    """
    return pooled_ridge([(values, ends)], window, horizon)


def pooled_ridge(
    series: Sequence[tuple[np.ndarray, tuple[int, ...]]], window: int, horizon: int
) -> tuple[np.ndarray, np.ndarray]:
    """Fit one `ridge` to many series, each with its values and ends."""
    parts = [
        (
            values,
            range(window, ends[0] - horizon + 1),
            range(max(window, ends[0]), ends[1] - horizon + 1),
        )
        for values, ends in series
    ]
    counts = [sum(len(part[place]) for part in parts) for place in (1, 2)]
    if not all(counts):
        _, ends = series[0]
        raise Refusal(
            f"the training and validation parts, which end at rows {ends[0]:,} and {ends[1]:,}, "
            f"are too short for a window of {window} and a horizon of {horizon}; give a smaller "
            f"window or horizon"
        )
    every = [-(-count // MAX_WINDOWS) for count in counts]
    trains = [(values, train[:: every[0]]) for values, train, _ in parts if train]
    helds = [(values, held[:: every[1]]) for values, _, held in parts if held]
    variables = parts[0][0].shape[1]
    sums = [
        pairs.sum(axis=(0, 1))
        for values, train in trains
        for pairs, _ in _pairs(values, train, window, horizon)
    ]
    mean = np.sum(sums, axis=0) / (sum(len(train) for _, train in trains) * variables)
    # The normal equations, from which the kernel for any penalty follows.
    gram, cross = _products(trains, mean, window)
    held_gram, held_cross = _products(helds, mean, window)
    eigenvalues, basis = np.linalg.eigh(gram)
    cross = basis.T @ cross
    lowest = np.inf
    for penalty in PENALTIES * max(eigenvalues.mean(), np.finfo(float).tiny):
        weights = basis @ (cross / (eigenvalues + penalty)[:, None])
        # The squared error on the validation part, up to a constant.
        error = np.sum(weights * (held_gram @ weights - 2 * held_cross))
        if error < lowest:
            lowest, kernel = error, weights
    return kernel, mean[window:] - mean[:window] @ kernel


def _pairs(
    values: np.ndarray, origins: range, window: int, horizon: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Cut out windows with their next steps, in float64, less the last value of each window.

    Yields:
        The pairs, chunk by chunk, shape `(origins, variables, window + horizon)`, and the last
        values.
    """
    around = sliding_window_view(values, window + horizon, axis=0)
    for rows in chunks(len(origins), values.shape[1] * (window + horizon)):
        part = origins[rows]
        pairs = around[part[0] - window : part[-1] - window + 1 : part.step].astype("float64")
        last = pairs[..., window - 1 : window].copy()
        yield pairs - last, last


def _products(
    series: Sequence[tuple[np.ndarray, range]], mean: np.ndarray, window: int
) -> tuple[np.ndarray, np.ndarray]:
    """Sum the products of centred windows with themselves and with their next steps."""
    total = np.zeros((window, len(mean)))
    for values, origins in series:
        for pairs, _ in _pairs(values, origins, window, len(mean) - window):
            pairs = pairs.reshape(-1, len(mean)) - mean
            total += pairs[:, :window].T @ pairs
    return total[:, :window], total[:, window:]
