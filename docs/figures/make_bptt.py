"""Draws bptt.svg: what must wait, in two loops, and what need not. Run it with Python."""

from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt

STEPS = 4
LOOP, PRODUCT, EXPLICIT = "#c0392b", "#2c6fad", "#7f8c8d"


def box(axes, x, y, text, color, width=1.1, height=0.62):
    """Draw a box with a text, around a point."""
    patch = plt.Rectangle(
        (x - width / 2, y - height / 2), width, height, fill=True, fc="white", ec=color, lw=1.4
    )
    axes.add_patch(patch)
    axes.text(x, y, text, ha="center", va="center", fontsize=10)


def arrow(axes, start, end, color, text="", offset=(0.0, 0.14)):
    """Draw an arrow with a text next to its middle."""
    axes.annotate(
        "", end, start, arrowprops={"arrowstyle": "-|>", "color": color, "lw": 1.4, "shrinkB": 1}
    )
    x, y = ((a + b) / 2 + o for a, b, o in zip(start, end, offset, strict=True))
    axes.text(x, y, text, ha="center", va="bottom", fontsize=9, color=color)


def draw(axes):
    """Draw the steps from left to right, and from top to bottom what comes after what."""
    places = [2.0 + 2.2 * step for step in range(STEPS)]
    middle = (places[0] + places[-1]) / 2
    rows = {"before": 6.1, "forward": 4.6, "back": 2.4, "after": 0.9}
    box(axes, middle, rows["before"], "all  x W + b :  one product", PRODUCT, 8.4)
    box(
        axes,
        middle,
        rows["after"],
        "dL/dU = sum of  h$_{k-1}^T$ dz$_k$ :  one product",
        PRODUCT,
        8.4,
    )
    box(axes, places[0] - 2.0, rows["forward"], "h$_0$", LOOP, 0.8)
    for step, x in enumerate(places, start=1):
        box(axes, x, rows["forward"], f"h$_{step}$", LOOP)
        box(axes, x, rows["back"], f"dz$_{step}$", LOOP)
        arrow(axes, (x, rows["before"] - 0.31), (x, rows["forward"] + 0.31), PRODUCT)
        arrow(axes, (x, rows["back"] - 0.31), (x, rows["after"] + 0.31), PRODUCT)
        arrow(axes, (x, rows["forward"] - 0.31), (x, rows["back"] + 0.31), EXPLICIT)
        left = x - (1.6 if step == 1 else 1.65)
        arrow(axes, (left, rows["forward"]), (x - 0.55, rows["forward"]), LOOP, "U")
        if step > 1:
            arrow(axes, (x - 0.55, rows["back"]), (left, rows["back"]), LOOP, "U$^T$")
    axes.text(places[-1] + 0.75, rows["forward"], "forward\nloop", color=LOOP, va="center")
    axes.text(places[-1] + 0.75, rows["back"], "loop\nback", color=LOOP, va="center")
    axes.text(
        places[0] - 0.12,
        3.5,
        "slope of step k",
        color=EXPLICIT,
        va="center",
        ha="right",
        fontsize=9,
    )
    axes.set(xlim=(-0.6, 10.4), ylim=(0.4, 6.6), aspect="equal")
    axes.axis("off")


if __name__ == "__main__":
    # Text stays text, and the file is the same on each run.
    with plt.rc_context({"svg.fonttype": "none", "svg.hashsalt": "bptt", "mathtext.default": "it"}):
        figure, axes = plt.subplots(figsize=(8.4, 4.8), layout="constrained")
        draw(axes)
        target = Path(__file__).with_name("bptt.svg")
        figure.savefig(target, metadata={"Date": None})
