"""What decides a run of forecasting."""

from dataclasses import dataclass
from typing import Literal

from apps.common.cli import check


@dataclass(frozen=True)
class Settings:
    """What decides a run; it is saved with it."""

    source: str = "sample"  # where the series come from: sample, or a CSV or Parquet file
    sample: str = "co2"  # the embedded sample: co2, or synthetic
    time_column: str | None = None  # the column of times; found by its name or look if not given
    columns: tuple[str, ...] | None = None  # the columns to forecast; all of numbers if not given
    season: int | None = None  # steps in the main season; by the frequency if not given
    max_gap: int | None = None  # fill gaps of at most so many steps; a season if not given
    model: Literal["segments", "sequence", "last", "dense"] = "segments"  # the network
    window: int = 156  # steps looked back on
    horizon: int = 26  # steps to forecast
    segment: int = 13  # steps in a segment
    calendar: bool = False  # also give the network the time of day, of the week and of the year
    levels: tuple[float, ...] = (0.1, 0.5, 0.9)  # of the quantiles; the middle one is the forecast
    units: int = 128  # of the recurrent or dense layers
    dropout: float = 0.3  # the part of the features dropped before the last layer in training
    learning_rate: float = 2e-3  # of Adam, at first
    decay: float = 0.8  # the learning rate is multiplied by this after each epoch but the first
    max_norm: float = 1.0  # gradients are scaled down to this global norm
    batch_size: int = 64  # windows in a training step
    limit: int | None = None  # windows in an epoch, drawn anew, and to validate; all if not given
    epochs: int = 20  # the most epochs to train
    patience: int = 3  # stop after so many epochs without a lower validation loss
    members: int = 1  # networks that are trained apart and whose forecasts are averaged
    seed: int = 1  # decides the first weights, the order and the dropout

    @property
    def middle(self) -> int:
        """The place of the median among the quantiles."""
        return list(self.levels).index(0.5)

    def check(self) -> None:
        """Refuses what cannot work."""
        sizes = ["window", "horizon", "segment", "units", "batch_size", "epochs", "patience"]
        check(self, [*sizes, "members"], lambda size: size >= 1, "at least 1")
        check(self, ["segment"], lambda size: size <= self.window, f"at most {self.window=}")
        check(self, ["limit"], lambda limit: limit is None or limit >= 1, "at least 1")
        check(self, ["learning_rate", "max_norm"], lambda number: number > 0, "above 0")
        check(self, ["decay"], lambda part: 0 < part <= 1, "above 0 and at most 1")
        check(self, ["dropout"], lambda part: 0 <= part < 1, "at least 0 and below 1")
        check(self, ["seed"], lambda seed: seed >= 0, "at least 0")
        check(
            self,
            ["levels"],
            lambda levels: sorted({*levels, 0.5}) == [*levels] and levels[0] > 0 and levels[-1] < 1,
            "increasing numbers between 0 and 1, 0.5 among them",
        )
