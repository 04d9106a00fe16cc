"""What gradients, gates and states do in the network of a run: pictures and a page."""

import html
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from apps.common.files import replacing
from apps.common.model_files import load_model
from apps.common.refusal import Refusal
from apps.common.reports import save_figure
from apps.common.runs import Run
from apps.common.training import EpochBatches
from rnnlayers.diagnostics import (
    Flow,
    LayerStates,
    advise,
    gradient_flow,
    plot_flow,
    plot_states,
    states,
)

FOLDER = "diagnosis"  # of a run
PAGE = "index.html"
STYLE = (
    "body{font-family:system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "line-height:1.5}img{max-width:100%}table{border-collapse:collapse}"
    "td,th{padding:.2rem .8rem;text-align:right;border-bottom:1px solid #bbb}"
    "td:first-child,th:first-child{text-align:left}"
)


def diagnose_run(run: Run, batches: EpochBatches, *, loss_step: int | None = None) -> None:
    """Measure the network of the best epoch on one batch, print advice, and write a page.

    Args:
        run: A finished run.
        batches: The first of these is measured.
        loss_step: Count the loss of this step only, see `rnnlayers.diagnostics.gradient_flow`.

    Raises:
        Refusal: If the network has no recurrent layer, or no checkpoint is left.
    """
    best = run.checkpoint(run.best_epoch()) if run.epochs_done() else None
    if best is None or not best.exists():
        raise Refusal(
            f"run: {run.checkpoints} must hold the checkpoint of the best epoch, with its loss; it "
            f"is not there: train again in a new folder"
        )
    model = load_model(best)
    if getattr(model, "loss", None) is None:
        raise Refusal(
            f"run: {best} must hold the loss of the training, as those of newer versions do; it "
            f"does not: train again in a new folder"
        )
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(
        keras.tree.map_structure(np.asarray, next(iter(batches.dataset())))
    )
    try:
        flow = gradient_flow(model, x, y, sample_weight=sample_weight, loss_step=loss_step)
    except ValueError as error:
        if "`model`" not in str(error):
            raise
        raise Refusal(f"run: {run.folder} cannot be diagnosed: {error}") from error
    found = states(model, x)
    folder = run.folder / FOLDER
    folder.mkdir(exist_ok=True)
    save_figure(plot_flow(flow), folder / "gradients.png")
    if found:
        save_figure(plot_states(found), folder / "states.png")
    advice = advise(flow, found)
    print("\n".join(advice) if advice else "Nothing is wrong with gradients, gates and states.")
    _write_page(folder / PAGE, run.folder.name, flow, found, advice)


def _write_page(
    path: Path, name: str, flow: Flow, found: Mapping[str, LayerStates], advice: Iterable[str]
) -> None:
    """Write a page that needs nothing but the pictures beside it."""
    title = f"Diagnosis of {html.escape(name)}"
    lines = [f"<li>{html.escape(line)}</li>" for line in advice] or ["<li>Nothing is wrong.</li>"]
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>',
        f"<style>{STYLE}</style><h1>{title}</h1>",
        f"<p>One batch was measured. Its loss is {flow.loss:.4g}, and the norm of the gradient of "
        f"all weights {flow.gradient_norm:.4g}.</p><h2>Advice</h2><ul>{''.join(lines)}</ul>",
        "<h2>Gradients</h2><p>How many steps back until less than 1 % of the gradient is left, and "
        "the factor by which it changes from each step to the step before.</p>",
        _table(
            ("layer", "steps", "reach", "factor"),
            [
                (name, layer.steps.mean(), _mean(layer.reach), _mean(layer.growth))
                for name, layer in flow.layers.items()
            ],
        ),
        '<img src="gradients.png" alt="The norm of the gradient at each step of each layer">',
    ]
    if found:
        rows = [
            (f"{name}: {what}", value)
            for name, layer in found.items()
            for what, value in layer.summary().items()
        ]
        parts += [
            "<h2>Gates and states</h2><p>Shares of gates that are closed (below 0.05) and open "
            "(above 0.95), units that are dead or never change, the number of directions in which "
            "the states move, and after how many steps a unit has forgotten all but 1/e.</p>",
            _table(("quantity", "value"), rows),
            '<img src="states.png" alt="States and gates of the first row over time">',
        ]
    with replacing(path) as temporary:
        temporary.write_text("\n".join([*parts, "</html>", ""]), "utf-8")


def _table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    cells = [f"<tr>{''.join(f'<th>{html.escape(name)}</th>' for name in head)}</tr>"]
    for name, *values in rows:
        numbers = "".join(f"<td>{value:.4g}</td>" for value in values)
        cells.append(f"<tr><td>{html.escape(name)}</td>{numbers}</tr>")
    return f"<table>{''.join(cells)}</table>"


def _mean(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else float("nan")
