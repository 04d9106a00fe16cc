"""Results: the table and the file of figures, and the plots of a run."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    accuracy_score,
    log_loss,
    roc_auc_score,
)

from apps.common.runs import Run, replacing

Scores = Mapping[str, float]


def binary_scores(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Scores the probabilities of class 1, both shape `(examples,)`, against the labels 0 and 1."""
    return {
        "accuracy": float(accuracy_score(labels, probabilities >= 0.5)),
        "roc_auc": float(roc_auc_score(labels, probabilities)),
        "log_loss": float(log_loss(labels, probabilities)),
    }


def report(
    run: Run, app: str, source: str, metrics: Scores, baselines: Mapping[str, Scores]
) -> None:
    """Prints the scores on the test split beside those of the baselines, and writes them."""
    run.write_metrics(
        {
            "app": app,
            "source": source,
            "split": "test",
            "metrics": metrics,
            "baselines": baselines,
        }
    )
    table = pd.DataFrame({f"{app} (this run)": metrics, **baselines}).T
    print(f"\n{table.to_string(float_format='{:.4f}'.format)}\n\nWritten to {run.metrics_file}")


def plot_history(run: Run, metric: str) -> None:
    """Draws the loss and one metric over the epochs, training and validation, as `curves.png`."""
    history = run.history()
    figure = Figure(figsize=(8, 3), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("loss", metric), strict=True):
        axes.plot(history["epoch"], history[name], marker="o", label="training")
        axes.plot(history["epoch"], history[f"val_{name}"], marker="o", label="validation")
        axes.axvline(run.best_epoch(), color="grey", linestyle=":", label="chosen")
        axes.set(xlabel="epoch", ylabel=name)
        axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend()
    _save(figure, run.plots / "curves.png")


def plot_binary(
    run: Run, labels: np.ndarray, probabilities: np.ndarray, names: tuple[str, str]
) -> None:
    """Draws how far probabilities can be trusted (`calibration.png`) and `confusion.png`."""
    figure = Figure(figsize=(4, 4), layout="constrained")
    CalibrationDisplay.from_predictions(
        labels, probabilities, n_bins=10, strategy="quantile", name="model", ax=figure.subplots()
    )
    _save(figure, run.plots / "calibration.png")
    figure = Figure(figsize=(4, 4), layout="constrained")
    ConfusionMatrixDisplay.from_predictions(
        labels, probabilities >= 0.5, display_labels=names, colorbar=False, ax=figure.subplots()
    )
    _save(figure, run.plots / "confusion.png")


def _save(figure: Figure, path: Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)
