"""Put rows onto regular times, in a file that is mapped into memory."""

import contextlib
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from apps.common.files import replacing
from apps.common.refusal import Refusal
from apps.forecasting.covariates import Columns, Covariates, Words
from apps.forecasting.gaps import fill, fill_part, write_rows
from apps.forecasting.grids import in_words, regular_grid, same_step, season_of
from apps.forecasting.panels import Panel, named
from apps.forecasting.rounding import rounded
from apps.forecasting.series import Series
from apps.forecasting.stacked import grids_of

OVERLAP, RUN = 0.1, 5  # part of the times that several series share, and rows that follow another
VALIDATION_PART, TEST_PART = 0.1, 0.2
# The standard split of Electricity Transformer Temperature: 12, 4 and 4 months of 30 days (Zhou et
# al., AAAI 2021).
ETT = {"date", "HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"}
ETT_HOURS = (8640, 11520, 14400)
NONE = Columns()
NO_STATIC = np.zeros((0, 0), "float32")
ETT_STEPS = {"h": 1, "15min": 4}  # in an hour


def put_series(
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
    covariates: Columns = NONE,
) -> Series:
    """Put rows of values, which come in chunks, onto the grid of their times.

    In a row, past covariates follow the values of `names`, and those known in the future the past
    ones.
    """
    _check_options(season, max_gap)
    with errors_named(origin):
        grid, frequency = regular_grid(_distinct(times))
        _check_frequency(frequency, expected)
    season = season or season_of(frequency)
    with _folder(cache) as folder:
        file = folder / f"{stem}.npy"
        with replacing(file) as new, errors_named(origin):
            places = np.searchsorted(grid, times)
            every = (*names, *covariates.past, *covariates.known)
            write_rows(rounded(chunks, places, every), places, (len(grid), len(every)), new)
            gap = season if max_gap is None else max_gap
            kept, stop, notes = fill(new, grid, every, gap, len(covariates.known))
        for note in notes:
            print(f"Data: {note}")
        if covariates.known:
            print(f"Data: rows known in the future, after the last target: {stop - kept.stop:,}")
        grid = grid[kept]
        grid.flags.writeable = False
        steps = ETT_STEPS.get(frequency, 0) if has_standard_split and parts == (None, None) else 0
        if steps and len(grid) >= steps * ETT_HOURS[-1]:
            ends = tuple(steps * hours for hours in ETT_HOURS)
            origin = f"{origin}, in the standard split of ETT"
        else:
            ends = _ends(len(grid), *parts)
        # The mapping stays valid when a temporary file is removed.
        rows = np.load(file, mmap_mode="r")[kept.start :]
    values = rows[: len(grid), : len(names)]
    further = None
    if covariates.known or covariates.past:
        trained, stops = np.array([[0, ends[0]]]), np.array([stop - kept.start])
        static = np.zeros((1, 0), "float32"), {}
        further = _covariates(covariates, rows[:, len(names) :], static, trained, stops)
    return Series(grid, values, names, frequency, season, origin, ends, time_format, further)


