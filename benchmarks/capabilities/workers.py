"""What a process that trains needs: its threads, the tasks, and one run after the other."""

from pathlib import Path
from typing import Any

import tensorflow as tf

from apps.textgen.data import from_sample
from benchmarks.capabilities.tasks import Task, all_tasks
from benchmarks.capabilities.training import train

_tasks: dict[str, Task] = {}


def read_text(path: str | None) -> str:
    """Return the text of a file, or that which comes with the project."""
    if path is not None:
        return Path(path).read_text("utf-8")
    splits = from_sample()
    return splits.train + splits.validation


def start(text: str | None, mnist: str | None) -> None:
    """Prepare the process: one thread, all tasks."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    _tasks.update(all_tasks(read_text(text), mnist))


def run(job: tuple[str, str, int, int, float, int | None]) -> dict[str, Any]:
    """Train one network: its cell, task, seed, number of weights, share and number of steps.

    See `train`.
    """
    cell, task, seed, parameters, share, goal = job
    result = train(cell, _tasks[task], parameters, seed, share, goal)
    return {"cell": cell, "task": task, "seed": seed, "share": share, **result}
