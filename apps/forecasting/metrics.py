"""Scores of forecasts.

An origin is the row of the first step of a forecast. The forecast is made from the rows before it.
Forecasts have the shape `(origins, horizon, variables)`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.metrics import mean_absolute_error, mean_pinball_loss, mean_squared_error

from apps.common.refusal import Refusal

CELLS = 2_000_000  # numbers to process at a time

# The best coverage is the level of the interval, neither the lowest nor the highest.
ORDER = {
    "lower_is_better": ("mse", "mae", "mase", "smape", "pinball"),
    "unordered": ("coverage",),
}


def futures(values: np.ndarray, origins: range, horizon: int) -> np.ndarray:
    """Return the steps that follow each origin, without copying them.

    Args:
        values: The series, shape `(time, variables)`.
        origins: The origins, increasing.
        horizon: The number of steps.

    Returns:
        A read-only view, shape `(origins, horizon, variables)`.

    Raises:
        ValueError: If there is no origin, or an origin with fewer steps after it.
    """
    if not (origins and 0 <= origins[0] <= origins[-1] <= len(values) - horizon):
        raise ValueError(
            f"origins must be rows with a horizon of {horizon} steps inside the series of "
            f"{len(values):,} rows; received {origins}"
        )
    ahead = sliding_window_view(values, horizon, axis=0)
    return ahead[origins.start : origins.stop : origins.step].swapaxes(1, 2)


def chunks(count: int, cells: int) -> Iterator[slice]:
    """Cut rows into pieces that need little memory.

    Args:
        count: The number of rows.
        cells: The number of numbers in a row.

    Returns:
        The pieces, in order.
    """
    size = max(1, CELLS // cells)
    return (slice(start, start + size) for start in range(0, count, size))


def seasonal_naive_error(train: np.ndarray, season: int, names: Sequence[str]) -> np.ndarray:
    """Return the mean absolute error of the value a season ago, by which MASE is scaled.

    Args:
        train: The training part, shape `(time, variables)`.
        season: The number of steps in a season.
        names: The names of the variables, for the message.

    Returns:
        The error of each variable, shape `(variables,)`.

    Raises:
        Refusal: If the season is not shorter than the training part, or an error is zero.
    """
    if not 1 <= season < len(train):
        raise Refusal(
            f"season must be at least 1 and shorter than the training part of {len(train):,} "
            f"rows; received {season}; give another --season"
        )
    error = np.mean(np.abs(train[season:] - train[:-season]), axis=0, dtype="float64")
    if not error.all():
        raise Refusal(
            f"{names[error.argmin()]!r} repeats itself exactly every {season} steps of the "
            f"training part, so MASE cannot be scaled; leave it out with --columns, or give "
            f"another --season"
        )
    return error


def forecast_scores(
    actual: np.ndarray,
    point: np.ndarray,
    quantiles: np.ndarray | None = None,
    levels: Sequence[float] = (),
    *,
    mean: np.ndarray,
    scale: np.ndarray,
    naive_error: np.ndarray,
) -> dict[str, float]:
    """Score forecasts of scaled series.

    - `mse`, `mae`: the mean over origins, steps and variables, on the scaled series.
    - `mase`: `mae` of each variable over its `naive_error`, then the mean over the variables
      (Hyndman and Koehler 2006).
    - `smape`: on the series as measured, in percent from 0 to 200; 0 where both are zero.
    - `pinball`: the quantile loss, the mean over the levels, too.
    - `coverage`: the part of the values between the outermost quantiles.

    Args:
        actual: The true values, shape `(origins, horizon, variables)`.
        point: The forecasts, of the same shape.
        quantiles: Forecasts of quantiles, shape `(origins, horizon, variables, levels)`.
        levels: Their levels, between 0 and 1.
        mean: The mean that was subtracted from each variable, shape `(variables,)`.
        scale: The deviation by which each variable was then divided, shape `(variables,)`.
        naive_error: The `seasonal_naive_error` of the scaled training part.

    Returns:
        The scores by name; the last two only if there are quantiles.

    Raises:
        ValueError: If the shapes differ.
    """
    _check_shape("point", point, actual.shape)
    if quantiles is not None:
        _check_shape("quantiles", quantiles, (*actual.shape, len(levels)))
    scores: Counter[str] = Counter()
    for rows in chunks(len(actual), actual[0].size * (1 + len(levels))):
        true, guess = _flat(actual[rows]), _flat(point[rows])
        mae = mean_absolute_error(true, guess, multioutput="raw_values")
        part = {
            "mse": mean_squared_error(true, guess),
            "mae": mae.mean(),
            "mase": np.mean(mae / naive_error),
            "smape": _smape(true * scale + mean, guess * scale + mean),
        }
        if quantiles is not None:
            ranges = {level: _flat(quantiles[rows, ..., k]) for k, level in enumerate(levels)}
            losses = [mean_pinball_loss(true, ranges[level], alpha=level) for level in levels]
            inside = (ranges[min(levels)] <= true) & (true <= ranges[max(levels)])
            part |= {"pinball": np.mean(losses), "coverage": inside.mean()}
        share = len(actual[rows]) / len(actual)
        scores.update({name: share * float(score) for name, score in part.items()})
    return dict(scores)


def step_errors(actual: np.ndarray, point: np.ndarray) -> dict[str, np.ndarray]:
    """Score each step of the horizon by itself.

    Args:
        actual: The true values, shape `(origins, horizon, variables)`.
        point: The forecasts, of the same shape.

    Returns:
        `mse` and `mae`, each of shape `(horizon,)`.

    Raises:
        ValueError: If the shapes differ.
    """
    _check_shape("point", point, actual.shape)
    errors = {"mse": np.zeros(actual.shape[1]), "mae": np.zeros(actual.shape[1])}
    for rows in chunks(len(actual), actual[0].size):
        error = point[rows].astype("float64") - actual[rows]
        errors["mse"] += np.square(error).mean(axis=2).sum(axis=0) / len(actual)
        errors["mae"] += np.abs(error).mean(axis=2).sum(axis=0) / len(actual)
    return errors


def _check_shape(name: str, array: np.ndarray, expected: tuple[int, ...]) -> None:
    if array.shape != expected:
        raise ValueError(f"{name} must have the shape {expected}; received {array.shape}")


def _flat(forecasts: np.ndarray) -> np.ndarray:
    """Put origins and steps on one axis, in float64: sums in float32 would lose digits."""
    return forecasts.reshape(-1, forecasts.shape[-1]).astype("float64")


def _smape(true: np.ndarray, guess: np.ndarray) -> float:
    size = np.abs(true) + np.abs(guess)
    return np.mean(np.divide(200 * np.abs(true - guess), size, np.zeros_like(size), where=size > 0))
