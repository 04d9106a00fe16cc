"""A picture of each page of results that compares contenders, drawn from the same JSON."""

import json
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl

from docs.site.pages import ROOT

RESULTS = ROOT / "benchmarks" / "results"
COLORS = ("#2c6fad", "#e08e3c", "#3f8f5f")  # told apart with any kind of sight
MARKS = ("o", "s", "^")


def draw_results(pages: Path) -> None:
    """Draw what each JSON file compares, and show it below the heading of its page."""
    for path in sorted(RESULTS.glob("*.json")):
        results = json.loads(path.read_text("utf-8"))
        if not results.get("ratios"):
            continue
        picture = pages / f"{path.stem}.svg"
        draw_ratios(results, picture)
        page = pages / f"{path.stem}.md"
        heading, _, rest = page.read_text("utf-8").partition("\n")
        titles = ", ".join(ratio["title"] for ratio in results["ratios"])
        page.write_text(f"{heading}\n\n![{titles}]({picture.name})\n{rest}", "utf-8")


def draw_ratios(results: dict[str, Any], to: Path) -> None:
    """Draw the median ratios of all cases, on a logarithmic axis with a line at 1."""
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = to.stem  # so that the same figures give the same file
    import matplotlib.pyplot as plt

    tables: dict[str, list[Any]] = {}
    for row in results["rows"]:
        tables.setdefault(row["table"], []).append(row)
    height = 1.1 + 0.25 * max(map(len, tables.values()))
    figure, all_axes = plt.subplots(
        1, len(tables), figsize=(7.2, height), layout="constrained", squeeze=False
    )
    for axes, (title, rows) in zip(all_axes[0], tables.items(), strict=True):
        for number, ratio in enumerate(results["ratios"]):
            found = [_ratio(row["rounds"], ratio) for row in rows]
            there = [(value, place) for place, value in enumerate(found) if value]
            axes.plot(
                *zip(*there, strict=True),
                MARKS[number],
                color=COLORS[number],
                label=ratio["title"],
            )
        axes.axvline(1, color="black", lw=1)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(mpl.ticker.LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
        axes.set_yticks(range(len(rows)), [row["case"] for row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_title(title, fontsize=10)
        axes.grid(alpha=0.3)
    figure.supxlabel(f"ratio of {'times' if 's' in results['unit'] else 'sizes'}", fontsize=10)
    handles, labels = all_axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    figure.savefig(to, metadata={"Date": None})
    plt.close(figure)


def _ratio(rounds: dict[str, list[float]], ratio: dict[str, str]) -> float | None:
    """Return the median over the rounds that both contenders have, or None if one is missing."""
    above, below = rounds.get(ratio["above"]), rounds.get(ratio["below"])
    if not above or not below:
        return None
    return median(a / b for a, b in zip(above, below, strict=False))
