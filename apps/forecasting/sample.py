"""The embedded samples of series: the carbon dioxide of Mauna Loa, and generated ones."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.signal import lfilter

SEED = 1
HOURS = 4000
SCALES = np.array([1.0, 10.0, 0.1])  # the size of each generated variable


def co2() -> tuple[pd.DataFrame, str]:
    """Reads the weekly concentration of carbon dioxide on Mauna Loa, 1958 to 2001, with its gaps.

    Source: Keeling and Whorf 2004, as statsmodels ships it.

    Returns:
        The table, with times as its index, and where it came from, in words.
    """
    from statsmodels.datasets import co2 as mauna_loa

    table = mauna_loa.load_pandas().data
    return table, "the embedded sample (weekly CO2 on Mauna Loa in ppm, shipped by statsmodels)"


def synthetic() -> tuple[pd.DataFrame, str]:
    """Generates hourly variables with a trend, the seasons of a day and of a week, and noise.

    Returns:
        As `co2` does.
    """
    chance = np.random.default_rng(SEED)
    hours = np.arange(HOURS)[:, None]
    day, week, rise = chance.uniform(0, 2 * np.pi, (3, len(SCALES)))
    daily, weekly = np.sin(2 * np.pi * hours / 24 + day), np.sin(2 * np.pi * hours / 168 + week)
    # Noise that lasts some hours: what was seen last tells something of what comes next.
    noise = lfilter([0.4], [1, -0.8], chance.normal(size=daily.shape), axis=0)
    values = SCALES * (3 * daily + 1.5 * weekly + rise * hours / HOURS + noise)
    times = pd.date_range("2020-01-01", periods=HOURS, freq="h")
    names = [f"load_{number}" for number in range(1, len(SCALES) + 1)]
    table = pd.DataFrame(values, times, names)
    return table, "the embedded sample (generated hourly series, no real ones)"


SAMPLES: dict[str, Callable[[], tuple[pd.DataFrame, str]]] = {"co2": co2, "synthetic": synthetic}
