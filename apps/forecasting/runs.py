"""Runs of this application: their settings, their forecaster, windows to try an export on."""

from dataclasses import replace

import keras
import numpy as np

from apps.common.refusal import Refusal
from apps.common.runs import Run
from apps.forecasting.covariates import KNOWN, PAST, STATIC
from apps.forecasting.datasets import make_datasets
from apps.forecasting.exported import Forecaster
from apps.forecasting.panel_forecasts import PanelForecaster, measured_inputs
from apps.forecasting.panel_windows import PanelWindows
from apps.forecasting.settings import Settings
from apps.forecasting.sources import load_series_of
from apps.forecasting.windows import WINDOW, Inputs


class ForecastingRun(Run):
    """A run that fills in sizes, and whose settings may be those of the first version."""

    def differences(self, settings: Settings) -> list[str]:
        """Return which settings of the run differ; sizes not given are those it has."""
        return super().differences(self.filled_in(settings))

    def filled_in(self, settings: Settings) -> Settings:
        """Return settings with the sizes of the run in place of those not given."""
        held = self.settings(Settings)
        given = {name: getattr(settings, name) for name in ("window", "horizon", "segment")}
        return replace(settings, **{n: s or getattr(held, n) for n, s in given.items()})


def check_model(folder: Run, settings: Settings, model: keras.Model) -> None:
    """Refuse settings of a run that are not those of its model."""
    members = [layer for layer in model.layers if layer.name.startswith("member_")]
    _, horizon, _, levels = model.output_shape
    folder.check_fits(
        settings,
        window=model.input[WINDOW].shape[1],
        horizon=horizon,
        members=len(members) or 1,
        # The levels themselves are not in the model, and their number is.
        **({} if len(settings.levels) == levels else {"levels": f"a list of {levels}"}),
    )


def load_forecaster(folder: Run) -> Forecaster:
    """Load the forecaster of a finished run."""
    settings, model = folder.settings(Settings), folder.model()
    check_model(folder, settings, model)
    member = model if settings.members == 1 else model.get_layer("member_1")
    kind = PanelForecaster if settings.series_column else Forecaster
    further = {
        name: member.get_layer(f"{name}_scaling")
        for name in (KNOWN, PAST, STATIC)
        if name in model.input
    }
    return kind(model, member.get_layer("scaling"), settings.levels, settings.calendar, further)


def probe_inputs(folder: Run, count: int = 3) -> Inputs | None:
    """Return windows of the test part, or None if the source is gone or has changed."""
    settings = folder.settings(Settings)
    try:
        series = load_series_of(folder, settings)
    except (Refusal, OSError) as error:
        print(f"The export is verified on random windows: {error}")
        return None
    test = make_datasets(series, settings)["test"]
    origins = np.asarray(test.origins[:count])
    return (
        measured_inputs(test, origins) if isinstance(test, PanelWindows) else test.inputs(origins)
    )
