"""Small tables as people write them."""

import numpy as np
import pandas as pd

from apps.forecasting.data import load

ROWS = 30
VALUES = np.round(100 + 20 * np.sin(np.arange(ROWS)) + np.arange(ROWS) / 7, 2)
DAYS = pd.date_range("2021-01-01", periods=ROWS, freq="D")
MONTHS = pd.date_range("2005-01-01", periods=ROWS, freq="MS")
HOURS = pd.date_range("2021-01-01", periods=ROWS, freq="h")
BERLIN = pd.date_range("2021-03-27 20:00", periods=ROWS, freq="h", tz="Europe/Berlin")


def comma(values):
    return [f"{value:.2f}".replace(".", ",") for value in values]


def lines(*columns, header="date,y", separator=",", above="", below=""):
    """Return a table as text."""
    rows = [separator.join(map(str, row)) for row in zip(*columns, strict=True)]
    header = [header.replace(",", separator)] if header else []
    return above + "\n".join([*header, *rows]) + "\n" + below


def read(tmp_path, content, name="a.csv", **options):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load(str(path), **options)


def check(series, times, values=VALUES):
    np.testing.assert_array_equal(series.times, pd.DatetimeIndex(times).to_numpy("datetime64[ns]"))
    np.testing.assert_allclose(series.values[:, -1], values, rtol=1e-6)
