"""The windows on which a run is trained, chosen and tested."""

import numpy as np

from apps.forecasting.panel_windows import PanelWindows, panel_scales
from apps.forecasting.panels import Panel
from apps.forecasting.series import Series
from apps.forecasting.settings import Settings
from apps.forecasting.windows import Windows, scaling

MAX_ORIGINS = 2000  # that choose what is not trained, evenly spaced


def make_datasets(series: Series | Panel, settings: Settings) -> dict[str, Windows]:
    """Make the windows of each part, and those that choose what is not trained.

    The steps to forecast lie in the part. Those of `held_targets` may begin before the validation
    part, and count as far as they lie in it: a short part has few windows whose horizon lies in it
    entirely.
    """
    if isinstance(series, Panel):
        return panel_datasets(series, settings)
    scales = scaling(series.values[: series.ends[0]])

    def cut(first: int, stop: int, most: int | None = None, **options) -> Windows:
        origins = range(max(first, settings.window), stop - settings.horizon + 1)
        every = 1 if most is None else -(-len(origins) // most)
        sizes = settings.window, settings.horizon, settings.batch_size
        return Windows(
            series.times,
            series.values,
            scales,
            origins[::every],
            *sizes,
            covariates=series.covariates,
            **options,
        )

    order = {"seed": settings.seed, "limit": settings.limit, "steps": settings.steps}
    windows = {
        name: cut(rows.start, rows.stop, **(order if name == "training" else {}))
        for name, rows in series.parts().items()
    }
    if settings.limit is not None:
        windows["validation"].thin(settings.limit)
    trained, held, _ = series.ends
    windows["training_sample"] = cut(0, trained, MAX_ORIGINS)
    first = trained - settings.horizon + 1
    windows["held_targets"] = cut(first, held, MAX_ORIGINS, counted_from=trained)
    return windows


def panel_datasets(panel: Panel, settings: Settings) -> dict[str, Windows]:
    """Make the windows of each part, and those that choose what is not trained."""
    scales = panel_scales(panel)
    sizes = settings.window, settings.horizon, settings.batch_size

    def cut(origins: np.ndarray, most: int | None = None, **options) -> PanelWindows:
        every = 1 if most is None else -(-len(origins) // most)
        return PanelWindows(panel, scales, origins[::every], *sizes, **options)

    parts = [panel.origins(part, settings.window, settings.horizon) for part in range(3)]
    order = {"seed": settings.seed, "limit": settings.limit, "steps": settings.steps}
    windows: dict[str, Windows] = {
        "training": cut(parts[0], **order),
        "validation": cut(parts[1]),
        "test": cut(parts[2]),
        "training_sample": cut(parts[0], MAX_ORIGINS),
        "held_targets": cut(held_origins(panel, settings), MAX_ORIGINS, counted=True),
    }
    if settings.limit is not None:
        windows["validation"].thin(settings.limit)
    return windows


def held_origins(panel: Panel, settings: Settings) -> np.ndarray:
    """Return origins whose steps lie in the validation part, or begin before it."""
    starts, ends = panel.bounds[:, 0], panel.ends
    first = starts + np.maximum(ends[:, 0] - settings.horizon + 1, settings.window)
    stops = starts + ends[:, 1] - settings.horizon + 1
    ranges = [np.arange(*pair) for pair in zip(first, stops, strict=True) if pair[0] < pair[1]]
    return np.concatenate(ranges)
