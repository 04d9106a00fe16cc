"""The settings of a run."""

from dataclasses import dataclass
from typing import Any, Literal

import tyro

from apps.common.refusal import Refusal
from apps.common.settings import MAX_SEED, CellName, check, check_sizes

MEMBER_SEEDS = 1000  # between the seeds of two members


@dataclass(frozen=True)
class Settings:
    """The settings of a run, which are saved with it."""

    source: str = "sample"  # where the series come from: sample, or the path of a table
    sample: str | None = None  # the embedded sample: mackey_glass if not given, co2, or synthetic
    time_column: str | None = None  # the column of times; found by name or contents if not given
    time_format: str | None = None  # how times are written, as in %d/%m/%Y; found if not given
    day_first: bool | None = None  # is 01/02/2021 in February? by the times if not given
    separator: str | None = None  # of columns: a sign, or tab or space; found if not given
    decimal: Literal[".", ","] | None = None  # the decimal sign; found if not given
    skip_rows: int | None = None  # lines above the header; found if not given
    no_header: tyro.conf.FlagCreatePairsOff[bool] = False  # the first row holds data, not names
    columns: tuple[str, ...] | None = None  # the columns to forecast; all of numbers if not given
    series_column: tuple[str, ...] | None = None  # names the series of a row, if there are many
    known: tuple[str, ...] | None = None  # columns known in the future, as prices or holidays
    past: tuple[str, ...] | None = None  # columns that are read, but not forecast
    static: tuple[str, ...] | None = None  # columns of numbers or words, the same in a series
    season: int | None = None  # steps in the main season; by the frequency if not given
    max_gap: int | None = None  # fill gaps of at most this many steps; a season if not given
    validation_part: float | None = None  # of all rows, before the test part; 0.1 if not given
    test_part: float | None = None  # of all rows, the last ones; 0.2 if not given
    model: Literal["segments", "sequence", "last", "dense"] = "segments"  # the network
    window: int | None = None  # steps before the forecast that the network reads; by validation
    horizon: int | None = None  # steps to forecast; a season if not given
    segment: int | None = None  # steps in a segment, for the model segments; half of the horizon
    scaling: Literal["window", "series"] = "window"  # window: also by the deviation of each window
    calendar: bool = False  # also give the network the time of day, of the week and of the year
    levels: tuple[float, ...] = (0.1, 0.5, 0.9)  # of the quantiles; that of 0.5 is the forecast
    cell: CellName = "gru"  # the recurrence; the model dense has none
    units: int = 128  # of the recurrent or dense layers
    dropout: float = 0.3  # the part of the features dropped before the last layer in training
    learning_rate: float = 2e-3  # of Adam, in the first epoch
    decay: float = 0.8  # the learning rate is multiplied by this after each epoch
    max_norm: float = 1.0  # gradients are scaled down to this global norm
    batch_size: int = 64  # windows in a training step
    limit: int | None = None  # random windows in each epoch, and to validate; all if not given
    steps: int = 100  # training steps in an epoch, at least: short series are gone through again
    epochs: int = 12  # train for at most this many epochs
    patience: int = 3  # stop after this many epochs without a lower validation loss
    members: int = 1  # networks that are trained apart and whose quantiles are averaged
    seed: int = 1  # decides the first weights, the order and the dropout

    @property
    def middle(self) -> int:
        """The position of the median among the quantiles."""
        return list(self.levels).index(0.5)

    @staticmethod
    def upgraded(values: dict[str, Any]) -> dict[str, Any]:
        """Return values of a run of an earlier version, without those that have no effect.

        The first version noted a sample next to the path of a file, and earlier ones the segment of
        a network next to the network without segments that it is compared with.
        """
        values = dict(values)
        if values.get("source", "sample") != "sample":
            values["sample"] = None
        if values.get("model") == "dense":
            values["segment"] = None
        return values

    def check(self) -> None:
        """Refuse settings that cannot work, or that have no effect."""
        sizes = ["units", "batch_size", "steps", "epochs", "patience", "members"]
        check_sizes(self, [*sizes, "window", "horizon", "segment", "limit", "season"])
        check(self, ["skip_rows"], lambda rows: rows is None or rows >= 0, "at least 0")
        check(self, ["max_gap"], lambda steps: steps is None or steps >= 0, "at least 0")
        positive = ["learning_rate", "max_norm"]
        check(self, positive, lambda number: 0 < number < float("inf"), "a finite number above 0")
        check(self, ["decay"], lambda part: 0 < part <= 1, "above 0 and at most 1")
        check(self, ["dropout"], lambda part: 0 <= part < 1, "at least 0 and below 1")
        last = MAX_SEED - MEMBER_SEEDS * (self.members - 1)
        check(self, ["seed"], lambda seed: 0 <= seed <= last, f"from 0 to {last:,}")
        check(
            self,
            ["levels"],
            lambda levels: sorted({*levels, 0.5}) == [*levels] and levels[0] > 0 and levels[-1] < 1,
            "increasing numbers between 0 and 1, with 0.5 among them",
        )
        if self.model == "segments":
            words = f"at most {self.window}, the length of the window"
            within = self.window is None or (self.segment or 0) <= self.window
            check(self, ["segment"], lambda _: within, words)
        elif self.segment is not None:
            raise Refusal(
                f"segment has no effect with model {self.model!r}, which cuts no segments: leave "
                f"it out, or give --model segments; received {self.segment}"
            )
        if self.model == "dense" and self.cell != Settings.cell:
            raise Refusal(
                f"cell has no effect with model 'dense', which has no recurrence: leave it out, or "
                f"give another --model; received {self.cell!r}"
            )
        if self.sample is not None and self.source != "sample":
            raise Refusal(
                f"sample has no effect with source {self.source!r}: leave it out, or give "
                f"--source sample; received {self.sample!r}"
            )
        self._check_covariates()

    def _check_covariates(self) -> None:
        """Refuse covariates without effect, and columns with two uses."""
        kinds = ("known", "past", "static")
        for kind in kinds:
            if getattr(self, kind) and self.source == "sample":
                raise Refusal(
                    f"{kind} has no effect with the sample, which has no such columns: leave it "
                    f"out, or give a file with --source; received {getattr(self, kind)}"
                )
        if self.static and not self.series_column:
            raise Refusal(
                f"static tells series apart, and there is only one without --series-column: name "
                f"the column of the series with it, or leave static out; received {self.static}"
            )
        uses: dict[str, str] = {}
        for option in ("time_column", "columns", "series_column", *kinds):
            names = getattr(self, option) or ()
            for name in (names,) if isinstance(names, str) else names:
                if name in uses:
                    raise Refusal(
                        f"{option} names {name!r}, which {uses[name]} names already; a column has "
                        f"one use: name it once"
                    )
                uses[name] = option
