"""Kill a training at random moments and let it go on, until it has been killed often enough.

    python -m tests.apps.kills apps.textgen.app 20 FOLDER --source sample

The trainings are forked from a process that has imported everything, so that kills hit what a
training does and not the imports. `FOLDER/unbroken` is a run that nobody kills, and the others are
`FOLDER/broken_1` and so on, each of which has finished.
"""

import importlib
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

SEED = 1  # of the moments
SOON = 0.3  # seconds
LOG = "{}.log"  # what the trainings of a run print


def fork(main: Callable[[Sequence[str]], None], run: Path, options: Sequence[str]) -> int:
    """Start a training in a new process, and return its number."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        log = os.open(run.with_name(LOG.format(run.name)), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        main(["train", "--run", str(run), *options])
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def finish(child: int) -> None:
    """Wait for a training to end."""
    _, status = os.waitpid(child, 0)
    if status:
        sys.exit(f"a training has ended with {os.waitstatus_to_exitcode(status)}")


def newest(run: Path) -> str:
    """Return the name of the last epoch that a run holds."""
    return max((path.stem for path in run.glob("checkpoints/epoch_*.keras")), default="no epoch")


def kill_after(child: int, seconds: float, run: Path | None = None) -> bool:
    """Kill a training after a time, which counts from the next epoch of its run if that is given.

    Returns:
        Whether it was still there.
    """
    before = run and newest(run)
    end = None if run else time.monotonic() + seconds
    while end is None or time.monotonic() < end:
        if end is None and newest(run) != before:
            end = time.monotonic() + seconds
        number, status = os.waitpid(child, os.WNOHANG)
        if number:
            if status:
                sys.exit(f"a training has ended with {os.waitstatus_to_exitcode(status)}")
            return False
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def main(module: str, kills: str, folder: str, *options: str) -> None:
    """Train with the `main` of a module once unbroken, and then again and again with kills.

    Most of the time of a small training is its first step, which compiles. So every other kill
    comes with the next epoch, while it is written or soon after.
    """
    command, draw = importlib.import_module(module).main, random.Random(SEED)
    root, began = Path(folder), time.monotonic()
    finish(fork(command, root / "unbroken", options))
    lasted, done, number, resumed = time.monotonic() - began, 0, 1, 0
    while done < int(kills):
        run = root / f"broken_{number}"
        resumed += newest(run) != "no epoch"
        child, moment = fork(command, run, options), draw.random()
        if done % 2:
            killed = kill_after(child, (0.1 + 0.8 * moment) * lasted)
        else:
            killed = kill_after(child, SOON * moment, run)
        # A kill may also come between the end of a training and that of its process.
        finished = not killed or (run / "model.keras").exists()
        done, number = done + killed, number + finished
        print(f"{module}: {done} of {kills} kills, {run.name} has {newest(run)}", flush=True)
    if (root / f"broken_{number}").exists():
        resumed += newest(root / f"broken_{number}") != "no epoch"
        finish(fork(command, root / f"broken_{number}", options))
    if not resumed:
        sys.exit("no training went on from an epoch: the kills came too early or too late")


if __name__ == "__main__":
    main(*sys.argv[1:])
