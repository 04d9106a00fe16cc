"""Pictures: which classes are taken for which, and where in an example the evidence lay."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay

from apps.common.reports import save_figure
from apps.common.runs import Run

MAX_NUMBERED = 20  # classes of which the matrix has room for counts
MOST_LINES = 6  # channels that are drawn as lines; more are drawn as an image


def plot_confusion(run: Run, labels: np.ndarray, guesses: np.ndarray, names: Sequence[str]) -> None:
    """Draw how often each class was taken for each, as `confusion.png`."""
    side = max(4, 1.5 + 0.5 * len(names))
    figure = Figure(figsize=(side, side), layout="constrained")
    ConfusionMatrixDisplay.from_predictions(
        labels,
        guesses,
        labels=list(range(len(names))),
        display_labels=names,
        colorbar=False,
        include_values=len(names) <= MAX_NUMBERED,
        xticks_rotation="vertical",
        ax=figure.subplots(),
    )
    save_figure(figure, run.plots / "confusion.png")


def plot_evidence(
    run: Run,
    name: str,
    title: str,
    features: np.ndarray,
    evidence: np.ndarray,
    seconds: float | None,
    channels: Sequence[str],
) -> None:
    """Draw an example and where its evidence lay.

    Args:
        run: The run.
        name: The name of the plot.
        title: What the example is taken for.
        features: What the network read, `(steps, features)`.
        evidence: What each number adds to the logit of the class, in the same shape.
        seconds: The time of a step; None if steps have no unit.
        channels: The names of the features.
    """
    figure = Figure(figsize=(7, 5), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    end = len(features) * (seconds or 1)
    if features.shape[1] <= MOST_LINES:
        times = (np.arange(len(features)) + 0.5) * (seconds or 1)
        for channel, label in zip(features.T, channels, strict=False):
            upper.plot(times, channel, label=label)
        upper.legend(loc="upper right")
    else:
        draw_image(upper, features, end, "viridis")
    bound = np.abs(evidence).max() or 1
    draw_image(lower, evidence, end, "RdBu_r", vmin=-bound, vmax=bound)
    upper.set(title=title, ylabel="channel or band")
    lower.yaxis.get_major_locator().set_params(integer=True)
    lower.set(
        xlabel="seconds" if seconds else "step",
        ylabel="red speaks for it,\nblue against it",
    )
    save_figure(figure, run.plots / f"{name}.png")


def draw_image(axes, values: np.ndarray, end: float, colours: str, **options) -> None:
    """Draw numbers `(steps, rows)` as an image over time, the first row at the bottom."""
    extent = (0, end, -0.5, values.shape[1] - 0.5)
    axes.imshow(values.T, aspect="auto", origin="lower", extent=extent, cmap=colours, **options)


def plot_alignment(
    run: Run,
    name: str,
    title: str,
    features: np.ndarray,
    probabilities: np.ndarray,
    marks: Sequence[tuple[int, str]],
    seconds: float,
) -> None:
    """Draw a recording and, below it, when the network heard which symbol.

    Args:
        run: The run.
        name: The name of the plot.
        title: The transcript.
        features: What the network read, `(spectra, features)`.
        probabilities: Those of the blank and of each symbol at each step, `(steps, symbols + 1)`.
        marks: The step at which each letter begins, and the letter.
        seconds: The time of a step.
    """
    figure = Figure(figsize=(8, 5), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    end = len(probabilities) * seconds
    draw_image(upper, features, end, "viridis")
    times = (np.arange(len(probabilities)) + 0.5) * seconds
    lower.plot(times, probabilities[:, 0], color="lightgrey", label="blank")
    lower.plot(times, probabilities[:, 1:], linewidth=1)
    for step, letter in marks:
        lower.text((step + 0.5) * seconds, 1.02, letter.replace(" ", "_"), ha="center")
    upper.set(title=title, ylabel="band")
    lower.set(xlabel="seconds", ylabel="probability", ylim=(0, 1.12))
    lower.legend(loc="center right")
    save_figure(figure, run.plots / f"{name}.png")
