"""Plots of forecasts and of their errors."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from apps.common.reports import save_figure
from apps.common.runs import Run
from apps.forecasting.data import Series


def plot_step_errors(run: Run, errors: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Draw the errors of forecasts by the step of the horizon, as `error_by_step.png`.

    Args:
        run: The run; its network is the first of the forecasters.
        errors: For each forecaster `mse` and `mae`, both `(horizon,)`.
    """
    figure = Figure(figsize=(8, 4), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("mse", "mae"), strict=True):
        for number, (forecaster, scores) in enumerate(errors.items()):
            steps = np.arange(1, len(scores[name]) + 1)
            axes.plot(steps, scores[name], label=forecaster, linewidth=1 if number else 2.5)
        axes.set(xlabel="steps ahead", ylabel=f"{name} on the scaled series")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    save_figure(figure, run.plots / "error_by_step.png")


def plot_forecast(run: Run, name: str, series: Series, table: pd.DataFrame, window: int) -> None:
    """Draw the end of series and their forecasts.

    Args:
        run: The run.
        name: The name of the plot.
        series: The series.
        table: The forecasts: `time`, `variable`, `point` and quantiles in increasing order.
        window: The number of steps in the window.
    """
    figure = Figure(figsize=(8, 2.5 * len(series.names)), layout="constrained")
    panels = figure.subplots(len(series.names), 1, squeeze=False)[:, 0]
    for variable, (axes, title) in enumerate(zip(panels, series.names, strict=True)):
        rows = table[table["variable"] == title]
        low, high = rows.iloc[:, 3], rows.iloc[:, -1]
        axes.plot(series.times[-window:], series.values[-window:, variable], label="measured")
        axes.plot(rows["time"], rows["point"], label="forecast")
        interval = f"{rows.columns[3]} to {rows.columns[-1]}"
        axes.fill_between(rows["time"], low, high, alpha=0.3, color="C1", label=interval)
        axes.set(ylabel=title)
    panels[0].legend()
    save_figure(figure, run.plots / f"{name}.png")
