"""Pictures of the errors of a classifier."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import ConfusionMatrixDisplay

from apps.common.reports import save_figure
from apps.common.runs import Run
from apps.sentiment.metrics import choose

MAX_NUMBERED = 20  # classes of which the matrix has room for counts


def plot_errors(
    run: Run, labels: np.ndarray, probabilities: np.ndarray, names: Sequence[str]
) -> None:
    """Draw the confusion matrix and, for two classes, the calibration, in `run.plots`."""
    if probabilities.ndim == 1:
        figure = Figure(figsize=(4, 4), layout="constrained")
        axes = figure.subplots()
        CalibrationDisplay.from_predictions(
            labels, probabilities, n_bins=10, strategy="quantile", name="model", ax=axes
        )
        save_figure(figure, run.plots / "calibration.png")
    side = max(4, 1.5 + 0.5 * len(names))
    figure = Figure(figsize=(side, side), layout="constrained")
    ConfusionMatrixDisplay.from_predictions(
        labels,
        choose(probabilities),
        labels=list(range(len(names))),
        display_labels=names,
        colorbar=False,
        include_values=len(names) <= MAX_NUMBERED,
        xticks_rotation="horizontal" if len(names) == 2 else "vertical",
        ax=figure.subplots(),
    )
    save_figure(figure, run.plots / "confusion.png")