def put_panel(
    times: np.ndarray,
    numbers: np.ndarray,
    chunks: Iterable[np.ndarray],
    ids: tuple[str, ...],
    names: tuple[str, ...],
    origin: str,
    *,
    season: int | None,
    parts: tuple[float | None, float | None],
    max_gap: int | None,
    expected: str | None,
    time_format: str,
    cache: Path | None,
    stem: str,
    covariates: Columns = NONE,
    static: tuple[np.ndarray, Words] = (NO_STATIC, {}),
) -> Panel:
    """Put rows of many series, which come in chunks, onto the grids of their times.

    In a row, covariates follow the values as for `put_series`.
    """
    _check_options(season, max_gap)
    grids, frequency = grids_of(times, numbers, ids)
    _check_frequency(frequency, expected)
    season = season or season_of(frequency)
    starts = dict(zip(grids, np.cumsum([0, *map(len, grids.values())]), strict=False))
    total = sum(map(len, grids.values()))
    # Rows of series that are left out share a place behind all others.
    places = np.full(len(times), total)
    order = np.argsort(numbers, kind="stable")
    begins = np.searchsorted(numbers[order], np.arange(len(ids) + 1))
    for number, grid in grids.items():
        rows = order[begins[number] : begins[number + 1]]
        places[rows] = starts[number] + np.searchsorted(grid, times[rows])
    every, known_stops = (*names, *covariates.past, *covariates.known), []
    bounds, kept, empty, notes = [], [], [], Counter()
    with _folder(cache) as folder:
        file = folder / f"{stem}.npy"
        with replacing(file) as new:
            write_rows(rounded(chunks, places, every), places, (total + 1, len(every)), new)
            values = np.lib.format.open_memmap(new, "r+")
            for number, grid in grids.items():
                rows = slice(starts[number], starts[number] + len(grid))
                if np.isnan(values[rows]).all(axis=0).any():
                    empty.append(ids[number])
                    continue
                gap = season if max_gap is None else max_gap
                with errors_named(f"{origin}, series {ids[number]!r}"):
                    inside, stop, said = fill_part(
                        values[rows], grid, every, gap, len(covariates.known)
                    )
                notes.update({note.split(" ")[0] for note in said})
                bounds.append((rows.start + inside.start, rows.start + inside.stop))
                known_stops.append(rows.start + stop)
                kept.append(number)
            del values
        table = np.load(file, mmap_mode="r")
    if empty:
        print(f"Data: left out series without values of a variable: {len(empty):,}, {named(empty)}")
    if not kept:
        raise Refusal(f"{origin}: every series lacks values of {', '.join(every)}")
    if notes["filled"]:
        print(f"Data: filled missing values in {notes['filled']:,} of {len(kept):,} series")
    if notes["left"]:
        print(
            f"Data: left out rows before the first or after the last value in {notes['left']:,} of "
            f"{len(kept):,} series"
        )
    ends = np.array([_ends(stop - start, *parts) for start, stop in bounds])
    further = None
    if covariates != NONE:
        starts_of = np.array(bounds)[:, 0]
        trained = np.stack([starts_of, starts_of + ends[:, 0]], axis=1)
        own = static[0][kept], static[1]
        stops = np.array(known_stops)
        further = _covariates(covariates, table[:, len(names) :], own, trained, stops)
    return Panel(
        tuple(ids[number] for number in kept),
        np.concatenate([*grids.values(), grids[kept[0]][:1]]),
        table[:, : len(names)],
        np.array(bounds),
        ends,
        names,
        frequency,
        season,
        origin,
        time_format,
        further,
    )


def _covariates(
    columns: Columns,
    values: np.ndarray,
    static: tuple[np.ndarray, Words],
    trained: np.ndarray,
    stops: np.ndarray,
) -> Covariates:
    past = len(columns.past)
    known_and_past = values[:, past:], values[:, :past]
    return Covariates(columns, *known_and_past, static[0], trained, stops, static[1])


def _check_options(season: int | None, max_gap: int | None) -> None:
    if (season is not None and season < 1) or (max_gap is not None and max_gap < 0):
        raise Refusal(
            f"season must be at least 1 and max_gap at least 0; received {season} and {max_gap}"
        )


def _check_frequency(frequency: str, expected: str | None) -> None:
    if expected and not same_step(frequency, expected):
        raise Refusal(
            f"the model was trained on series with the frequency {expected}, and the times here "
            f"have {frequency}: resample them, or say how they are written with --time-format or "
            f"--day-first"
        )


def _distinct(times: np.ndarray) -> np.ndarray:
    """Return the times sorted and without repetition, and print if they were not.

    Raises:
        Refusal: If most times occur more than once, or long runs of rows overlap.
    """
    late = np.flatnonzero(times[1:] < times[:-1]) + 1
    distinct, rows = np.unique(times, return_counts=True)
    repeated = np.count_nonzero(rows > 1)
    several = (
        "If the file holds several series, one below another, name the column that tells them "
        "apart with --series-column; if it holds repeated measurements, write their means"
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
def errors_named(origin: str) -> Iterator[None]:
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
