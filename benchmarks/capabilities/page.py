"""The page of results, made from the files of the runs and from nothing else."""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from apps.common.files import replacing
from benchmarks.capabilities.tasks import Task

COMMAND = "python -m benchmarks.capabilities"
SHOWN = ("Elman", "LSTM", "GRU", "LayerNormLSTM", "SLSTM", "MinGRU", "LRU", "LEM")  # in the picture


def write_page(
    runs: Path,
    tasks: Mapping[str, Task],
    machine: Mapping[str, Any],
    folder: Path,
    options: Sequence[str] = (),
) -> None:
    """Write capabilities.json, .md and .png from all runs of a folder.

    The file has the learning curves of the cells that the picture shows.

    Args:
        runs: The folder.
        tasks: The tasks by name; runs of others are left out.
        machine: What the numbers depend on.
        folder: Where the page goes.
        options: Those of the command that made the runs.
    """
    results = [json.loads(path.read_text("utf-8")) for path in sorted(runs.glob("*.json"))]
    kept = [result for result in results if result["task"] in tasks]
    if not kept:
        print(f"No runs in {runs}, so no page.")
        return
    folder.mkdir(parents=True, exist_ok=True)
    abouts = {
        name: {key: getattr(task, key) for key in ("about", "score", "guess", "seconds", "known")}
        for name, task in tasks.items()
    }
    command = " ".join([COMMAND, *options])
    # The picture has the curves of a few cells; those of all would be most of the file.
    shown = [
        {key: run[key] for key in run if key != "curve" or run["cell"] in SHOWN} for run in kept
    ]
    everything = {"command": command, "machine": machine, "tasks": abouts, "runs": shown}
    with replacing(folder / "capabilities.json") as path:
        path.write_text(json.dumps(everything))
    with replacing(folder / "capabilities.md") as path:
        path.write_text(render(everything))
    with replacing(folder / "capabilities.png") as path:
        draw(kept, tasks, path)
    print(folder / "capabilities.md")


def render(results: Mapping[str, Any]) -> str:
    """Return the page."""
    runs, tasks, machine = results["runs"], results["tasks"], results["machine"]
    present = [name for name in tasks if any(run["task"] == name for run in runs)]
    shares = sorted({run["share"] for run in runs})
    versions = ", ".join(
        f"{name} {version}" for name, version in machine["versions"].items() if version
    )
    lines = [
        "# What cells can learn",
        "",
        "Every cell in the same network, with the same number of weights and the same seconds of "
        "the processor on each task. Scores are those of held-out data: "
        + (
            "the mean over seeds and, behind ±, half the distance between the best and the worst. "
            "The seconds are those of the first seed; the others train for as many steps as it "
            "did, or for the seconds where it diverged."
            if len({run["seed"] for run in runs}) > 1
            else "one seed, so small differences mean nothing."
        ),
        "",
        f"`{results['command']}`; {machine['processor']}, one thread for each run; {versions}.",
    ]
    if shares != [1.0]:
        lines += ["", f"Runs used these parts of the seconds below: {shares}."]
    lines += ["", "| task | what must be learned | score | best blind guess | seconds | known |"]
    lines += ["| --- | --- | --- | ---: | ---: | --- |"]
    for name in present:
        task = tasks[name]
        lines.append(
            f"| {name} | {task['about']} | {_meaning(task['score'])} | "
            f"{task['guess'] * (100 if task['score'] == 'accuracy' else 1):.3g} | "
            f"{task['seconds']:g} | {task['known'] or '-'} |"
        )
    lines += ["", "## Scores", "", f"| cell | units | {' | '.join(present)} |"]
    lines += [f"| --- | ---: |{' ---: |' * len(present)}"]
    for cell in sorted({run["cell"] for run in runs}):
        of_cell = [run for run in runs if run["cell"] == cell]
        units = _range(run["units"] for run in of_cell)
        scores = [_score(of_cell, name, tasks[name]["score"]) for name in present]
        lines.append(f"| {cell} | {units} | {' | '.join(scores)} |")
    lines += ["", "![Scores while they train](capabilities.png)", "", "## Training speed", ""]
    lines += ["Milliseconds of the processor for a step with 32 sequences, in the first seed.", ""]
    # Other seeds may have run on another machine.
    last_to_first = sorted(runs, key=lambda run: run["seed"], reverse=True)
    first = {(run["cell"], run["task"]): run for run in last_to_first}
    lines += [f"| cell | weights | {' | '.join(present)} |"]
    lines += [f"| --- | ---: |{' ---: |' * len(present)}"]
    for cell in sorted({run["cell"] for run in runs}):
        of_cell = [run for run in runs if run["cell"] == cell]
        weights = _range(run["parameters"] for run in of_cell)
        shown = [
            f"{first[cell, name]['ms_per_step']:.3g}" if (cell, name) in first else "-"
            for name in present
        ]
        lines.append(f"| {cell} | {weights} | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"


def _meaning(score: str) -> str:
    return {
        "error": "mean squared error",
        "accuracy": "accuracy, %",
        "bits": "bits",
    }[score]


def _range(values: Iterable[int]) -> str:
    values = sorted(set(values))
    return f"{values[0]:,}" if len(values) == 1 else f"{values[0]:,} to {values[-1]:,}"


def _score(runs: Sequence[Mapping[str, Any]], task: str, kind: str) -> str:
    """Return the scores of one cell at one task as the table shows them."""
    scores = [next(iter(run["scores"].values())) for run in runs if run["task"] == task]
    if not scores:
        return "-"
    factor, form = (100, ".1f") if kind == "accuracy" else (1, ".2g" if kind == "error" else ".3f")
    mean = factor * statistics.mean(scores)
    if len(scores) == 1:
        return f"{mean:{form}}"
    return f"{mean:{form}} ± {factor * (max(scores) - min(scores)) / 2:{form}}"


def draw(runs: Sequence[Mapping[str, Any]], tasks: Mapping[str, Task], path: Path) -> None:
    """Draw the mean curves of some cells, one panel for each task."""
    present = [name for name in tasks if any(run["task"] == name for run in runs)]
    columns = min(3, len(present))
    rows = -(-len(present) // columns)
    figure, panels = plt.subplots(
        rows, columns, figsize=(4 * columns, 2.8 * rows), squeeze=False, layout="constrained"
    )
    for panel, name in zip(panels.flat, present, strict=False):
        for number, cell in enumerate(SHOWN):
            curves = [run["curve"] for run in runs if (run["task"], run["cell"]) == (name, cell)]
            marks = min(map(len, curves), default=0)
            if marks:
                shares = [statistics.mean(curve[i][0] for curve in curves) for i in range(marks)]
                scores = [statistics.mean(curve[i][1] for curve in curves) for i in range(marks)]
                seconds = [share * tasks[name].seconds for share in shares]
                # One colour in all panels, whatever is missing in some.
                panel.plot(seconds, scores, color=f"C{number}", label=cell)
        panel.axhline(tasks[name].guess, color="grey", linestyle=":", linewidth=1)
        panel.set_title(name)
        panel.set_xlabel("seconds of the processor")
        panel.set_ylabel(tasks[name].score)
        if tasks[name].score == "error":
            panel.set_yscale("log")
    for panel in list(panels.flat)[len(present) :]:
        panel.axis("off")
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    figure.savefig(path, dpi=110, format="png")
    plt.close(figure)
