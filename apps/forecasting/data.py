"""Time series at regular times: a table in a file, or an embedded sample.

Faults of a file are repaired if that is safe. Each kind of repair prints one line, with the number
of rows and the first of them. Other faults are refused, with a message that says what to do.

- Rows out of order are sorted. Rows with the same time become one, with the mean of their values.
  If most times occur more than once, the file is taken for several series and refused.
- Times with UTC offsets become UTC.
- Missing times, and values that are empty or NaN, are filled linearly in time, if at most `max_gap`
  of them are missing in a row. A longer gap is refused.
- Rows before the first value of any variable, or after the last, are left out, as nothing can be
  filled there.

The values go chunk by chunk from the file into an `.npy` file that is mapped into memory. Only the
times of a long file need memory.
"""

import contextlib
import functools
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from apps.common.data import door
from apps.common.files import replacing
from apps.common.refusal import Refusal
from apps.forecasting.gaps import fill, write_rows
from apps.forecasting.grids import in_words, regular_grid, same_step, season_of
from apps.forecasting.rounding import rounded
from apps.forecasting.sample import DEFAULT, SAMPLES
from apps.forecasting.series import Series
from apps.forecasting.tables import Table
from apps.forecasting.timing import read_times

OVERLAP, RUN = 0.1, 5  # part of the times that several series share, and rows that follow another
VALIDATION_PART, TEST_PART = 0.1, 0.2
# The standard split of Electricity Transformer Temperature: 12, 4 and 4 months of 30 days (Zhou et
# al., AAAI 2021).
ETT = {"date", "HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"}
ETT_HOURS = (8640, 11520, 14400)
ETT_STEPS = {"h": 1, "15min": 4}  # in an hour


def load(source: str, cache: Path | None = None, **options: Any) -> Series:
    """Load series, and print where they came from.

    Args:
        source: `"sample"`, `"tfds"`, or a path; see `apps.common.data.door.load`.
        cache: The folder for the mapped file of a path.
        **options: Arguments of `from_sample`, `from_catalogue` and `from_path`.
    """
    return door.load(
        source,
        from_sample=from_sample,
        from_catalogue=from_catalogue,
        from_path=functools.partial(from_path, cache=cache),
        **options,
    )


def from_sample(
    sample: str | None = None,
    season: int | None = None,
    validation_part: float | None = None,
    test_part: float | None = None,
) -> Series:
    """Return an embedded sample.

    Args:
        sample: `"mackey_glass"`, the default, `"co2"` or `"synthetic"`; see `sample.py`.
        season: As for `from_path`, but the sample may have a season of its own.
        validation_part: As for `from_path`.
        test_part: As for `from_path`.

    Raises:
        Refusal: If there is no such sample.
    """
    sample = DEFAULT if sample is None else sample
    if sample not in SAMPLES:
        raise Refusal(f"sample must be one of {', '.join(SAMPLES)}; received {sample!r}")
    table, origin, own_season = SAMPLES[sample]()
    return _series(
        table.index.to_numpy("datetime64[ns]"),
        [table.to_numpy("float64")],
        tuple(table.columns),
        origin,
        season=own_season if season is None else season,
        parts=(validation_part, test_part),
    )


def from_catalogue() -> Series:
    """Refuse: the TensorFlow Datasets catalogue holds no table of series.

    Raises:
        Refusal: Always.
    """
    raise Refusal(
        "source must be 'sample', or the path of a CSV or Parquet file; received 'tfds', and the "
        "TensorFlow Datasets catalogue has no table of time series"
    )


def from_path(
    path: Path,
    time_column: str | None = None,
    columns: Sequence[str] | None = None,
    time_format: str | None = None,
    day_first: bool | None = None,
    separator: str | None = None,
    decimal: str | None = None,
    skip_rows: int | None = None,
    no_header: bool = False,
    season: int | None = None,
    max_gap: int | None = None,
    validation_part: float | None = None,
    test_part: float | None = None,
    frequency: str | None = None,
    like: str | None = None,
    cache: Path | None = None,
) -> Series:
    """Read series from a text file, a Parquet file or a spreadsheet with a row for each time.

    Args:
        path: The file.
        time_column: The column of times. By default one called date, time, datetime, timestamp,
            ds or month, otherwise the first that holds dates; see `clocks.find_time_column`.
        columns: The columns of values. By default all columns of numbers.
        time_format: How times are written, in the letters of `strftime`, or one of `times.WORDS`.
            By default ISO 8601, or what the entries fit.
        day_first: Whether 01/02/2021 is in February. By default what the entries or the regularity
            of the times say.
        separator: What separates columns in a text file. By default what makes a table of it.
        decimal: The decimal sign. By default what the numbers say.
        skip_rows: The lines above the header. By default those with too few fields.
        no_header: Whether the first row holds data. By default that is found out.
        season: The number of steps in the main season. By default a day of hours or less, a week
            of days, a year of weeks or months.
        max_gap: Fill gaps of at most this many steps. By default a season.
        validation_part: The validation part of all times, before the test part; 0.1 by default. A
            file with the columns of Electricity Transformer Temperature has its standard split,
            unless one of the parts is given.
        test_part: The test part of all times, the last; 0.2 by default.
        frequency: The frequency of the series that a model was trained on, which these must have.
        like: How the times of those are written.
        cache: The folder for the mapped file, which is replaced. By default a temporary one.

    Raises:
        Refusal: If the file cannot be read or repaired.
        OSError: If a file cannot be read or written.
    """
    if time_format and day_first is not None:
        raise Refusal("day_first has no effect with time_format: leave one of them out")
    table = Table(path, separator, decimal, skip_rows, no_header)
    column, columns = table.choose(time_column, columns, time_format)
    with _errors_named(str(path)):
        times, written, left_out = read_times(
            table, column, columns, time_format, day_first, frequency, like
        )
    return _series(
        times,
        table.values(columns, left_out),
        columns,
        str(path),
        season=season,
        parts=(validation_part, test_part),
        max_gap=max_gap,
        has_standard_split=set(table.names) == ETT,
        expected=frequency,
        time_format=written,
        cache=cache,
        stem=path.name,
    )


