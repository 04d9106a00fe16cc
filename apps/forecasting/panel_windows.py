"""Windows of many series, each scaled by its own training part."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from apps.forecasting.panels import Panel
from apps.forecasting.series import Series
from apps.forecasting.windows import WINDOW, Inputs, Windows

ID, VARIABLE, MEAN, SCALE = "series", "variable", "mean", "scale"


class PanelWindows(Windows):
    """Batches of windows of many series; inputs and targets are scaled by each series' own scales.

    The network's own scaling leaves them as they are: its mean is 0 and its deviation 1.

    Args:
        panel: The series.
        series_scales: The mean and the deviation of each series, both `(series, variables)`.
        origins: The rows that follow the windows, none of which begins in the series before.
        window: As for `Windows`, like the others.
        horizon: Steps that follow.
        batch_size: Windows in a batch.
        counted: Whether only steps after the training part count, see `Windows.counted`.
        **options: `seed`, `limit` and `steps`.
    """

    def __init__(
        self,
        panel: Panel,
        series_scales: tuple[np.ndarray, np.ndarray],
        origins: np.ndarray,
        window: int,
        horizon: int,
        batch_size: int,
        counted: bool = False,
        **options: int | None,
    ):
        unscaled = np.zeros(len(panel.names)), np.ones(len(panel.names))
        sizes = window, horizon, batch_size
        self.panel = panel
        super().__init__(
            panel.times,
            panel.values,
            unscaled,
            origins,
            *sizes,
            covariates=panel.covariates,
            **options,
        )
        self.series_mean, self.series_scale = (part.astype("float32") for part in series_scales)
        self.trained = panel.bounds[:, 0] + (panel.ends[:, 0] if counted else 0)

    def series_of(self, origins: np.ndarray) -> np.ndarray:
        """Return the number of the series of each origin."""
        return self.panel.series_of(origins)

    def scaled(self, values: np.ndarray, origins: np.ndarray) -> np.ndarray:
        """Scale steps `(batch, steps, variables)` of the series of the origins."""
        series = self.panel.series_of(origins)
        return (values - self.series_mean[series][:, None]) / self.series_scale[series][:, None]

    def inputs(self, origins: np.ndarray) -> Inputs:
        """Return the inputs of a network for origins of shape `(batch,)`, the window scaled."""
        inputs = super().inputs(origins)
        return {**inputs, WINDOW: self.scaled(inputs[WINDOW], origins)}

    def targets(self, origins: np.ndarray) -> np.ndarray:
        """Return the steps that follow, scaled, `(batch, horizon, variables, 1)`."""
        followed = self.values[origins[:, None] + self.ahead]
        return self.scaled(followed, origins)[..., None]

    def counted(self) -> Iterator[tuple[Inputs, np.ndarray, np.ndarray]]:
        """Yield inputs, targets, and which of the targets count, `(batch, horizon, variables)`."""
        for start in range(0, self.count, self.batch_size):
            origins = np.asarray(self.origins[start : start + self.batch_size])
            targets = self.targets(origins)
            trained = self.trained[self.panel.series_of(origins)]
            late = origins[:, None] + self.ahead >= trained[:, None]
            yield self.inputs(origins), targets, np.broadcast_to(late[..., None], targets.shape[:3])


def panel_scales(panel: Panel) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and deviation of the training part of each series, both `(series, variables)`.

    The deviation of a constant variable is 1.
    """
    parts = [series.values[: series.ends[0]].astype("float64") for series in panel]
    mean = np.stack([part.mean(axis=0) for part in parts])
    scale = np.stack([part.std(axis=0) for part in parts])
    return mean, np.where(scale > 0, scale, 1.0)


def scaled_series(
    series: Series | Panel, windows: Windows
) -> list[tuple[np.ndarray, tuple[int, int, int]]]:
    """Return scaled values up to the end of the validation part, and the ends, of each series."""
    if isinstance(series, Series):
        return [((series.values[: series.ends[1]] - windows.mean) / windows.scale, series.ends)]
    mean, scale = panel_scales(series)
    return [
        ((one.values[: one.ends[1]] - mean[number]) / scale[number], one.ends)
        for number, one in enumerate(series)
    ]


def scales_table(panel: Panel) -> pd.DataFrame:
    """Return the scales of each series and variable, for a run to keep."""
    mean, scale = panel_scales(panel)
    index = pd.MultiIndex.from_product([panel.ids, panel.names], names=[ID, VARIABLE])
    return pd.DataFrame({MEAN: mean.ravel(), SCALE: scale.ravel()}, index).reset_index()


def scales_like(panel: Panel, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the scales of series, as a run kept them, or by all rows of those it did not know."""
    known = {
        name: part.set_index(VARIABLE)[[MEAN, SCALE]].loc[list(panel.names)].to_numpy()
        for name, part in table.groupby(ID, sort=False)
        if name in panel.ids
    }
    pairs = []
    for name, series in zip(panel.ids, panel, strict=True):
        if name not in known:
            values = series.values.astype("float64")
            deviation = values.std(axis=0)
            scale = np.where(deviation > 0, deviation, 1.0)
            known[name] = np.stack([values.mean(axis=0), scale], axis=1)
        pairs.append(known[name])
    mean, scale = np.stack(pairs).transpose(2, 0, 1)
    return mean, scale
