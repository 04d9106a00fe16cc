"""Read series that lie one below another in a table, each row with the name of its series."""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from apps.common.refusal import Refusal
from apps.forecasting import numerals
from apps.forecasting.clocks import TimeColumn
from apps.forecasting.grids import grid_at, regular_grid
from apps.forecasting.panels import named
from apps.forecasting.tables import HEAD, Table
from apps.forecasting.times import candidates

MIN_ROWS = 3  # of a series
DENSE = 0.5  # of the times from its first to its last must be in a series
SERIES_NAMES = r"(unique|series|store|item|sku|product)([ _]?(id|no|nr|nbr|number))?|id"
MAX_GROUPS = 1 / 3  # of the rows may be names of series


def read_ids(
    table: Table, columns: Sequence[str], left_out: np.ndarray
) -> tuple[tuple[str, ...], np.ndarray]:
    """Read the names of series.

    Args:
        table: The table.
        columns: The columns that name a series, together.
        left_out: The numbers of rows to leave out.

    Returns:
        The names in the order of the file, and for each row the number of its name.

    Raises:
        Refusal: If a row has no name.
    """
    ids: dict[str, int] = {}
    numbers, rows = [], 0
    for chunk in table.chunks(columns, text=True, has_missing=False):
        entries = chunk.astype(str).apply(lambda column: column.str.strip())
        empty = (entries == "").any(axis=1).to_numpy()
        empty[left_out[(left_out >= rows) & (left_out < rows + len(chunk))] - rows] = False
        for row in np.flatnonzero(empty)[:1]:
            raise Refusal(
                f"{table.path}, row {rows + row + 1}: every row must name its series in "
                f"{', '.join(columns)}; give it a name, or remove the row"
            )
        joined = entries.iloc[:, 0].str.cat([entries[name] for name in entries.columns[1:]], "/")
        numbers.append(_numbered(joined, ids))
        rows += len(chunk)
    return tuple(ids), np.delete(np.concatenate(numbers), left_out)


def _numbered(entries: pd.Series, ids: dict[str, int]) -> np.ndarray:
    """Return the number of each entry, and add new ones to `ids`."""
    codes, distinct = pd.factorize(entries)
    return np.array([ids.setdefault(name, len(ids)) for name in distinct], int)[codes]


def grids_of(
    times: np.ndarray, numbers: np.ndarray, ids: Sequence[str]
) -> tuple[dict[int, np.ndarray], str]:
    """Find the regular times of each series, at one frequency, and print what is changed.

    Args:
        times: The time of each row, shape `(rows,)`.
        numbers: The number of the series of each row, shape `(rows,)`.
        ids: The names of the series.

    Returns:
        The times of each series by its number, and the frequency. Series of too few rows are left
        out.

    Raises:
        Refusal: If a series is irregular or has another frequency than most.
    """
    order = np.lexsort((times, numbers))
    starts = np.searchsorted(numbers[order], np.arange(len(ids) + 1))
    parts = {
        number: np.unique(times[order[starts[number] : starts[number + 1]]])
        for number in range(len(ids))
    }
    repeated = len(times) - sum(map(len, parts.values()))
    if 2 * repeated > len(times):
        raise Refusal(
            f"{repeated:,} of {len(times):,} rows have the same series and time as another; name "
            f"all columns that tell series apart with --series-column"
        )
    if repeated:
        print(f"Data: averaged rows with the same series and time: {repeated:,} more than times")
    if few := [ids[number] for number, part in parts.items() if len(part) < MIN_ROWS]:
        print(f"Data: left out series of fewer than {MIN_ROWS} rows: {len(few):,}, {named(few)}")
    parts = {number: part for number, part in parts.items() if len(part) >= MIN_ROWS}
    grids, frequencies, irregular = {}, {}, {}
    for number, part in parts.items():
        try:
            grids[number], frequencies[number] = regular_grid(part)
        except Refusal as error:
            irregular[number] = str(error)
    if not grids:
        error = next(iter(irregular.values()), f"every series has fewer than {MIN_ROWS} rows")
        raise Refusal(f"no series is regular: {error}")
    (frequency, _), *_ = Counter(frequencies.values()).most_common(1)
    for number, part in parts.items():
        if frequencies.get(number) == frequency:
            continue
        # A short series may be regular at a longer step, or at days without a weekend among them.
        grid = grid_at(part, frequency)
        if grid is None:
            raise Refusal(
                f"the series {ids[number]!r} "
                + (
                    f"has the frequency {frequencies[number]}, and most have {frequency}; leave "
                    f"its rows out, or resample them"
                    if number in frequencies
                    else f"is irregular: {irregular[number]}"
                )
            )
        grids[number] = grid
    return grids, frequency


