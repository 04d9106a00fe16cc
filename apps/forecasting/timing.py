"""Read the times of a table: how they are written, their offsets, rows that hold nothing."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from apps.common.refusal import Refusal
from apps.forecasting import zones
from apps.forecasting.centuries import print_century, settle_century
from apps.forecasting.clocks import TimeColumn
from apps.forecasting.readings import choose_reading, is_day_first
from apps.forecasting.tables import HEAD, Table
from apps.forecasting.times import WORDS, candidates, parse

MAX_ODD = 1000  # entries that are no times, before a file is refused without looking at its rows
TOTALS = (
    *("total", "totals", "grand total", "sum", "average", "mean", "subtotal", "overall"),
    *("summe", "gesamt", "gesamtsumme", "mittelwert", "total general", "suma", "totale", "somme"),
    *("total g\u00e9n\u00e9ral", "moyenne", "media", "promedio", "totaal", "soma", "m\u00e9dia"),
)


def read_times(
    table: Table,
    column: TimeColumn,
    values: Sequence[str],
    time_format: str | None = None,
    day_first: bool | None = None,
    frequency: str | None = None,
    like: str | None = None,
) -> tuple[np.ndarray, str, np.ndarray]:
    """Read the times of a table.

    Years of two digits that would lie in the future are read in the last century, which is printed.
    Times with a UTC offset become UTC, which is printed with the offsets and their first rows. Rows
    without times and values, and totals at the end, are left out, which is printed.

    Args:
        table: The table.
        column: Its column of times.
        values: Its columns of values.
        time_format: How the times are written, in the letters of `strftime`, or one of
            `times.WORDS`. By default ISO 8601, or what most entries at the beginning fit.
        day_first: Whether 01/02/2021 is in February. If not given and the entries do not say, that
            is taken by which the times are regular.
        frequency: As for `readings.choose_reading`.
        like: As for `readings.choose_reading`.

    Returns:
        The times of the rows that are kept, shape `(rows,)`, datetime64[ns], how they are written,
        and the numbers of the rows that are left out, counted from 0.

    Raises:
        Refusal: If an entry is not a time, only some have an offset, or the century is in doubt.
    """
    readings: list[str] = []
    read: dict[str, list[np.ndarray]] = {}
    odd: dict[str, dict[int, str]] = {}  # for each reading the entries that it does not fit
    offsets: dict[str, int] = {}  # for each UTC offset ("" for none) the row where it begins
    rows = 0
    for chunk in table.chunks(column.names, text=True):
        entries = column.entries(chunk)
        if not readings:
            readings = _readings(entries, column, time_format, day_first)
            read, odd = {one: [] for one in readings}, {one: {} for one in readings}
        for reading in readings:
            stamps = parse(entries, reading)
            for row in np.flatnonzero(stamps.isna())[: MAX_ODD + 1]:
                odd[reading].setdefault(rows + int(row), _written(entries.iloc[row]))
            read[reading].append(stamps.to_numpy("datetime64[ns]"))
        fewest = min(len(odd[one]) for one in readings)
        readings = [one for one in readings if len(odd[one]) == fewest]
        zone = zones.offsets_of(entries)
        given = entries.notna().to_numpy()
        for name, row in zip(*np.unique(zone[given], return_index=True), strict=True):
            offsets.setdefault(str(name), rows + int(np.flatnonzero(given)[row]) + 1)
        rows += len(chunk)
    times = {one: np.concatenate(read[one]) for one in readings}
    taken = readings[0]
    left_out = _left_out(table, column, values, odd[readings[0]], rows, readings[0])
    dated = {one: settle_century(np.delete(times[one], left_out), one) for one in readings}
    times = {one: each.times for one, each in dated.items()}
    head = column.entries(next(table.chunks(column.names, text=True, rows=HEAD))).astype(str)
    examples = head.drop(left_out[left_out < len(head)]).tolist()
    if len(readings) > 1:
        taken = choose_reading(times, column.name, examples, frequency, like)
    print_century(dated[taken], column.name, examples)
    _print_offsets(table, column, offsets)
    if taken in WORDS and taken != time_format and not column.parts:
        print(f"Data: {column.name!r}: read as {WORDS[taken]}; say otherwise with --time-format")
    return times[taken], taken, left_out


def _readings(
    entries: pd.Series, column: TimeColumn, time_format: str | None, day_first: bool | None
) -> list[str]:
    if time_format:
        return [time_format]
    found = candidates(entries.iloc[:HEAD]) or candidates(entries) or ["ISO8601"]
    if day_first is None:
        return found
    said = [one for one in found if is_day_first(one) is day_first]
    return said or [one for one in found if is_day_first(one) is None] or found


def _written(entry: object) -> str:
    return "an empty entry" if pd.isna(entry) else repr(str(entry))


def _left_out(
    table: Table,
    column: TimeColumn,
    values: Sequence[str],
    odd: dict[int, str],
    rows: int,
    reading: str,
) -> np.ndarray:
    """Return the rows without times that hold nothing, or a total, and print them.

    Raises:
        Refusal: If another row has no time.
    """
    if not odd:
        return np.empty(0, int)
    last = rows - 1
    while last in odd:
        last -= 1
    empty, totals, done = [], [], 0
    for chunk in table.chunks(table.names, text=True):
        here = [row for row in odd if done <= row < done + len(chunk)]
        for row in here:
            entry = chunk.iloc[row - done]
            timeless = entry[list(column.names)].isna().all()
            if entry[list(values)].isna().all() and (timeless or row > last):
                empty.append(row)
            elif row > last and odd[row].strip("' :").lower() in TOTALS:
                totals.append(row)
            else:
                above = ", or how many lines are above the header with --skip-rows"
                raise Refusal(
                    f"{table.path}, row {row + 1}: {column.name!r} must be a time from 1678 to "
                    f"2261, written as {reading}; received {odd[row]}; correct it, or say how "
                    f"times are written with --time-format{above if row == 0 else ''}"
                )
        done += len(chunk)
    for kind, found in (("without values", empty), ("of totals at the end", totals)):
        if found:
            print(f"Data: left out rows {kind}: {len(found):,}, first row {found[0] + 1:,}")
    return np.array(sorted(empty + totals), int)


def _print_offsets(table: Table, column: TimeColumn, offsets: dict[str, int]) -> None:
    first_rows = sorted(offsets.items(), key=lambda zone: zone[1])
    begins = ", ".join(f"{name or 'none'} at row {row:,}" for name, row in first_rows)
    if "" in offsets and len(offsets) > 1:
        raise Refusal(
            f"{table.path}: {column.name!r} mixes times with and without a UTC offset ({begins}); "
            f"give every time an offset, or none"
        )
    if offsets.keys() - {"", "+00:00"}:
        print(f"Data: converted times to UTC from offsets: {begins}")
