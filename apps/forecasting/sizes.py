"""Sizes that suit a series: how far to forecast, what to read before, and in which segments."""

from dataclasses import replace

import numpy as np

from apps.common.refusal import Refusal
from apps.forecasting.baselines import linear
from apps.forecasting.data import Series
from apps.forecasting.metrics import futures
from apps.forecasting.sample import DEFAULT, SIZES
from apps.forecasting.settings import Settings
from apps.forecasting.windows import scaling

SHORTEST_SEASON = 4  # a shorter one is no horizon
WITHOUT_SEASON = 12  # steps to forecast where there is no season
LONGEST = 96  # steps to forecast, by default
SEGMENTS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)  # in a window, to choose from
BETTER = 0.99  # a longer window must have less than this part of the error of a shorter one
MAX_ROWS = 20_000  # of the training part that the choice reads


def choose_sizes(settings: Settings, series: Series) -> Settings:
    """Return settings in which horizon, window and, for the model segments, segment are numbers.

    Those that are given stay. The horizon is a season, as far as each part is long enough. A
    segment is half of the horizon. The window is the one from which ridge regression forecasts the
    validation part best.

    Args:
        settings: The settings.
        series: The series to train on.
    """
    if settings.source == "sample":
        settings = _with_sizes_of_the_sample(settings)
    horizon = settings.horizon or _horizon(series)
    segment = settings.segment or min(-(-horizon // 2), settings.window or horizon)
    window = settings.window or _window(series, horizon, segment)
    sizes = {"window": window, "horizon": horizon}
    if settings.model == "segments":
        sizes["segment"] = segment
    print("Sizes in steps:", ", ".join(f"{name} {size:,}" for name, size in sizes.items()))
    return replace(settings, **sizes)


def _with_sizes_of_the_sample(settings: Settings) -> Settings:
    """Fill in the sizes that go with a sample, if it has any."""
    known = SIZES.get(settings.sample or DEFAULT, {})
    if settings.model != "segments":
        known = {name: size for name, size in known.items() if name != "segment"}
    return replace(settings, **{n: size for n, size in known.items() if not getattr(settings, n)})


def _horizon(series: Series) -> int:
    steps = series.season if series.season >= SHORTEST_SEASON else WITHOUT_SEASON
    shortest = min(rows.stop - rows.start for rows in series.parts().values())
    return max(1, min(steps, LONGEST, shortest, series.ends[0] // 4))


def _window(series: Series, horizon: int, segment: int) -> int:
    """Return the window from which ridge regression forecasts the validation part best."""
    first = max(0, series.ends[0] - MAX_ROWS)
    train, held, _ = (end - first for end in series.ends)
    mean, scale = scaling(series.values[first : series.ends[0]])
    values = (series.values[first : series.ends[1]] - mean) / scale
    origins = range(train, held - horizon + 1)
    actual = futures(values, origins, horizon)
    best, lowest = segment, np.inf
    windows = [count * segment for count in SEGMENTS if count * segment + horizon <= train // 2]
    for window in [each for each in windows if each >= 2 * series.season] or windows:
        try:
            forecasts = linear(values, (train, held, held), origins, window, horizon)
        except Refusal:  # too short for this window
            break
        error = float(np.square(forecasts - actual).mean())
        if error < BETTER * lowest:
            best, lowest = window, error
    return best
