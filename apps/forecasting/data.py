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

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from apps.common.data import door
from apps.common.refusal import Refusal
from apps.forecasting.assembly import ETT, errors_named, put_panel, put_series
from apps.forecasting.covariates import Columns
from apps.forecasting.panels import Panel
from apps.forecasting.sample import DEFAULT, SAMPLES
from apps.forecasting.series import Series
from apps.forecasting.stacked import check_one_series, read_ids, suggest
from apps.forecasting.static import read_static
from apps.forecasting.tables import Table
from apps.forecasting.timing import read_times


def load(source: str, cache: Path | None = None, **options: Any) -> Series | Panel:
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
    return put_series(
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
    series_column: Sequence[str] | None = None,
    known: Sequence[str] | None = None,
    past: Sequence[str] | None = None,
    static: Sequence[str] | None = None,
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
    kept_static: Mapping[str, list[str] | None] | None = None,
    cache: Path | None = None,
) -> Series | Panel:
    """Read series from a text file, a Parquet file or a spreadsheet with a row for each time.

    Args:
        path: The file.
        time_column: The column of times. By default one called date, time, datetime, timestamp,
            ds or month, otherwise the first that holds dates; see `clocks.find_time_column`.
        columns: The columns of values. By default all columns of numbers.
        series_column: The columns that name the series of a row, if there are many.
        known: Columns that are read next to those of values, and known in the future: rows after
            the last with values may hold them.
        past: Columns that are read next to those of values, and not known in the future.
        static: Columns that are the same in all rows of a series.
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
        kept_static: What the static columns of those hold.
        cache: The folder for the mapped file, which is replaced. By default a temporary one.

    Raises:
        Refusal: If the file cannot be read or repaired.
        OSError: If a file cannot be read or written.
    """
    if time_format and day_first is not None:
        raise Refusal("day_first has no effect with time_format: leave one of them out")
    table = Table(path, separator, decimal, skip_rows, no_header)
    apart = tuple(series_column or ())
    also = (*(past or ()), *(known or ()))
    given = columns or ()
    column, columns = table.choose(
        time_column, columns, time_format, apart, also, tuple(static or ())
    )
    every = (*columns, *also)
    with errors_named(str(path)):
        times, written, left_out = read_times(
            table, column, every, time_format, day_first, frequency, like
        )
        rows = table.values(every, left_out)
        common = {
            "season": season,
            "parts": (validation_part, test_part),
            "max_gap": max_gap,
            "expected": frequency,
            "time_format": written,
            "cache": cache,
            "stem": path.name,
        }
        others = Columns(tuple(known or ()), tuple(past or ()))
        if apart:
            ids, numbers = read_ids(table, apart, left_out)
            held, names, words = read_static(
                table, static or (), numbers, ids, left_out, kept_static
            )
            return put_panel(
                times,
                numbers,
                rows,
                ids,
                columns,
                str(path),
                covariates=replace(others, static=names),
                static=(held, words),
                **common,
            )
        check_one_series(table, column, (*given, *also), times, left_out)
        if len(np.unique(times)) < len(times) and (name := suggest(table, column, times, left_out)):
            raise Refusal(
                f"times occur more than once, each time with another {name!r}; if the rows of each "
                f"are a series, say so with --series-column {name!r}, otherwise give one row for "
                f"each time"
            )
    standard = set(table.names) == ETT
    return put_series(
        times, rows, columns, str(path), has_standard_split=standard, covariates=others, **common
    )