def _series(
    times: np.ndarray,
    chunks: Iterable[np.ndarray],
    names: tuple[str, ...],
    origin: str,
    *,
    season: int | None,
    parts: tuple[float | None, float | None],
    max_gap: int | None = None,
    has_standard_split: bool = False,
    expected: str | None = None,
    time_format: str | None = None,
    cache: Path | None = None,
    stem: str = "sample",
) -> Series:
    """Put rows of values, which come in chunks, onto the grid of their times."""
    if (season is not None and season < 1) or (max_gap is not None and max_gap < 0):
        raise Refusal(
            f"season must be at least 1 and max_gap at least 0; received {season} and {max_gap}"
        )
    with _errors_named(origin):
        grid, frequency = regular_grid(_distinct(times))
        if expected and not same_step(frequency, expected):
            raise Refusal(
                f"the model was trained on series with the frequency {expected}, and the times "
                f"here have {frequency}: resample them, or say how they are written with "
                f"--time-format or --day-first"
            )
    season = season or season_of(frequency)
    with _folder(cache) as folder:
        file = folder / f"{stem}.npy"
        with replacing(file) as new, _errors_named(origin):
            rows = rounded(chunks, times, names)
            write_rows(rows, np.searchsorted(grid, times), (len(grid), len(names)), new)
            kept, notes = fill(new, grid, names, season if max_gap is None else max_gap)
        for note in notes:
            print(f"Data: {note}")
        grid = grid[kept]
        grid.flags.writeable = False
        steps = ETT_STEPS.get(frequency, 0) if has_standard_split and parts == (None, None) else 0
        if steps and len(grid) >= steps * ETT_HOURS[-1]:
            ends = tuple(steps * hours for hours in ETT_HOURS)
            origin = f"{origin}, in the standard split of ETT"
        else:
            ends = _ends(len(grid), *parts)
        # The mapping stays valid when a temporary file is removed.
        values = np.load(file, mmap_mode="r")[kept]
    return Series(grid, values, names, frequency, season, origin, ends, time_format)


def _distinct(times: np.ndarray) -> np.ndarray:
    """Return the times sorted and without repetition, and print if they were not.

    Raises:
        Refusal: If most times occur more than once, or long runs of rows overlap.
    """
    late = np.flatnonzero(times[1:] < times[:-1]) + 1
    distinct, rows = np.unique(times, return_counts=True)
    repeated = np.count_nonzero(rows > 1)
    several = (
        "If the file holds several series, one below another, give each its own column, as "
        "pandas.DataFrame.pivot does; if it holds repeated measurements, write their means"
    )
    if 2 * repeated > len(distinct):
        raise Refusal(f"{repeated:,} of {len(distinct):,} times occur more than once. {several}")
    if repeated > OVERLAP * len(distinct) and 0 < RUN * len(late) <= repeated:
        raise Refusal(
            f"the times begin again at row {late[0] + 1:,} with {in_words(times[late[0]])}, and "
            f"{repeated:,} of {len(distinct):,} times occur more than once. {several}"
        )
    if len(late):
        print(f"Data: sorted rows out of order: {len(late):,}, first row {late[0] + 1:,}")
    if len(distinct) < len(times):
        print(
            f"Data: averaged rows with the same time: {len(times) - len(distinct):,} more rows "
            f"than times, first at {in_words(distinct[rows > 1][0])}"
        )
    return distinct


def _ends(count: int, validation: float | None, test: float | None) -> tuple[int, int, int]:
    """Return the rows at which training, validation and test end."""
    validation = VALIDATION_PART if validation is None else validation
    test = TEST_PART if test is None else test
    if not (validation > 0 and test > 0 and validation + test < 1):
        raise Refusal(
            f"validation_part and test_part must be above 0 and together below 1; received "
            f"{validation} and {test}"
        )
    return round(count * (1 - validation - test)), round(count * (1 - test)), count


@contextlib.contextmanager
def _errors_named(origin: str) -> Iterator[None]:
    """Put the source in front of the message of a refusal."""
    try:
        yield
    except Refusal as error:
        named = str(error).startswith(origin)
        raise Refusal(str(error) if named else f"{origin}: {error}") from error


@contextlib.contextmanager
def _folder(cache: Path | None) -> Iterator[Path]:
    """Yield the folder for the mapped file, a temporary one if none is given."""
    if cache:
        cache.mkdir(parents=True, exist_ok=True)
        yield cache
    else:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            yield Path(folder)
