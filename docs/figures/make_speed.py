"""Draw speed.svg: training steps next to Keras and PyTorch, from the results. Run with Python."""

import json
from pathlib import Path
from statistics import geometric_mean, median

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt

FOLDER = Path(__file__).parent
RESULTS = FOLDER.parents[1] / "benchmarks" / "results" / "cells.json"
CONTENDERS = {
    "keras": "keras.layers, as `fit` runs it",
    "keras_xla": "keras.layers with XLA",
    "torch": "PyTorch",
}
COLORS = ("#2c6fad", "#7fb1de", "#e08e3c")


def speed_ups():
    """Return for each cell and contender the geometric mean over five shapes of time / ours."""
    rows = [row for row in json.loads(RESULTS.read_text())["rows"] if row["table"] == "Training"]
    found = {}
    for row in rows:
        ours = median(row["rounds"]["ours"])
        for name in CONTENDERS:
            cell = row["case"].split()[0]
            ratio = median(row["rounds"][name]) / ours
            found.setdefault(cell, {}).setdefault(name, []).append(ratio)
    return {
        cell: {name: geometric_mean(ratios) for name, ratios in ratios_of.items()}
        for cell, ratios_of in found.items()
    }


def draw(axes, found):
    """Draw a group of bars for each cell and a line where both are equally fast."""
    width = 0.26
    for place, (name, label) in enumerate(CONTENDERS.items()):
        heights = [ratios[name] for ratios in found.values()]
        bars = axes.bar(
            [x + (place - 1) * width for x in range(len(found))],
            heights,
            width,
            label=label,
            color=COLORS[place],
        )
        axes.bar_label(bars, fmt="%.1f", fontsize=9)
    axes.axhline(1, color="black", lw=1)
    axes.set_xticks(range(len(found)), found)
    axes.set(ylabel="time of a training step / ours", ylim=(0, 5))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, ncols=3, loc="upper center", fontsize=9)


if __name__ == "__main__":
    mpl.rcParams["svg.hashsalt"] = "speed"  # so that the same figures give the same file
    figure, axes = plt.subplots(figsize=(7.2, 2.8), layout="constrained")
    draw(axes, speed_ups())
    figure.savefig(FOLDER / "speed.svg", metadata={"Date": None})
