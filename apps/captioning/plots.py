"""Plots of the attention of a captioner."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from apps.common.reports import save_figure
from apps.common.runs import Run


def plot_attention(
    run: Run, name: str, image: np.ndarray, attention: np.ndarray, pieces: Sequence[bytes]
) -> None:
    """Draw for each piece of a caption how much attention weighted each part of the image.

    Args:
        run: The run.
        name: The name of the plot.
        image: The pixels, `(size, size, 3)`, uint8.
        attention: The weights of the cells of a square grid, `(pieces, cells)`; bright is high.
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
        extent = (-0.5, image.shape[1] - 0.5, image.shape[0] - 0.5, -0.5)
        grid = weights.reshape(side, side)
        axes.imshow(grid, extent=extent, alpha=0.6, cmap="inferno", interpolation="bicubic", vmin=0)
        axes.set_title(word.replace("▁", ""), fontsize=9)
    save_figure(figure, run.plots / f"{name}.png")
