"""Regular times: the frequency of times, its grid, and its main season."""

import numpy as np
import pandas as pd

from apps.common.refusal import Refusal

DAY = np.timedelta64(1, "D").astype("timedelta64[ns]")
MONTH = 28 * DAY  # the shortest
MOST = 10  # times of a grid for each time that is given
# The steps of the main season, by the first part of the pandas alias: a week of days, a year of
# weeks, months or quarters. Steps shorter than a day have the season of a day.
SEASONS = {"D": 7, "B": 5, "W": 52, "MS": 12, "ME": 12, "QS": 4, "QE": 4, "YS": 1, "YE": 1}


def regular_grid(times: np.ndarray) -> tuple[np.ndarray, str]:
    """Find the grid of regular times that contains all given times.

    The frequency is that of the most common step, in days and shorter units of fixed length, in
    working days where there is never a weekend, or in months, where all times are of the same day
    of a month, up to the 28th, or of its end. Every time must be on the grid, and more than half of
    the grid among the times.

    Args:
        times: The times, increasing, shape `(rows,)`, datetime64[ns].

    Returns:
        The grid from the first to the last of the times, shape `(time,)`, and its pandas alias:
        for the 15th of each month that of the first, see `following`.

    Raises:
        Refusal: If the times fit no grid.
    """
    if len(times) < 3:
        raise Refusal(f"the times must be at least 3 different ones; received {len(times)}")
    steps = np.diff(times)
    step = _most_common(steps)
    days = pd.DatetimeIndex(times).day
    # A day that every month has is as regular as the first.
    of_months = step >= MONTH and days[0] <= 28 and (days == days[0]).all()
    later = (days[0] - 1) * DAY if of_months else 0 * DAY
    alias = _alias(times - later, step)
    expected = (times[-1] - times[0]) // step + 1
    if expected < 2 * len(times):
        grid = pd.date_range(times[0] - later, times[-1] - later, freq=alias) + later
        grid = grid.to_numpy("datetime64[ns]")
        off = ~np.isin(times, grid)
        if not off.any():
            return grid, alias
        misfit = (
            f"{off.sum():,} of {len(times):,} times are off it, first {in_words(times[off][0])}"
        )
    else:
        longest = steps.argmax()
        misfit = (
            f"only {len(times):,} of {expected:,} such times are given, and none between "
            f"{in_words(times[longest])} and {in_words(times[longest + 1])}"
        )
    raise Refusal(
        f"the times fit no regular frequency: the most common step is {alias}, but {misfit}. Cut "
        f"or resample the file, or give --time-format if day and month are exchanged; times with a "
        f"UTC offset count in UTC"
    )


def grid_at(times: np.ndarray, frequency: str) -> np.ndarray | None:
    """Return the grid of a frequency that contains increasing times, or None if there is none."""
    count = (times[-1] - times[0]) // _shortest(frequency) + 1
    if count > MOST * len(times):
        return None
    first = times[:1].astype("datetime64[ns]")
    grid = np.concatenate([first, following(times[0], frequency, int(count)).to_numpy()])
    grid = grid[grid <= times[-1]]
    return grid if np.isin(times, grid).all() else None


def _shortest(frequency: str) -> np.timedelta64:
    """Return the shortest step of a frequency."""
    unit, count = _step(frequency)
    seconds = {"months": 28 * 24 * 60 * 60, "working days": 24 * 60 * 60, "seconds": 1}[unit]
    return np.timedelta64(seconds * count, "s").astype("timedelta64[ns]")


def frequency_of(times: np.ndarray) -> str | None:
    """Return the pandas alias of the grid of times in any order, or None if they are irregular."""
    try:
        return regular_grid(np.unique(times))[1]
    except Refusal:
        return None


def same_step(one: str | None, other: str | None) -> bool:
    """Return whether two frequencies have the same step, on whichever day it falls."""
    if one is None or other is None:
        return False
    first, second = (_step(alias) for alias in (one, other))
    return first == second


def _step(alias: str) -> tuple[str, int]:
    offset = pd.tseries.frequencies.to_offset(alias)
    unit = offset.rule_code.split("-")[0].lstrip("0123456789")
    months = {"MS": 1, "ME": 1, "QS": 3, "QE": 3, "YS": 12, "YE": 12}
    if unit in months:
        return "months", months[unit] * offset.n
    if unit == "B":
        return "working days", offset.n
    if unit == "W":
        return "seconds", offset.n * 7 * 24 * 60 * 60
    return "seconds", pd.Timedelta(offset).value // 10**9


def following(last: np.datetime64, frequency: str, count: int) -> pd.DatetimeIndex:
    """Return the next times on a grid of `regular_grid`.

    Args:
        last: The last time of the grid.
        frequency: Its pandas alias.
        count: The number of times to return.
    """
    last = pd.Timestamp(last)
    begin = pd.tseries.frequencies.to_offset(frequency).rollback(last)
    return pd.date_range(begin, periods=count + 1, freq=frequency)[1:] + (last - begin)


def season_of(frequency: str) -> int:
    """Return the number of steps in the main season of a pandas alias, 1 if it has none.

    The season is a day for shorter steps, a week for days, a year for weeks, months and quarters.
    """
    offset = pd.tseries.frequencies.to_offset(frequency)
    unit = offset.rule_code.split("-")[0].lstrip("0123456789")
    if unit in SEASONS:
        season, rest = divmod(SEASONS[unit], offset.n)
    else:
        season, rest = divmod(DAY, pd.Timedelta(offset).to_timedelta64())
    return 1 if rest else int(season)


def in_words(time: np.datetime64) -> str:
    """Write a time to the minute, with its seconds if it has any, and without a midnight."""
    return str(pd.Timestamp(time)).removesuffix(":00").removesuffix(" 00:00")


def _most_common(values: np.ndarray) -> np.generic:
    distinct, counts = np.unique(values, return_counts=True)
    return distinct[counts.argmax()]


def _alias(times: np.ndarray, step: np.timedelta64) -> str:
    """Return the pandas alias of the frequency with the most common step."""
    stamps = pd.DatetimeIndex(times)
    for side, here in (("S", stamps.is_month_start), ("E", stamps.is_month_end)):
        if step >= MONTH and here.all():
            months = _most_common(np.diff(12 * stamps.year + stamps.month))
            month = stamps[0].month_name()[:3].upper()
            named = {1: f"M{side}", 3: f"Q{side}-{month}", 12: f"Y{side}-{month}"}
            return named.get(int(months), f"{months}M{side}")
    if step % DAY:
        return pd.tseries.frequencies.to_offset(pd.Timedelta(step)).freqstr
    days = int(step // DAY)
    if days == 1 and np.diff(times).max() > DAY and np.is_busday(times.astype("M8[D]")).all():
        return "B"
    unit, name = (1, "D") if days % 7 else (7, f"W-{stamps[0].day_name()[:3].upper()}")
    return name if days == unit else f"{days // unit}{name}"
