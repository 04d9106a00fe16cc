"""Pictures of the errors of a classifier."""

import numpy as np
from matplotlib.figure import Figure
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import ConfusionMatrixDisplay

from apps.common.reports import save_figure
from apps.common.runs import Run


def plot_binary(
    run: Run, labels: np.ndarray, probabilities: np.ndarray, names: tuple[str, str]
) -> None:
    """Draw the calibration of the probabilities and the confusion matrix, in `run.plots`."""
    figure = Figure(figsize=(4, 4), layout="constrained")
    CalibrationDisplay.from_predictions(
        labels, probabilities, n_bins=10, strategy="quantile", name="model", ax=figure.subplots()
    )
    save_figure(figure, run.plots / "calibration.png")
    figure = Figure(figsize=(4, 4), layout="constrained")
    ConfusionMatrixDisplay.from_predictions(
        labels, probabilities >= 0.5, display_labels=names, colorbar=False, ax=figure.subplots()
    )
    save_figure(figure, run.plots / "confusion.png")
