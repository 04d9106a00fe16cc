"""Columns that are read next to those to forecast: known in the future, past, or static.

Those known in the future, as holidays or prices, are read over the window and the horizon; past
ones over the window; static ones are the same in all rows of a series.
"""

from dataclasses import dataclass, field

import numpy as np

from apps.common.refusal import Refusal
from apps.forecasting.grids import following, in_words

KNOWN, PAST, STATIC = "known", "past", "static"  # the names of the inputs
Words = dict[str, list[str] | None]  # what a static column may hold; None if numbers


def static_names(column: str, words: list[str] | None) -> list[str]:
    """Return the names of the numbers that a static column becomes: one, or one for each word."""
    return [column] if words is None else [f"{column}={word}" for word in words]


@dataclass(frozen=True)
class Columns:
    """The names of the columns of each kind."""

    known: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    static: tuple[str, ...] = ()


@dataclass(frozen=True)
class Covariates:
    """Covariates of one or many series; rows are those of `Series.values` or `Panel.values`.

    Args:
        columns: Their names; those of `static` are `column=word` where a column holds words.
        known: Values known in the future, `(rows, known)`; those of the future follow the rows of
            their series.
        past: Values that are not, `(rows, past)`.
        static: Values of each series, `(series, static)`.
        trained: The rows at which the training part of each series begins and ends, shape
            `(series, 2)`.
        stops: The row at which the known values of each series end, shape `(series,)`.
        words: What the static columns hold.
    """

    columns: Columns
    known: np.ndarray
    past: np.ndarray
    static: np.ndarray
    trained: np.ndarray
    stops: np.ndarray
    words: Words = field(default_factory=dict)

    def sizes(self) -> dict[str, int]:
        """Return the number of columns of each kind that there is."""
        kinds = {KNOWN: self.columns.known, PAST: self.columns.past, STATIC: self.columns.static}
        return {kind: len(names) for kind, names in kinds.items() if names}

    def inputs(
        self, origins: np.ndarray, series: np.ndarray, back: np.ndarray, ahead: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Return the inputs of a network, as measured, for origins and their series `(batch,)`.

        Args:
            origins: The rows that follow the windows.
            series: The number of the series of each.
            back: The steps of a window, counted from the origin.
            ahead: The steps to forecast.
        """
        window = origins[:, None] + back
        inputs = {}
        if self.columns.known:
            inputs[KNOWN] = np.array(self.known[np.hstack([window, origins[:, None] + ahead])])
        if self.columns.past:
            inputs[PAST] = np.array(self.past[window])
        if self.columns.static:
            inputs[STATIC] = self.static[series]
        return inputs

    def scales(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Return the mean and the variance in the training parts of all series, of each kind.

        The variance of a column that does not vary is 1.
        """
        rows = np.concatenate([np.arange(*span) for span in self.trained])
        parts = {KNOWN: self.known[rows], PAST: self.past[rows], STATIC: self.static}
        scales = {}
        for kind in self.sizes():
            values = parts[kind].astype("float64")
            variance = values.var(axis=0)
            scales[kind] = values.mean(axis=0), np.where(variance > 0, variance, 1.0)
        return scales

    def check_varies(self, origin: str) -> None:
        """Refuse columns that do not vary in the training part, of which nothing can be learned."""
        rows = np.concatenate([np.arange(*span) for span in self.trained])
        for option, names, values in (
            ("--known", self.columns.known, self.known[rows]),
            ("--past", self.columns.past, self.past[rows]),
        ):
            for column in np.flatnonzero((values == values[:1]).all(axis=0)):
                raise Refusal(
                    f"{origin}: {names[column]!r} is constant in the training part, and nothing "
                    f"can be learned from it; leave it out of {option}"
                )

    def check_known(
        self, origin: str, number: int, last: np.datetime64, stop: int, frequency: str, horizon: int
    ) -> None:
        """Refuse a series whose known columns end before the horizon.

        Args:
            origin: The series, for people.
            number: Its number.
            last: The time of its last measured row.
            stop: The row after that.
            frequency: The pandas alias of the step.
            horizon: The number of steps to forecast.
        """
        given = int(self.stops[number]) - stop
        if self.columns.known and given < horizon:
            missing = following(last, frequency, horizon)[given].to_datetime64()
            raise Refusal(
                f"{origin}: the columns known in the future, {', '.join(self.columns.known)}, must "
                f"have values at the {horizon:,} times after {in_words(last)}, the last with a "
                f"target; the first that lacks one is {in_words(missing)}; add rows with these "
                f"columns and an empty target"
            )
