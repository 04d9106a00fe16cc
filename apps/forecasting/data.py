"""Time series at regular times: a table in a file, or an embedded sample.

What a file lacks is mended where that is safe, and said in one line each, with its count and its
first place; where it is not, the error says what to do.

- Rows out of order are sorted. Rows with the same time become one, with the mean of their values.
  Where most times come more than once they are taken for several series, which is an error.
- Times with UTC offsets become UTC.
- Times that are missing, and values that are empty or NaN, are filled linearly in time, from both
  sides, where at most `max_gap` are missing in a row. A longer gap is an error.
- Before the first value of the variable that begins last, and after the last value of the one that
  ends first, nothing can be filled: those rows are left out.

The values go from the file into an `.npy` file that is mapped into memory, chunk by chunk: only the
times of a long file need memory.
"""

import contextlib
import functools
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from apps.common.data import door
from apps.common.files import replacing
from apps.common.refusal import Refusal
from apps.forecasting import sample as series_sample
from apps.forecasting.gaps import fill, place
from apps.forecasting.grids import in_words, regular_grid, season_of
from apps.forecasting.tables import Table

VALIDATION_PART, TEST_PART = 0.1, 0.2
# The split in which everyone compares results on Electricity Transformer Temperature: 12, 4 and 4
# months of 30 days (Zhou et al., AAAI 2021).
ETT = {"date", "HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"}
ETT_HOURS = (8640, 11520, 14400)
ETT_STEPS = {"h": 1, "15min": 4}  # in an hour


@dataclass(frozen=True)
class Series:
    """Variables at regular times, and where the times for training, validation and test end.

    Args:
        times: The times, regular and increasing, shape `(time,)`, datetime64[ns]; UTC if the
            source gave offsets.
        values: The values, read-only, shape `(time, variables)`, float32.
        names: The names of the variables.
        frequency: The pandas alias of the step, such as `"h"`, `"15min"`, `"MS"` or `"W-SAT"`;
            `grids.following` says which times come next.
        season: The number of steps in the main season.
        origin: Where it came from, in words for people.
        ends: The rows at which training, validation and test end. Rows after the last are unused.
    """

    times: np.ndarray
    values: np.ndarray
    names: tuple[str, ...]
    frequency: str
    season: int
    origin: str
    ends: tuple[int, int, int]

    def parts(self) -> dict[str, slice]:
        """Returns the rows for training, validation and test."""
        names = ("training", "validation", "test")
        return dict(zip(names, map(slice, (0, *self.ends), self.ends), strict=False))

    def counts(self) -> str:
        """Says in words what there is."""
        split = [f"{rows.stop - rows.start:,} {name}" for name, rows in self.parts().items()]
        if unused := len(self.times) - self.ends[-1]:
            split.append(f"{unused:,} unused")
        return (
            f"{len(self.times):,} rows of {len(self.names):,} variable{'s'[: len(self.names) - 1]} "
            f"from {in_words(self.times[0])} to {in_words(self.times[-1])}, frequency "
            f"{self.frequency}, season {self.season} ({', '.join(split)})"
        )

    def check_trainable(self, window: int, horizon: int) -> None:
        """Refuses what no network can be trained on.

        Each part must hold one window and what follows it; the windows for validation and test may
        begin in the part before. Each variable must vary in the training part.

        Args:
            window: The number of steps looked back on.
            horizon: The number of steps to forecast.

        Raises:
            Refusal: If a part is too short, or a variable is constant.
        """
        for name, rows in self.parts().items():
            needed = {"training": window + horizon}.get(name, horizon)
            if rows.stop - rows.start < needed:
                raise Refusal(
                    f"{self.origin}: the {name} part has {rows.stop - rows.start:,} rows, and a "
                    f"window of {window} and a horizon of {horizon} need {needed:,}; choose "
                    f"smaller ones, more rows, or other parts"
                )
        train = self.values[: self.ends[0]]
        for column in np.flatnonzero((train == train[0]).all(axis=0)):
            raise Refusal(
                f"{self.origin}: {self.names[column]!r} is constant in the training part, its "
                f"first {len(train):,} rows; leave it out with columns"
            )