def suggest(
    table: Table, column: TimeColumn, times: np.ndarray, left_out: np.ndarray
) -> str | None:
    """Return a column of text or whole numbers that tells series apart, if there is one."""
    for name in table.names:
        if name in column.names:
            continue
        ids: dict[str, int] = {}
        numbers: list[np.ndarray] = []
        for chunk in table.chunks([name], text=True):
            entries = chunk[name].astype(str)
            numbers.append(_numbered(entries, ids))
            measured = not numbers[1:] and entries.str.contains(r"\d[.,]\d", regex=True).any()
            if measured or len(ids) > MAX_GROUPS * len(times):
                break
        else:
            if len(ids) > 1 and _are_series(np.delete(np.concatenate(numbers), left_out), times):
                return name
    return None


def check_one_series(
    table: Table,
    column: TimeColumn,
    values: Sequence[str],
    times: np.ndarray,
    left_out: np.ndarray,
) -> None:
    """Print which column may tell series apart of which one begins where another ends.

    It holds text, or has a name of `SERIES_NAMES`, and a value for each of several blocks of rows.

    Args:
        table: The table.
        column: Its column of times.
        values: Columns that are values for sure.
        times: The time of each row that is kept.
        left_out: The numbers of the other rows.

    Raises:
        Refusal: If it has a name of `SERIES_NAMES`.
    """
    head = next(table.chunks(table.names, text=True, rows=HEAD), pd.DataFrame())
    tried = [name for name in head if name not in (*column.names, *values)]
    tried = [name for name in tried if _may_name(name, head[name])]
    ids: dict[str, dict[str, int]] = {name: {} for name in tried}
    numbers: dict[str, list[np.ndarray]] = {name: [] for name in tried}
    for chunk in table.chunks(tried, text=True) if tried else ():
        for name in [*numbers]:
            entries = chunk[name].astype(str).where(chunk[name].notna(), "")
            numbers[name].append(_numbered(entries, ids[name]))
            if len(ids[name]) > MAX_GROUPS * len(times):
                del numbers[name]
    order = np.argsort(times, kind="stable")
    for name, parts in numbers.items():
        rows = np.delete(np.concatenate(parts), left_out)[order]
        begins = np.flatnonzero(np.diff(rows, prepend=-1))
        lengths = np.diff(begins, append=len(rows))
        if len(begins) < 2 or len(begins) > len(set(rows)) or lengths.min() < MIN_ROWS:
            continue
        if ids[name].get("") in rows:  # a remark: series have a name in every row
            continue
        found = f"{name!r} has {len(begins):,} values, one after another in time"
        if re.fullmatch(SERIES_NAMES, name.strip(), re.IGNORECASE):
            raise Refusal(
                f"{found}: if each is a series, say so with --series-column {name!r}; if all are "
                f"one series, remove the column"
            )
        print(
            f"Data: read as one series, though {found}; if each is a series, say so with "
            f"--series-column {name!r}"
        )


def _may_name(name: str, head: pd.Series) -> bool:
    """Return whether a column may name series: text that is no time, or one that is called so."""
    if re.fullmatch(SERIES_NAMES, name.strip(), re.IGNORECASE):
        return True
    return numerals.find_style(head) is None and not candidates(head)


def _are_series(numbers: np.ndarray, times: np.ndarray) -> bool:
    """Return whether the rows with each number go on from time to time, and none occurs twice."""
    groups = pd.DataFrame({"number": numbers, "time": times})
    if groups.duplicated().any():
        return False
    step = np.median(np.diff(np.unique(times)))
    spans = groups.groupby("number")["time"].agg(["min", "max", "size"])
    expected = (spans["max"] - spans["min"]) / step + 1
    return bool((spans["size"] > expected * DENSE).all())
