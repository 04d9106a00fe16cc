"""The reading of times to take where a file can be read in several ways, as 01/02/2021."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from apps.common.refusal import Refusal
from apps.forecasting.grids import MONTH, frequency_of, in_words, regular_grid, same_step


def is_day_first(reading: str) -> bool | None:
    """Return whether the day is written before the month, or None if the year is before both."""
    day, month = reading.find("%d"), reading.find("%m")
    year = reading.lower().find("%y")
    return None if min(day, month) < 0 or 0 <= year < min(day, month) else day < month


def choose_reading(
    readings: Mapping[str, np.ndarray],
    column: str,
    examples: Sequence[str],
    frequency: str | None = None,
    like: str | None = None,
) -> str:
    """Choose among readings that fit all entries equally well, and print which is taken.

    It is the one by which the times are regular. Of several, it is the one with the frequency of
    the series that a model was trained on, or written as those are; otherwise the one by which
    times with the same step are the first or the last days of months. Where one begins with a year
    of two digits, days may look like years: the same day of each month or year must be its first or
    last, and then it is the one by which no time is missing and all are in order.

    Args:
        readings: The times by each reading, in the order of the file.
        column: The name of the column.
        examples: The first entries.
        frequency: The frequency of the series that a model was trained on.
        like: Their reading.

    Raises:
        Refusal: If several readings remain, or none is regular and one begins with the year.
    """
    different: dict[str, np.ndarray] = {}
    for reading, times in readings.items():
        if not any(np.array_equal(times, other) for other in different.values()):
            different[reading] = times
    if len(different) == 1:
        return next(iter(different))
    steps = {reading: frequency_of(times) for reading, times in different.items()}
    regular = [reading for reading, step in steps.items() if step]
    same = [reading for reading in regular if same_step(steps[reading], frequency)]
    regular = same or regular
    why = "as the times are then regular"
    if same:
        why = f"as their frequency is then {frequency}, as in the series trained on"
    year_first = any(reading.startswith("%y") for reading in different)
    if year_first:
        regular = [one for one in regular if not _in_months(different[one])] or regular
    complete = [one for one in regular if year_first and _is_complete(different[one])]
    if not regular and year_first:
        ways = " or ".join(_in_words(different, reading, examples) for reading in different)
        raise Refusal(
            f"{column!r} can be read in {len(different)} ways, and its times are regular in none: "
            f"{ways}; say which with {_options(different)}"
        )
    if not regular:
        taken = like if like in different else next(iter(different))
        why = "though the times are then not regular"
    elif len(regular) == 1:
        taken = regular[0]
    elif like in regular:
        taken, why = like, "as in the series trained on"
    elif len(complete) == 1:
        taken, why = complete[0], "as the times are then in order and none is missing"
    else:
        begins = [reading for reading in regular if _bound_months(different[reading])]
        alike = all(same_step(steps[regular[0]], steps[reading]) for reading in regular)
        if not (alike and len(begins) == 1):
            ways = " or ".join(_in_words(different, reading, examples) for reading in regular)
            raise Refusal(
                f"{column!r} can be read in {len(regular)} ways, and its times are regular in "
                f"each: {ways}; say which with {_options(different)}"
            )
        taken, why = begins[0], "as the times then begin or end months"
    print(
        f"Data: {column!r}: read {_in_words(different, taken, examples)}, {why}; say otherwise "
        f"with {_options(different)}"
    )
    return taken


def _is_complete(times: np.ndarray) -> bool:
    """Return whether regular times are in order, forwards or backwards, and none is missing.

    Where there are many series, their times may begin again.
    """
    before, after, distinct = times[:-1], times[1:], np.unique(times)
    forwards = ((after >= before) | (after == distinct[0])).all()
    backwards = ((after <= before) | (after == distinct[-1])).all()
    return bool(forwards or backwards) and len(regular_grid(distinct)[0]) == len(distinct)


def _in_months(times: np.ndarray) -> bool:
    """Return whether times are at least a month apart, and not at the bounds of months."""
    return bool(np.diff(np.unique(times)).min() >= MONTH and not _bound_months(times))


def _bound_months(times: np.ndarray) -> bool:
    """Return whether all times are on the first or all on the last day of a month."""
    stamps = pd.DatetimeIndex(times)
    return bool(stamps.is_month_start.all() or stamps.is_month_end.all())


def _in_words(readings: Mapping[str, np.ndarray], taken: str, examples: Sequence[str]) -> str:
    """Return an entry on which the readings differ, with what it means by one of them."""
    times = readings[taken]
    others = [other for reading, other in readings.items() if reading != taken]
    row = int(np.flatnonzero(np.any([times != other for other in others], axis=0))[0])
    entry = examples[row] if row < len(examples) else f"row {row + 1:,}"
    return f"{entry} as {in_words(times[row])} ({taken})"


def _options(readings: Mapping[str, np.ndarray]) -> str:
    orders = {is_day_first(reading) for reading in readings} - {None}
    return (
        "--day-first True or False, or with --time-format" if len(orders) > 1 else "--time-format"
    )
