"""Put values onto regular times, and fill gaps.

The values lie in an `.npy` file. Each block of rows is mapped by itself, so only one block needs
memory, however long the file is.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from apps.common.files import allocate
from apps.common.refusal import Refusal
from apps.forecasting.grids import in_words

BLOCK = 65_536  # rows processed together
LEAVE_OUT = "leave the column out with --columns, or out of --known and --past"


def blocks(file: Path) -> Iterator[tuple[int, np.ndarray]]:
    """Read an `.npy` file block by block, each with the number of its first row."""
    for start in range(0, len(np.load(file, mmap_mode="r")), BLOCK):
        yield start, np.load(file, mmap_mode="r")[start : start + BLOCK]


def write_rows(
    chunks: Iterable[np.ndarray], positions: np.ndarray, shape: tuple[int, int], file: Path
) -> None:
    """Write rows of values to their positions in a new file; rows with the same one are averaged.

    Args:
        chunks: The rows, each chunk `(rows, variables)`, with NaN for what is missing.
        positions: The position of each row, shape `(rows,)`.
        shape: The shape `(time, variables)` of the file. Positions without a row become NaN.
        file: The `.npy` file.
    """
    rows = np.bincount(positions, minlength=shape[0])
    values = np.lib.format.open_memmap(file, "w+", "float32", shape)
    allocate(file)
    values[rows == 0] = np.nan
    del values
    shared = np.flatnonzero(rows > 1)
    sums, counts = np.zeros((2, len(shared), shape[1]))
    done = 0
    for chunk in chunks:
        here = positions[done : done + len(chunk)]
        np.lib.format.open_memmap(file, "r+")[here] = chunk
        again = rows[here] > 1
        slots, missing = np.searchsorted(shared, here[again]), np.isnan(chunk[again])
        np.add.at(sums, slots, np.where(missing, 0, chunk[again]))
        np.add.at(counts, slots, ~missing)
        done += len(chunk)
    with np.errstate(invalid="ignore"):  # 0 / 0 where all of them are missing
        np.lib.format.open_memmap(file, "r+")[shared] = sums / counts


def fill(
    file: Path, times: np.ndarray, names: Sequence[str], max_gap: int, ahead: int = 0
) -> tuple[slice, int, list[str]]:
    """Fill gaps linearly in time, in the file itself.

    Args:
        file: The `.npy` file, `(time, variables)`, with NaN for what is missing.
        times: The times, shape `(time,)`.
        names: The names of the variables.
        max_gap: The number of missing values in a row that are filled at most.
        ahead: The number of variables, the last ones, that may end later than the others.

    Returns:
        The rows in which every variable has begun and none has ended, the row at which the first of
        those `ahead` ends, and notes on the changes.

    Raises:
        Refusal: If a gap among these rows is longer, or there are no such rows.
    """
    missing = _missing(file, len(names))
    values = np.lib.format.open_memmap(file, "r+")
    return _fill(values, missing, times, names, max_gap, ahead)


def fill_part(
    values: np.ndarray, times: np.ndarray, names: Sequence[str], max_gap: int, ahead: int = 0
) -> tuple[slice, int, list[str]]:
    """Fill gaps linearly in time, in an array that memory can hold; see `fill`."""
    missing = [np.flatnonzero(column) for column in np.isnan(values).T]
    return _fill(values, missing, times, names, max_gap, ahead)


def _fill(
    values: np.ndarray,
    missing: Sequence[np.ndarray],
    times: np.ndarray,
    names: Sequence[str],
    max_gap: int,
    ahead: int,
) -> tuple[slice, int, list[str]]:
    gaps = [_gaps(rows) for rows in missing]
    (first, late), (last, early) = _common(gaps, names, len(times))
    stop, measured = last, len(times)  # where the future ends, and all measurements have
    if ahead:
        own = len(names) - ahead
        _, (stop, _) = _common(gaps[own:], names[own:], len(times))
        ends = (last_row(column, len(times)) for column in gaps[:own])
        measured = max(last, *ends)
    filled, count, longest, earliest = [], 0, 0, len(times)
    for column, (starts, stops) in enumerate(gaps):
        end = stop if column >= len(names) - ahead else last
        inside = (stops > first) & (starts < end)
        if not inside.any():
            continue
        rows = missing[column][np.repeat(inside, stops - starts)]
        starts, stops = starts[inside], stops[inside]
        lengths = stops - starts
        for gap in np.flatnonzero(lengths > max_gap)[:1]:
            raise Refusal(
                f"{names[column]!r} has no value from {in_words(times[starts[gap]])} to "
                f"{in_words(times[stops[gap] - 1])}, {lengths[gap]:,} times in a row, and at most "
                f"{max_gap:,} are filled; allow more with --max-gap, {LEAVE_OUT}, or cut the "
                f"file there"
            )
        before, after = np.repeat(starts - 1, lengths), np.repeat(stops, lengths)
        passed = (times[rows] - times[before]) / (times[after] - times[before])
        low, high = values[before, column], values[after, column]
        values[rows, column] = low + passed * (high.astype("float64") - low)
        filled.append(names[column])
        count += len(rows)
        longest, earliest = max(longest, lengths.max()), min(earliest, starts[0])
    notes = []
    if first:
        notes.append(
            f"left out {first:,} rows before {in_words(times[first])}: {late} begins there"
        )
    if after := measured - last:
        notes.append(
            f"left out {after:,} rows after {in_words(times[last - 1])}: {early} ends there"
        )
    if count:
        variables = ", ".join(filled) if len(filled) < 4 else f"{len(filled):,} variables"
        notes.append(
            f"filled missing values of {variables}: {count:,}, at most {longest:,} in a row, "
            f"first at {in_words(times[earliest])}"
        )
    return slice(first, last), stop, notes


def _missing(file: Path, variables: int) -> list[np.ndarray]:
    """Find the rows of each variable that are NaN."""
    rows = [[np.empty(0, int)] for _ in range(variables)]
    for start, block in blocks(file):
        absent = np.isnan(block)
        for column in np.flatnonzero(absent.any(axis=0)):
            rows[column].append(start + np.flatnonzero(absent[:, column]))
    return [np.concatenate(parts) for parts in rows]


def _gaps(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where runs of neighbouring rows start and stop, the stops excluded."""
    starts, stops = np.diff(rows, prepend=-2) > 1, np.diff(rows, append=np.iinfo(int).max) > 1
    return rows[starts], rows[stops] + 1


def last_row(gaps: tuple[np.ndarray, np.ndarray], length: int) -> int:
    """Return the row at which a variable with these gaps has ended."""
    starts, stops = gaps
    return int(starts[-1]) if len(stops) and stops[-1] == length else length


def _common(
    gaps: Sequence[tuple[np.ndarray, np.ndarray]], names: Sequence[str], length: int
) -> tuple[tuple[int, str], tuple[int, str]]:
    """Return where the last variable begins and where the first has ended, with their names."""
    begins = [stops[0] if len(starts) and starts[0] == 0 else 0 for starts, stops in gaps]
    ends = [last_row(column, length) for column in gaps]
    first, late = max(zip(begins, names, strict=True), key=lambda begin: begin[0])
    last, early = min(zip(ends, names, strict=True), key=lambda end: end[0])
    if first == length:
        raise Refusal(f"{late!r} holds no values; {LEAVE_OUT}")
    if first >= last:
        raise Refusal(f"{late!r} begins after {early!r} has ended; leave one out with --columns")
    return (int(first), late), (int(last), early)
