"""Time series at regular times, in a training, a validation and a test part."""

from dataclasses import dataclass

import numpy as np

from apps.common.refusal import Refusal
from apps.forecasting.baselines import MIN_ROWS
from apps.forecasting.covariates import Covariates
from apps.forecasting.grids import in_words


@dataclass(frozen=True)
class Series:
    """Variables at regular times, in a training, a validation and a test part.

    Args:
        times: The times, regular and increasing, shape `(time,)`, datetime64[ns]; UTC if the
            source gave offsets.
        values: The values, read-only, shape `(time, variables)`, float32.
        names: The names of the variables.
        frequency: The pandas alias of the step, such as `"h"`, `"15min"`, `"MS"` or `"W-SAT"`;
            `grids.following` returns the next times.
        season: The number of steps in the main season.
        origin: A description of the source, for people.
        ends: The rows at which training, validation and test end. Rows after the last are unused.
        time_format: How the times are written in the source, see `times`; None for a sample.
        covariates: Columns that are read next to the variables, if there are any.
    """

    times: np.ndarray
    values: np.ndarray
    names: tuple[str, ...]
    frequency: str
    season: int
    origin: str
    ends: tuple[int, int, int]
    time_format: str | None = None
    covariates: Covariates | None = None

    def parts(self) -> dict[str, slice]:
        """Return the rows of the training, the validation and the test part."""
        names = ("training", "validation", "test")
        return dict(zip(names, map(slice, (0, *self.ends), self.ends), strict=False))

    def counts(self) -> str:
        """Return a description of the rows and parts."""
        split = [f"{rows.stop - rows.start:,} {name}" for name, rows in self.parts().items()]
        if unused := len(self.times) - self.ends[-1]:
            split.append(f"{unused:,} unused")
        return (
            f"{len(self.times):,} rows of {len(self.names):,} variable{'s'[: len(self.names) - 1]} "
            f"from {in_words(self.times[0])} to {in_words(self.times[-1])}, frequency "
            f"{self.frequency}, season {self.season} ({', '.join(split)})"
        )

    def check_trainable(self, window: int, horizon: int) -> None:
        """Refuse series on which no network can be trained and evaluated.

        Each part must hold the steps to forecast for one window at least; windows of the validation
        and the test part may begin in the part before. The training part must be longer than a
        season, and each variable must vary in it.

        Args:
            window: The number of steps in a window.
            horizon: The number of steps to forecast.

        Raises:
            Refusal: If a part is too short, or a variable is constant.
        """
        for name, rows in self.parts().items():
            needed = {"training": window + horizon}.get(name, horizon)
            if rows.stop - rows.start < needed:
                raise Refusal(
                    f"{self.origin}: the {name} part has {rows.stop - rows.start:,} rows, but a "
                    f"window of {window} and a horizon of {horizon} need {needed:,}; give a "
                    f"smaller window or horizon, or more rows"
                )
        train = self.values[: self.ends[0]]
        if len(train) < max(MIN_ROWS, self.season + 1):
            raise Refusal(
                f"{self.origin}: the training part has {len(train):,} rows, but evaluation needs "
                f"{MIN_ROWS} and more than the {self.season:,} of a season; give more rows, or a "
                f"shorter --season"
            )
        for column in np.flatnonzero((train == train[0]).all(axis=0)):
            raise Refusal(
                f"{self.origin}: {self.names[column]!r} is constant in the training part, its "
                f"first {len(train):,} rows; leave it out with --columns"
            )
        if self.covariates:
            self.covariates.check_varies(self.origin)