def load(source: str, cache: Path | None = None, **options: Any) -> Series:
    """Load series.

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
    sample: str = "co2",
    season: int | None = None,
    validation_part: float | None = None,
    test_part: float | None = None,
) -> Series:
    """Returns an embedded sample.

    Args:
        sample: `"co2"`, weekly CO2 on Mauna Loa, or `"synthetic"`, generated hourly variables.
        season: As for `from_path`.
        validation_part: As for `from_path`.
        test_part: As for `from_path`.

    Raises:
        Refusal: If there is no such sample.
    """
    if sample not in series_sample.SAMPLES:
        raise Refusal(
            f"sample must be one of {', '.join(series_sample.SAMPLES)}; received {sample!r}"
        )
    table, origin = series_sample.SAMPLES[sample]()
    return _series(
        table.index.to_numpy("datetime64[ns]"),
        [table.to_numpy("float32")],
        tuple(table.columns),
        origin,
        season=season,
        parts=(validation_part, test_part),
    )


def from_catalogue() -> Series:
    """Says that the TensorFlow Datasets catalogue holds no table of series.

    Raises:
        Refusal: Always.
    """
    raise Refusal(
        "source 'tfds': the catalogue has no table of time series; choose 'sample', or the path "
        "of a CSV or Parquet file"
    )


def from_path(
    path: Path,
    time_column: str | None = None,
    columns: Sequence[str] | None = None,
    time_format: str | None = None,
    season: int | None = None,
    max_gap: int | None = None,
    validation_part: float | None = None,
    test_part: float | None = None,
    cache: Path | None = None,
) -> Series:
    """Reads series from a CSV, TSV or Parquet file, a row for each time.

    Args:
        path: The file.
        time_column: The column of times. By default one called date, time, datetime, timestamp,
            ds or month, otherwise the first that reads as dates.
        columns: The columns of values. By default all of numbers.
        time_format: How times are written, in the letters of `strftime`. By default ISO 8601, or
            what they look like.
        season: The number of steps in the main season. By default a day of hours or less, a week
            of days, a year of weeks or months.
        max_gap: The most steps in a row to fill. By default a season.
        validation_part: The part of the times, before the test part, that validates: 0.1 unless
            given. A file with the columns of Electricity Transformer Temperature has the split in
            which it is known, unless one of the parts is given.
        test_part: The part of the times, the last, that tests: 0.2 unless given.
        cache: The folder for the mapped file, written anew each time. By default a temporary one.

    Raises:
        Refusal: If the file cannot be read or mended, as said above.
        OSError: If a file cannot be read or written.
    """
    table = Table(path)
    time_column, columns = table.choose(time_column, columns, time_format)
    return _series(
        table.times(time_column, time_format),
        table.values(columns),
        columns,
        str(path),
        season=season,
        parts=(validation_part, test_part),
        max_gap=max_gap,
        known=set(table.names) == ETT,
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
    known: bool = False,
    cache: Path | None = None,
    stem: str = "sample",
) -> Series:
    """Puts rows of values, which come in chunks, onto the grid of their times."""
    if (season is not None and season < 1) or (max_gap is not None and max_gap < 0):
        raise Refusal(
            f"season must be at least 1 and max_gap at least 0; received {season} and {max_gap}"
        )
    with _naming(origin):
        grid, frequency = regular_grid(_distinct(times))
    season = season or season_of(frequency)
    with _folder(cache) as folder:
        file = folder / f"{stem}.npy"
        with replacing(file) as new:
            place(chunks, np.searchsorted(grid, times), (len(grid), len(names)), new)
            with _naming(origin):
                kept, notes = fill(new, grid, names, season if max_gap is None else max_gap)
        for note in notes:
            print(f"Data: {note}")
        grid = grid[kept]
        grid.flags.writeable = False
        steps = ETT_STEPS.get(frequency, 0) if known and parts == (None, None) else 0
        if steps and len(grid) >= steps * ETT_HOURS[-1]:
            ends = tuple(steps * hours for hours in ETT_HOURS)
            origin = f"{origin}, in the standard split of ETT"
        else:
            ends = _ends(len(grid), *parts)
        # The mapping outlives a temporary file that is removed.
        values = np.load(file, mmap_mode="r")[kept]
    return Series(grid, values, names, frequency, season, origin, ends)


def _distinct(times: np.ndarray) -> np.ndarray:
    """Returns the times sorted and without repetition, and says if they were not.

    Raises:
        Refusal: If most times come more than once.
    """
    late = np.flatnonzero(times[1:] < times[:-1]) + 1
    if len(late):
        print(f"Data: sorted rows that come too late: {len(late):,}, first row {late[0] + 1:,}")
    distinct, rows = np.unique(times, return_counts=True)
    repeated = np.count_nonzero(rows > 1)
    if 2 * repeated > len(distinct):
        raise Refusal(
            f"{repeated:,} of {len(distinct):,} times come more than once. If these are several "
            f"series, one below another, give each a column of its own, as pandas.DataFrame.pivot "
            f"does; if one was measured so often, write its means"
        )
    if len(distinct) < len(times):
        print(
            f"Data: took the mean of rows with the same time: {len(times) - len(distinct):,} more "
            f"rows than times, first at {in_words(distinct[rows > 1][0])}"
        )
    return distinct


def _ends(count: int, validation: float | None, test: float | None) -> tuple[int, int, int]:
    """Returns the rows at which training, validation and test end."""
    validation = VALIDATION_PART if validation is None else validation
    test = TEST_PART if test is None else test
    if not (validation > 0 and test > 0 and validation + test < 1):
        raise Refusal(
            f"validation_part and test_part must be above 0 and together below 1; received "
            f"{validation} and {test}"
        )
    return round(count * (1 - validation - test)), round(count * (1 - test)), count


@contextlib.contextmanager
def _naming(origin: str) -> Iterator[None]:
    """Says of which data a mistake speaks."""
    try:
        yield
    except Refusal as error:
        raise Refusal(f"{origin}: {error}") from error


@contextlib.contextmanager
def _folder(cache: Path | None) -> Iterator[Path]:
    """Gives the folder for the mapped file, a temporary one unless it is named."""
    if cache:
        cache.mkdir(parents=True, exist_ok=True)
        yield cache
    else:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            yield Path(folder)
