"""Run applications end to end on their embedded samples: train, evaluate, predict, export.

    python -m apps.demo                # every application
    python -m apps.demo sentiment      # those that are named

A run goes to its own folder in `runs/demo`, which is made again each time. An export becomes the
next version in `saved_models`, where `python -m apps.serve` finds it. The last lines are a table of
the results, next to the best baseline of each.
"""

import contextlib
import importlib
import io
import json
import multiprocessing
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import IO, Any

import tyro

from apps.common.applications import find_applications
from apps.common.cli import run_command
from apps.common.quiet import import_tensorflow_quietly
from apps.common.refusal import Refusal
from apps.common.scores import compare

RUNS = Path("runs/demo")
EXPORTS = Path("saved_models")
AT_ONCE = 2  # applications
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
    names = list(applications or known)
    began = time.monotonic()
    if len(names) == 1:
        results = {names[0]: run_application(names[0])}
    else:
        print(f"Running {', '.join(names)}, {AT_ONCE} at a time; this takes a few minutes")
        results = run_side_by_side(names)
    minutes, seconds = divmod(round(time.monotonic() - began), 60)
    print(f"\nResults on the embedded samples, after {minutes} min {seconds} s\n")
    print("\n".join(table(results)))
    python = Path(sys.executable)
    python = python.relative_to(Path.cwd()) if python.is_relative_to(Path.cwd()) else python.name
    print(
        f"\nPictures: {RUNS}/*/plots/*.png"
        f"\nExports: {EXPORTS}/<application>/<version>, each with a model_card.md"
        f"\nNext: {python} -m apps.serve, and a page at http://127.0.0.1:8501 to try the models;"
        f"\n      {python} -m apps.{names[0]} train --help, for data of your own"
    )


def run_side_by_side(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Run applications in processes of their own, and return their results by name.

    A training keeps little more than one core busy.
    """
    # A fresh process: one that is forked would share the threads of TensorFlow.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(AT_ONCE, context) as processes:
        running = {name: processes.submit(_run_with_name, name) for name in names}
        try:
            for done in as_completed(running.values()):
                done.result()
        except BaseException:
            processes.shutdown(wait=False, cancel_futures=True)
            raise
    return {name: future.result() for name, future in running.items()}


def _run_with_name(name: str) -> dict[str, Any]:
    """Run an application, with its name before each line that it prints."""
    lines = NamedLines(sys.stdout, name)
    with contextlib.redirect_stdout(lines), contextlib.redirect_stderr(lines):
        try:
            return run_application(name)
        except SystemExit as stop:  # would leave the other applications waiting
            raise RuntimeError(f"apps.{name} has ended with status {stop.code}") from None


class NamedLines(io.TextIOBase):
    """A stream that passes on whole lines, with a name before each.

    Args:
        stream: Where the lines go.
        name: The name.
    """

    def __init__(self, stream: IO[str], name: str) -> None:
        self.stream = stream
        self.name = name
        self.begun = ""

    def write(self, text: str) -> int:
        """Pass on the lines that are finished."""
        *lines, self.begun = (self.begun + text).split("\n")
        for line in lines:
            shown = line.rpartition("\r")[2]  # of a progress bar, only its last state
            self.stream.write(f"{self.name:<12}| {shown}".rstrip() + "\n")
        self.stream.flush()
        return len(text)


def run_application(name: str) -> dict[str, Any]:
    """Take one application from data to SavedModel by its commands.

    Args:
        name: The application.

    Returns:
        What `evaluate` wrote to `metrics.json`.
    """
    import_tensorflow_quietly()
    app = importlib.import_module(f"apps.{name}.app")
    run = RUNS / name
    if run.exists():
        shutil.rmtree(run)
    inputs = RUNS / "inputs" / name
    inputs.mkdir(parents=True, exist_ok=True)
    for command in (
        ("train", "--source", "sample", "--run", str(run)),
        ("evaluate", "--run", str(run)),
        ("predict", "--run", str(run), *app.DEMO.inputs(inputs)),
        ("export", "--run", str(run), "--to", str(EXPORTS)),
    ):
        words = (f"'{word}'" if " " in word else word for word in command)
        print(f"\n$ python -m apps.{name}", *words)
        app.main(command)
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
