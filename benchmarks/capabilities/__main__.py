"""Train every cell on the same tasks with the same parameters and seconds, and compare them.

    python -m benchmarks.capabilities                            # everything: four hours
    python -m benchmarks.capabilities --cells LSTM GRU LRU --tasks parity "copy 100"
    python -m benchmarks.capabilities --share 0.1 --seeds 1      # to see that it runs

A network is a dense layer, one recurrent layer and a dense layer, of about the same number of
weights for every cell. All are trained alike: Adam with a rate that falls from 0.01 to 0, batches
of 32, gradients clipped to a norm of 1, no regularization. Time is that of the processor, on one
thread, without what compiling and scoring take, so other work on the machine hardly matters. The
seconds are those of the first seed; the others train for as many steps as it did, so that they
may run on a slower machine or another day. No score decides anything: it is that of the last
weights, on data that training does not see.

A run that is in RUNS is not trained again, so the command can be interrupted and repeated.
"""

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":  # before TensorFlow starts, and not where a test imports this
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

from apps.common.files import replacing
from benchmarks.capabilities import workers
from benchmarks.capabilities.page import write_page
from benchmarks.capabilities.tasks import all_tasks
from benchmarks.capabilities.training import MARKS, layer_names
from benchmarks.results import describe_machine

RESULTS = Path(__file__).parents[1] / "results"


def main(argv: Sequence[str] | None = None) -> None:
    """Train what is missing and write the page."""
    given = _parse(argv)
    tasks = all_tasks(workers.read_text(given.text), given.mnist)
    names = given.tasks or list(tasks)
    if unknown := set(names) - set(tasks):
        sys.exit(f"--tasks: {', '.join(sorted(unknown))}? There are {', '.join(tasks)}.")
    if unknown := set(given.cells or ()) - set(layer_names()):
        sys.exit(f"--cells: {', '.join(sorted(unknown))}? There are {', '.join(layer_names())}.")
    given.runs.mkdir(parents=True, exist_ok=True)
    seeds = range(1, given.seeds + 1)
    wanted = [(name, cell) for name in names for cell in given.cells or layer_names()]
    missing = [
        (cell, name, seed)
        for seed in seeds
        for name, cell in wanted
        if not path_of(given.runs, cell, name, seed).exists()
    ]
    print(f"{len(wanted) * len(seeds)} runs, {len(missing)} of them to be trained")
    spawn = multiprocessing.get_context("spawn")
    # A new process from time to time gives back what compiling has kept. (The pool of
    # `concurrent.futures` can wait for ever when it does so: CPython issue 115634.)
    with spawn.Pool(
        given.processes, workers.start, (given.text, given.mnist), maxtasksperchild=20
    ) as pool:
        number = 0
        for seed in seeds:  # one after the other, since the first sets the steps of the others
            jobs = [
                (*run, given.parameters, given.share, steps_of_first(given.runs, *run, given.share))
                for run in missing
                if run[-1] == seed
            ]
            for result in pool.imap_unordered(workers.run, jobs):
                number += 1
                cell, name = result["cell"], result["task"]
                with replacing(path_of(given.runs, cell, name, seed)) as path:
                    path.write_text(json.dumps(result))
                score = next(iter(result["scores"].values()))
                print(
                    f"{number}/{len(missing)} {cell}, {name}, seed {seed}: {score:.4g}", flush=True
                )
    options = sys.argv[1:] if argv is None else argv
    write_page(given.runs, tasks, describe_machine({}), given.to, options)


def path_of(runs: Path, cell: str, task: str, seed: int) -> Path:
    """Return the file of a run."""
    return runs / f"{cell}-{task.replace(' ', '_')}-{seed}.json"


def steps_of_first(runs: Path, cell: str, task: str, seed: int, share: float) -> int | None:
    """Return how many steps seed 1 trained for, where it is done and another seed asks."""
    path = path_of(runs, cell, task, 1)
    if seed == 1 or not path.exists():
        return None
    first = json.loads(path.read_text("utf-8"))
    # One that diverged stopped before its time.
    return first["steps"] if first["share"] == share and len(first["curve"]) == MARKS else None


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    description, _, epilog = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        "python -m benchmarks.capabilities",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cells", nargs="+", help="names of layers, such as LSTM; default: all")
    parser.add_argument("--tasks", nargs="+", help="names of tasks; default: all")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 1 on")
    parser.add_argument("--parameters", type=int, default=20_000, help="weights of a network")
    parser.add_argument("--share", type=float, default=1.0, help="part of each task's seconds")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="runs side by side")
    parser.add_argument("--text", help="a text file for the characters; default: the sample")
    parser.add_argument("--mnist", help='a folder of its IDX files, or "tfds": two more tasks')
    parser.add_argument("--runs", type=Path, default=Path("runs/capabilities"))
    parser.add_argument("--to", type=Path, default=RESULTS, help="where the page goes")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
