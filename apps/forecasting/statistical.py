"""Statistical forecasts, for comparison with a network: AutoETS, AutoTheta, MSTL and AutoARIMA.

`statsforecast` chooses the form and the parameters of each on the training part, for each variable.
The states are then those after the last values before each origin.
"""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from tqdm import tqdm

# Models are fitted to the last rows of the training part, and read the last rows before an origin:
# this many, or this many seasons if that is more.
ROWS = 1000
SEASONS = 5
MAX_FORECASTS = 200  # of a model: from more origins and variables, evenly spaced origins are taken
MAX_ETS_SEASON = 24  # of statsforecast
ARIMA_ROWS, ARIMA_SEASON = 500, 12  # longer series and seasons would take AutoARIMA minutes


def statistical_forecasts(
    values: np.ndarray, train_end: int, origins: range, horizon: int, season: int
) -> Iterator[tuple[str, range, np.ndarray]]:
    """Forecast by the models that suit the length and the season of a series.

    Args:
        values: The series as measured, shape `(time, variables)`.
        train_end: The row at which the training part ends.
        origins: The origins, see `apps.forecasting.metrics`, none before `train_end`.
        horizon: The number of steps to forecast.
        season: The number of steps in a season; 1 if there is none.

    Yields:
        For each model its name, the origins that were taken, and its forecasts, shape `(origins,
        horizon, variables)`, float32. A model that cannot be fitted is left out, which is printed.
    """
    every = -(-len(origins) * values.shape[1] // MAX_FORECASTS)
    taken = origins[::every]
    rows = max(ROWS, SEASONS * season)
    for name, make in _models(train_end, season).items():
        forecasts = np.empty((len(taken), horizon, values.shape[1]), "float32")
        columns = enumerate(values.T.astype("float64"))
        progress = tqdm(columns, desc=f"Fitting {name}", total=values.shape[1], disable=None)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of divisions while a form is chosen
                for column, series in progress:
                    model = make().fit(series[max(0, train_end - rows) : train_end])
                    for number, origin in enumerate(taken):
                        past = series[max(0, origin - rows) : origin]
                        forecasts[number, :, column] = model.forward(past, horizon)["mean"]
        except Exception as error:  # statsforecast raises no other
            print(f"{name} is left out: {error}")
            continue
        yield name, taken, forecasts


def _models(train_end: int, season: int) -> dict[str, Callable[[], Any]]:
    """Return the models that suit a training part of this length."""
    from statsforecast import models  # takes a second, which only `evaluate` needs

    if train_end < 2 * season:
        season = 1
    short = season if season <= MAX_ETS_SEASON else 1
    found: dict[str, Callable[[], Any]] = {
        "auto_ets": lambda: models.AutoETS(season_length=short),
        "auto_theta": lambda: models.AutoTheta(season_length=season),
    }
    if season > 1:
        trend = models.AutoETS(model="ZZN")
        found["mstl"] = lambda: models.MSTL(season_length=season, trend_forecaster=trend)
    if train_end <= ARIMA_ROWS and season <= ARIMA_SEASON:
        found["auto_arima"] = lambda: models.AutoARIMA(season_length=season)
    return found
