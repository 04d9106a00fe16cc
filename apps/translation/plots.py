"""Plots of the attention of a translator."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from apps.common.reports import save_figure
from apps.common.runs import Run


def plot_attention(
    run: Run,
    name: str,
    attention: np.ndarray,
    source_pieces: Sequence[bytes],
    target_pieces: Sequence[bytes],
) -> None:
    """Draw the attention of each piece of a translation over the pieces of the source.

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
    save_figure(figure, run.plots / f"{name}.png")
