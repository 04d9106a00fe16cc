"""Many series at the same frequency, one below another in a file, with a name for each.

They lie one after another in a file that is mapped into memory. Each is split by itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from apps.common.refusal import Refusal
from apps.forecasting.covariates import Covariates
from apps.forecasting.grids import in_words
from apps.forecasting.series import Series

SHOWN = 3  # names in a message


@dataclass(frozen=True)
class Panel:
    """Series with the same variables and frequency.

    Args:
        ids: The name of each series.
        times: The times of all series, one after another, shape `(rows,)`, datetime64[ns].
        values: The values, read-only, shape `(rows, variables)`, float32.
        bounds: The rows at which each series begins and ends, shape `(series, 2)`.
        ends: The rows at which its training, validation and test parts end, counted from its
            beginning, shape `(series, 3)`.
        names: The names of the variables.
        frequency: As for `Series`.
        season: As for `Series`.
        origin: As for `Series`.
        time_format: As for `Series`.
        covariates: As for `Series`; the series that the panel yields have none.
    """

    ids: tuple[str, ...]
    times: np.ndarray
    values: np.ndarray
    bounds: np.ndarray
    ends: np.ndarray
    names: tuple[str, ...]
    frequency: str
    season: int
    origin: str
    time_format: str | None = None
    covariates: Covariates | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, number: int) -> Series:
        rows = slice(*self.bounds[number])
        return Series(
            self.times[rows],
            self.values[rows],
            self.names,
            self.frequency,
            self.season,
            f"{self.origin}, {self.ids[number]!r}",
            tuple(int(end) for end in self.ends[number]),
            self.time_format,
        )

    def __iter__(self) -> Iterator[Series]:
        return (self[number] for number in range(len(self)))

    @property
    def typical(self) -> Series:
        """The series of median length."""
        lengths = np.diff(self.bounds)[:, 0]
        return self[int(np.argsort(lengths, kind="stable")[len(lengths) // 2])]

    def counts(self) -> str:
        """Return a description of the series and their parts."""
        lengths = np.diff(self.bounds)[:, 0]
        first = min(self.times[start] for start, _ in self.bounds)
        last = max(self.times[stop - 1] for _, stop in self.bounds)
        parts = np.diff(self.ends, axis=1, prepend=0).sum(axis=0)
        split = ", ".join(
            f"{rows:,} {name}"
            for rows, name in zip(parts, ("training", "validation", "test"), strict=True)
        )
        return (
            f"{len(self):,} series of {lengths.min():,} to {lengths.max():,} rows of "
            f"{len(self.names):,} variable{'s'[: len(self.names) - 1]} from {in_words(first)} to "
            f"{in_words(last)}, frequency {self.frequency}, season {self.season} ({split} rows)"
        )

    def origins(self, part: int, window: int, horizon: int) -> np.ndarray:
        """Return the rows that follow the windows of a part: 0 training, 1 validation, 2 test.

        The steps to forecast lie in the part.
        """
        starts, ends = self.bounds[:, 0], self.ends
        begins = starts + (ends[:, part - 1] if part else 0)
        first = np.maximum(begins, starts + window)
        stops = starts + ends[:, part] - horizon + 1
        ranges = [np.arange(*pair) for pair in zip(first, stops, strict=True) if pair[0] < pair[1]]
        return np.concatenate(ranges) if ranges else np.empty(0, int)

    def series_of(self, rows: np.ndarray) -> np.ndarray:
        """Return the number of the series to which rows belong; one after the end to the last."""
        return np.searchsorted(self.bounds[:, 0], rows, "right") - 1

    def check_trainable(self, window: int, horizon: int) -> None:
        """Refuse series on which no network can be trained and evaluated.

        Each part must have a window of one series at least, and one variable of one series vary.

        Raises:
            Refusal: If a part has none.
        """
        for part, name in enumerate(("training", "validation", "test")):
            if not len(self.origins(part, window, horizon)):
                raise Refusal(
                    f"{self.origin}: no series has a {name} part that is long enough for a window "
                    f"of {window} and a horizon of {horizon}; give a smaller --window or "
                    f"--horizon, a larger --test-part or --validation-part, or more rows"
                )
        short = np.diff(self.bounds)[:, 0] < window
        if short.any():
            some = named([self.ids[number] for number in np.flatnonzero(short)])
            print(f"Data: {short.sum():,} series are shorter than the window of {window}: {some}")
        if not any((series.values[: series.ends[0]].std(axis=0) > 0).any() for series in self):
            raise Refusal(f"{self.origin}: every series is constant in its training part")
        if self.covariates:
            self.covariates.check_varies(self.origin)


def named(ids: Sequence[str]) -> str:
    """Return the first names of a list for a message."""
    more = f" and {len(ids) - SHOWN:,} more" if len(ids) > SHOWN else ""
    return ", ".join(map(repr, ids[:SHOWN])) + more
