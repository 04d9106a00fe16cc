"""Run applications end to end on their embedded samples: train, evaluate, predict, export.

    python -m apps.demo                # every application
    python -m apps.demo sentiment      # those that are named

A run goes to its own folder in `runs/demo`, which is made again each time. An export becomes the
next version in `saved_models`, where `python -m apps.serve` finds it. The last lines are a table of
the results, next to the best baseline of each.
"""

import importlib
import json
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tyro

from apps.common.applications import Demo, find_applications
from apps.common.cli import run_command
from apps.common.quiet import import_tensorflow_quietly
from apps.common.refusal import Refusal
from apps.common.scores import compare

RUNS = Path("runs/demo")
EXPORTS = Path("saved_models")
LAYOUT = "{:<12}  {:<26}  {:>10}  {:>13}  {}"


def demo(applications: tyro.conf.Positional[tuple[str, ...]] = ()) -> None:
    """Run applications end to end and print a table of their results.

    Args:
        applications: The names of applications; all of them if none is given.
    """
    known = find_applications()
    if unknown := [name for name in applications if name not in known]:
        raise Refusal(
            f"applications must be some of {', '.join(known)}; received {', '.join(unknown)}"
        )
    import_tensorflow_quietly()
    modules = {name: importlib.import_module(f"apps.{name}.app") for name in applications or known}
    order = sorted(modules, key=lambda name: modules[name].DEMO.seconds)
    seconds = sum(modules[name].DEMO.seconds for name in order)
    print(f"Running {', '.join(order)}: about {seconds} seconds on two cores")
    began, results = time.monotonic(), {}
    for name in order:
        results[name] = run_application(name, modules[name].main, modules[name].DEMO)
    minutes, seconds = divmod(round(time.monotonic() - began), 60)
    print(f"\nResults on the embedded samples, after {minutes} min {seconds} s\n")
    print("\n".join(table(results)))
    python = Path(sys.executable)
    python = python.relative_to(Path.cwd()) if python.is_relative_to(Path.cwd()) else python.name
    print(
        f"\nPictures: {RUNS}/*/plots/*.png"
        f"\nExports: {EXPORTS}/<application>/<version>, each with a model_card.md"
        f"\nNext: {python} -m apps.serve, and a page at http://127.0.0.1:8501 to try the models;"
        f"\n      {python} -m apps.{order[0]} train --help, for data of your own"
    )


def run_application(name: str, main: Any, demo: Demo) -> dict[str, Any]:
    """Take one application from data to SavedModel by its commands.

    Args:
        name: The application.
        main: Runs a command of it.
        demo: How to show it.

    Returns:
        What `evaluate` wrote to `metrics.json`.
    """
    run = RUNS / name
    if run.exists():
        shutil.rmtree(run)
    inputs = RUNS / "inputs" / name
    inputs.mkdir(parents=True, exist_ok=True)
    for command in (
        ("train", "--source", "sample", "--run", str(run)),
        ("evaluate", "--run", str(run)),
        ("predict", "--run", str(run), *demo.inputs(inputs)),
        ("export", "--run", str(run), "--to", str(EXPORTS)),
    ):
        words = (f"'{word}'" if " " in word else word for word in command)
        print(f"\n$ python -m apps.{name}", *words)
        main(command)
    return json.loads((run / "metrics.json").read_text("utf-8"))


def table(results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return lines of at most 100 columns, one for each application and metric.

    Metrics that no baseline has, and those without a best value, are left out.

    Args:
        results: What `evaluate` wrote for each application.
    """
    lines = [LAYOUT.format("application", "metric", "this model", "best baseline", "which")]
    for name, result in results.items():
        arguments = (result[n] for n in ("metrics", "baselines", "lower_is_better", "unordered"))
        for each in compare(*arguments):
            cells = f"{each.ours:.3f}", f"{each.theirs:.3f}", each.baseline
            lines.append(LAYOUT.format(name, each.metric, *cells))
    return lines


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    run_command(demo, argv, "apps.demo", __doc__)


if __name__ == "__main__":
    main()
