"""Results of a run: the table of scores, `metrics.json`, and plots."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from apps.common.files import replacing
from apps.common.runs import Run
from apps.common.scores import Scores, compare

MAX_WIDTH = 100  # of a table, in characters


def report(
    run: Run,
    app: str,
    source: str,
    metrics: Scores,
    baselines: Mapping[str, Scores],
    lower_is_better: Sequence[str] = (),
    unordered: Sequence[str] = (),
    **notes,
) -> None:
    """Print the scores on the test split next to those of the baselines, and write both.

    Args:
        run: The run.
        app: The application.
        source: Where the examples came from.
        metrics: The scores of the run.
        baselines: The scores of each baseline.
        lower_is_better: The names of the metrics of which the lowest is the best.
        unordered: The names of the metrics of which neither the lowest nor the highest is the best.
        **notes: What else to write, by name.
    """
    rows = {f"{app} (this run)": metrics, **baselines}
    print(f"\n{format_table(pd.DataFrame(rows).T)}")
    better = [
        f"{each.metric} by {each.baseline}, {each.theirs:.4f} against {each.ours:.4f}"
        for each in compare(metrics, baselines, lower_is_better, unordered)
        if each.beaten
    ]
    print("A baseline is better: " + "; ".join(better) if better else "No baseline is better.")
    # Printed first: what cannot be written has been seen.
    run.write_metrics(
        {
            "app": app,
            "source": source,
            "split": "test",
            "metrics": metrics,
            "baselines": baselines,
            "lower_is_better": list(lower_is_better),
            "unordered": list(unordered),
            **notes,
        }
    )


def format_table(table: pd.DataFrame) -> str:
    """Format numbers as text of at most `MAX_WIDTH` columns: with rows and columns exchanged if
    that is narrower, in several blocks if it is still too wide.
    """
    options = {"float_format": "{:.4f}".format, "na_rep": "", "line_width": MAX_WIDTH}
    texts = [table.to_string(**options), table.T.to_string(**options)]
    return min(texts, key=lambda text: "\\\n" in text)


def plot_history(run: Run) -> None:
    """Draw the loss and metrics of training and validation over the epochs, as `curves.png`."""
    history = run.history()
    validated = {name.removeprefix("val_") for name in history if name.startswith("val_")}
    names = ["loss", *(name for name in history if name in validated - {"loss"})]
    figure = Figure(figsize=(4 * len(names), 3), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        axes.plot(history["epoch"], history[name], marker="o", label="training")
        axes.plot(history["epoch"], history[f"val_{name}"], marker="o", label="validation")
        axes.axvline(run.best_epoch(), color="grey", linestyle=":", label="chosen")
        axes.set(xlabel="epoch", ylabel=name)
        axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend()
    save_figure(figure, run.plots / "curves.png")


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as a picture."""
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)
