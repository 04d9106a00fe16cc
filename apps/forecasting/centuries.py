"""The century of years that are written with two digits: 49 is 1949, as 2049 is in the future.

`strptime` reads 69 to 99 in the last century, and 0 to 68 in this one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from apps.common.refusal import Refusal
from apps.forecasting.grids import in_words, regular_grid

AHEAD = pd.DateOffset(years=1)  # covariates may be known so far into the future
CENTURY = pd.DateOffset(years=100)
THIS_CENTURY = np.datetime64("2000-01-01")


@dataclass(frozen=True)
class Dated:
    """Times of which some may have been moved into the last century.

    Args:
        times: The times.
        moved: The first row that was moved, counted from 0; None if none was.
        other: The times as they were, if they are as likely.
    """

    times: np.ndarray
    moved: int | None = None
    other: np.ndarray | None = None


def settle_century(times: np.ndarray, reading: str) -> Dated:
    """Move times into the last century if they would lie in the future.

    A file may begin before the year at which `strptime` changes the century, and end after it. So
    either the times in the future are moved, or all of this century, whichever has fewer gaps.

    Args:
        times: The times in the order of the file.
        reading: How they are written.
    """
    last = (today() + AHEAD).to_datetime64()
    if "%y" not in reading or not (times > last).any():
        return Dated(times)
    ways = [_moved(times, times > last), _moved(times, times >= THIS_CENTURY)]
    if times.min() <= last:  # they may go on from the past into the future
        ways.append(times)
    gaps = [np.inf if way is None else _missing(way) for way in ways]
    taken = ways[int(np.argmin(gaps[:2]))]
    doubtful = len(ways) > 2 and gaps[2] <= min(gaps[:2]) and np.isfinite(gaps[2])
    return Dated(taken, int(np.flatnonzero(taken != times)[0]), times if doubtful else None)


def today() -> pd.Timestamp:
    """Return the time at which the program runs."""
    return pd.Timestamp.now()


def _moved(times: np.ndarray, rows: np.ndarray) -> np.ndarray | None:
    """Return times of which some are a century earlier, or None if there is no such day."""
    before = pd.DatetimeIndex(times[rows])
    after = before - CENTURY
    if (after.day != before.day).any():  # 29 February 1900
        return None
    moved = times.copy()
    moved[rows] = after.to_numpy("datetime64[ns]")
    return moved


def _missing(times: np.ndarray) -> float:
    """Return how many times are missing between regular ones, infinitely many if they are not."""
    distinct = np.unique(times)
    try:
        return len(regular_grid(distinct)[0]) - len(distinct)
    except Refusal:
        return np.inf


def print_century(dated: Dated, column: str, examples: Sequence[str]) -> None:
    """Print in which century times were read, if they were moved.

    Args:
        dated: The times.
        column: The name of their column.
        examples: The first entries.

    Raises:
        Refusal: If the times may as well begin in the past and end in the future.
    """
    if dated.other is not None:
        ways = " or ".join(
            f"{in_words(times.min())} to {in_words(times.max())}"
            for times in (dated.times, dated.other)
        )
        raise Refusal(
            f"the years in {column!r} have two digits, and the times may be {ways}; write the "
            f"years with four digits"
        )
    if dated.moved is not None:
        row = dated.moved
        entry = examples[row] if row < len(examples) else f"row {row + 1:,}"
        print(
            f"Data: {column!r}: read {entry} as {in_words(dated.times[row])}, as the times would "
            f"else lie in the future; if they do, write the years with four digits"
        )
