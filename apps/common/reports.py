"""Results: the table and the file of figures, and the plots of a run."""

from collections.abc import Mapping, Sequence
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

from apps.common.replacing import replacing
from apps.common.runs import Run
from apps.common.sources.series import Series

Scores = Mapping[str, float]


def binary_scores(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Scores the probabilities of class 1, both shape `(examples,)`, against the labels 0 and 1."""
    return {
        "accuracy": float(accuracy_score(labels, probabilities >= 0.5)),
        "roc_auc": float(roc_auc_score(labels, probabilities)),
        "log_loss": float(log_loss(labels, probabilities)),
    }


def report(
    run: Run, app: str, source: str, metrics: Scores, baselines: Mapping[str, Scores], **notes
) -> None:
    """Prints the scores on the test split beside those of the baselines, and writes them.

    Args:
        run: The run.
        app: The application.
        source: Where the examples came from.
        metrics: The scores of the run.
        baselines: The scores of each baseline.
        **notes: What else is to be written with them, by name.
    """
    run.write_metrics(
        {
            "app": app,
            "source": source,
            "split": "test",
            "metrics": metrics,
            "baselines": baselines,
            **notes,
        }
    )
    table = pd.DataFrame({f"{app} (this run)": metrics, **baselines}).T
    text = table.to_string(float_format="{:.4f}".format, na_rep="")
    print(f"\n{text}\n\nWritten to {run.metrics_file}")


def plot_history(run: Run, *metrics: str) -> None:
    """Draws loss and metrics over the epochs, training and validation, as `curves.png`."""
    history = run.history()
    names = ("loss", *metrics)
    figure = Figure(figsize=(4 * len(names), 3), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
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


def plot_step_errors(run: Run, errors: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Draws the errors of forecasts by the step of the horizon, as `error_by_step.png`.

    Args:
        run: The run, first among the forecasters.
        errors: For each forecaster `mse` and `mae`, both `(horizon,)`.
    """
    figure = Figure(figsize=(8, 4), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("mse", "mae"), strict=True):
        for place, (forecaster, scores) in enumerate(errors.items()):
            steps = np.arange(1, len(scores[name]) + 1)
            axes.plot(steps, scores[name], label=forecaster, linewidth=1 if place else 2.5)
        axes.set(xlabel="steps ahead", ylabel=f"{name} on the scaled series")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    _save(figure, run.plots / "error_by_step.png")


def plot_forecast(run: Run, name: str, series: Series, table: pd.DataFrame, window: int) -> None:
    """Draws the end of series and what is forecast of them.

    Args:
        run: The run.
        name: The name of the plot.
        series: The series.
        table: The forecasts: `time`, `variable`, `point` and quantiles, the outermost at the ends.
        window: The number of steps looked back on.
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
    _save(figure, run.plots / f"{name}.png")


def plot_attention(
    run: Run,
    name: str,
    attention: np.ndarray,
    source_pieces: Sequence[bytes],
    target_pieces: Sequence[bytes],
    **_,
) -> None:
    """Draws which pieces of the source each piece of the translation looked at.

    Args:
        run: The run.
        name: The name of the plot.
        attention: The weights, `(target, source)`.
        source_pieces: The pieces of the source, `(source,)`.
        target_pieces: The pieces of the translation, `(target,)`, empty after its end.
    """
    sources, targets = (
        [piece.decode("utf-8") for piece in np.asarray(pieces).tolist() if piece]
        for pieces in (source_pieces, target_pieces)
    )
    size = (2 + 0.3 * len(sources), 1.5 + 0.3 * len(targets))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.imshow(np.asarray(attention)[: len(targets), : len(sources)], cmap="Greys", vmin=0, vmax=1)
    axes.set_xticks(range(len(sources)), sources, rotation=90)
    axes.set_yticks(range(len(targets)), targets)
    axes.xaxis.tick_top()
    _save(figure, run.plots / f"{name}.png")


def plot_looks(
    run: Run, name: str, image: np.ndarray, attention: np.ndarray, pieces: Sequence[bytes]
) -> None:
    """Draws where each piece of a caption looked: the brighter, the more it weighed.

    Args:
        run: The run.
        name: The name of the plot.
        image: The pixels, `(size, size, 3)`, uint8.
        attention: The weights of the cells, `(pieces, cells)`; the cells are a square.
        pieces: The pieces of the caption, `(pieces,)`, empty after its end.
    """
    words = [piece.decode("utf-8") for piece in np.asarray(pieces).tolist() if piece]
    columns = min(6, len(words) + 1)
    rows = -(-(len(words) + 1) // columns)
    figure = Figure(figsize=(1.6 * columns, 1.8 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    side = round(np.sqrt(attention.shape[-1]))
    for axes in panels:
        axes.axis("off")
    panels[0].imshow(image)
    for axes, word, weights in zip(panels[1:], words, attention, strict=False):
        axes.imshow(image.mean(axis=-1), cmap="gray", vmin=0, vmax=255)
        place = (-0.5, image.shape[1] - 0.5, image.shape[0] - 0.5, -0.5)
        grid = weights.reshape(side, side)
        axes.imshow(grid, extent=place, alpha=0.6, cmap="inferno", interpolation="bicubic", vmin=0)
        axes.set_title(word.replace("▁", ""), fontsize=9)
    _save(figure, run.plots / f"{name}.png")


def _save(figure: Figure, path: Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)
