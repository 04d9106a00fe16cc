"""Pictures of what diagnostics measure. They need matplotlib; the numbers do not."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnnlayers.diagnostics.activity import LayerStates
from rnnlayers.diagnostics.clipping import ClippingReport
from rnnlayers.diagnostics.flow import Flow
from rnnlayers.diagnostics.jacobians import LayerJacobians
from rnnlayers.diagnostics.measures import mean_of

SMALLEST = 1e-30  # of a logarithmic axis
SHOWN_UNITS = 64


def plot_flow(flow: Flow) -> Any:
    """Draw the norm of dL/ds_t over the steps, one panel for each layer; return the figure.

    The thin lines are rows of the batch, the thick one their mean, and the dashed one the reach, if
    it is shorter than the sequence and nothing is masked.

    Args:
        flow: From `gradient_flow`.

    Returns:
        A `matplotlib.figure.Figure`; `figure.savefig(path)` writes it.

    Raises:
        ImportError: without matplotlib.
    """
    figure, panels = _panels(len(flow.layers), "gradients over time")
    for axes, (name, layer) in zip(panels, flow.layers.items(), strict=True):
        steps = np.arange(1, layer.norm.shape[1] + 1)
        shown = np.maximum(layer.norm, SMALLEST)
        if layer.valid is not None:
            shown = np.where(layer.valid, shown, np.nan)
        axes.plot(steps, shown[:16].T, color="tab:blue", alpha=0.25, linewidth=0.8)
        mean = np.maximum(layer.mean_norm, SMALLEST)
        axes.plot(steps, mean, color="tab:blue", linewidth=2.2, label="mean of the batch")
        reach = mean_of(layer.reach)
        if reach < layer.steps.mean() - 1 and layer.valid is None:
            at = 1 + reach if layer.reverse else steps[-1] - reach
            label = f"less than 1 % is left after {reach:.0f} steps"
            axes.axvline(at, color="tab:orange", linestyle="--", label=label)
        axes.set(yscale="log", title=name, xlabel="step t", ylabel="norm of dL/ds$_t$")
        axes.legend(fontsize="small")
    return figure


def plot_states(layers: Mapping[str, LayerStates], row: int = 0) -> Any:
    """Draw the states and gates of one row over time as images; return the figure.

    Args:
        layers: From `states`.
        row: The row of the batch.

    Returns:
        As `plot_flow`.

    Raises:
        ImportError: without matplotlib.
    """
    images: list[tuple[str, np.ndarray, tuple[float, float] | None]] = []
    for name, layer in layers.items():
        states, gates = layer.states.items(), layer.gates.items()
        counts = layer.valid[row][:, None]  # masked steps stay white

        def shown(values: np.ndarray, counts: np.ndarray = counts) -> np.ndarray:
            return np.where(counts, values[row], np.nan)

        images += [(f"{name}: state {state}", shown(values), None) for state, values in states]
        images += [(f"{name}: gate {gate}", shown(values), (0.0, 1.0)) for gate, values in gates]
    figure, panels = _panels(len(images), "states and gates")
    for axes, (title, values, bounds) in zip(panels, images, strict=True):
        largest = float(np.nanmax(np.abs(values), initial=1e-12))
        low, high = bounds or (-largest, largest)
        image = axes.imshow(
            values[:, :SHOWN_UNITS].T,
            aspect="auto",
            interpolation="nearest",
            cmap="viridis" if bounds else "RdBu",
            vmin=low,
            vmax=high,
            extent=(0.5, len(values) + 0.5, min(values.shape[1], SHOWN_UNITS) - 0.5, -0.5),
        )
        figure.colorbar(image, ax=axes)
        axes.set(title=title, xlabel="step t", ylabel="unit")
    return figure


def plot_jacobians(layers: Mapping[str, LayerJacobians]) -> Any:
    """Draw the singular values of the Jacobian of each step, a panel a layer; return the figure.

    Args:
        layers: From `step_jacobians`.

    Returns:
        As `plot_flow`.

    Raises:
        ImportError: without matplotlib.
    """
    figure, panels = _panels(len(layers), "Jacobians of single steps")
    for axes, (name, layer) in zip(panels, layers.items(), strict=True):
        steps = np.arange(1, layer.largest.shape[1] + 1)
        if layer.singular_values is not None:
            axes.plot(steps, layer.singular_values[0], color="tab:blue", alpha=0.25, linewidth=0.8)
        axes.plot(steps, layer.largest[0], color="tab:blue", linewidth=2, label="largest")
        axes.axhline(1.0, color="tab:orange", linestyle="--", label="1: neither grows nor vanishes")
        axes.set(title=name, xlabel="step t", ylabel="singular values of ds$_t$/ds$_{t-1}$")
        axes.legend(fontsize="small")
    return figure


def plot_clipping(report: ClippingReport) -> Any:
    """Draw which share of the batches each threshold would clip; return the figure.

    Args:
        report: From `what_clipping_does`.

    Returns:
        As `plot_flow`.

    Raises:
        ImportError: without matplotlib.
    """
    figure, (axes,) = _panels(1, "clipping")
    norms = np.sort(report.finite)
    axes.step(norms, 1 - np.arange(1, len(norms) + 1) / max(len(norms), 1), where="post")
    limit = report.percentile(99)
    label = f"99th percentile: {limit:.3g}"
    axes.axvline(limit, color="tab:orange", linestyle="--", label=label)
    axes.set(xlabel="threshold max_norm", ylabel="share of the batches that are clipped")
    axes.set(xscale="log" if norms.size and norms[0] > 0 else "linear", ylim=(0, 1))
    axes.legend(fontsize="small")
    return figure


def plot_reach(steps: Sequence[int], reaches: Mapping[str, Sequence[float]]) -> Any:
    """Draw how the reach of each layer changes while a model is trained; return the figure.

    Args:
        steps: Steps of training.
        reaches: By the name of the layer, the reach at each of them, in time steps.

    Returns:
        As `plot_flow`.

    Raises:
        ImportError: without matplotlib.
    """
    figure, (axes,) = _panels(1, "reach of gradients")
    for name, values in reaches.items():
        axes.plot(steps, values, marker=".", label=name)
    axes.set(xlabel="step of training", ylabel="steps back until 1 % is left")
    axes.legend(fontsize="small")
    return figure


def _panels(count: int, what: str) -> tuple[Any, list[Any]]:
    """Return a figure and its panels, two in a row."""
    if not count:
        raise ValueError(f"There are no {what} to draw: no layer was watched.")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "Pictures need matplotlib: pip install 'rnnlayers[plots]'. The numbers do without."
        ) from error
    columns = min(count, 2)
    rows = -(-count // columns)
    figure = Figure(figsize=(5.5 * columns, 3.2 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[count:]:
        axes.remove()
    return figure, list(panels[:count])
