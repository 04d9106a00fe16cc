"""Small tables with columns next to the targets."""

import numpy as np
import pandas as pd

from apps.forecasting.settings import Settings

ROWS, WINDOW, HORIZON = 60, 8, 4


def table(rows=ROWS, ahead=HORIZON, seed=0):
    """Return a table with two targets that are empty in the last rows, and other columns."""
    random = np.random.default_rng(seed)
    count = rows + ahead
    times = pd.date_range("2021-01-01", periods=count, freq="D")
    data = {"ds": times, **{name: 50 + random.normal(size=count) for name in ("y", "z")}}
    data["price"], data["promotion"] = 1000 + random.normal(size=count), np.arange(count) % 3 == 0
    data["weather"] = random.normal(size=count)
    data = pd.DataFrame(data).astype({"promotion": int})
    data.loc[rows:, ["y", "z", "weather"]] = np.nan
    return data


def panel_table(ahead=HORIZON):
    one, other = table(seed=1), table(rows=50, ahead=ahead, seed=2)
    one, other = (part.drop(columns="z") for part in (one, other))
    one, other = one.assign(shop="A", size=3.5, kind="town"), other.assign(shop="B", size=7)
    return pd.concat([one, other.assign(kind="village")], ignore_index=True)


def settings_for(path, model="segments", **options):
    sizes = {"window": WINDOW, "horizon": HORIZON, "units": 4, "dropout": 0.0}
    if model == "segments":
        sizes["segment"] = 3  # neither window nor horizon is a multiple
    return Settings(source=str(path), model=model, **sizes, **options)


KINDS = {"known": ("price", "promotion"), "past": ("weather",)}
OF_SERIES = {**KINDS, "series_column": ("shop",), "static": ("size", "kind")}


def write(path, rows):
    rows.to_csv(path, index=False)
    return path
