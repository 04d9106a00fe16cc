"""Training in several processes of this machine: started, watched and ended together.

    python -m apps.NAME train --workers 2 ...

starts the same command twice, each with its share of the threads, or with GPUs of its own, and
with a `TF_CONFIG` that names both. This module needs no TensorFlow, so the process that watches is
small.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

COMMAND, OPTION = "train", "--workers"
THREADS = "RNNLAYERS_WORKER_THREADS"
LIFELINE = "RNNLAYERS_LIFELINE"  # a pipe that closes when the process that watches ends
# The number of processes in an environment that something else has started.
SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS")
GPUS = Path("/proc/driver/nvidia/gpus")
POLL_S = 0.1
GRACE_S = 10.0  # for the others to end by themselves, once one has
ERROR = b"error: "  # how the line begins that answers a mistake
TAIL = 40  # lines of a traceback that are shown


def start_workers(name: str, argv: Sequence[str] | None = None) -> None:
    """End the program here, after the training, if it is to run in several processes.

    Without the option, or if `TF_CONFIG`, MPI or SLURM have already started several processes, it
    does nothing.

    Args:
        name: The package, as `python -m` takes it.
        argv: Its arguments, which have been checked; those of the process if None.
    """
    argv = sys.argv[1:] if argv is None else argv
    count = _asked(argv)
    if count > 1 and not is_one_of_several():
        sys.exit(run_together([sys.executable, "-m", name, *argv], count))


def is_one_of_several() -> bool:
    """Return whether `TF_CONFIG`, MPI or SLURM have started several processes, and this is one."""
    started = any(os.environ.get(size, "1") != "1" for size in SIZES)
    return started or bool(os.environ.get("TF_CONFIG"))


def _asked(argv: Sequence[str]) -> int:
    """Return the number of processes that a checked command line asks for."""
    if not argv or argv[0] != COMMAND:
        return 1
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument(OPTION, type=int, default=1)
    return parser.parse_known_args(argv[1:])[0].workers


class Ended(NamedTuple):
    """How processes have ended."""

    status: int  # to end with
    words: str = ""  # why, if the status is not 0 and the chief has not shown a traceback
    killed: bool = False  # whether somebody has killed one


def run_together(command: Sequence[str], count: int) -> int:
    """Run a command as `watch_together` does, say why it failed, and return the status to end with.

    Args:
        command: The command.
        count: The number of processes.
    """
    try:
        ended = watch_together(command, count)
    except KeyboardInterrupt:  # which the workers get, too
        return 130
    if ended.words:
        print(ended.words, file=sys.stderr)
    return ended.status


def watch_together(command: Sequence[str], count: int) -> Ended:
    """Run a command in several processes, and end all of them once one has failed.

    The first of them, the chief, writes to the output of this process.

    Args:
        command: The command.
        count: The number of processes.

    Raises:
        KeyboardInterrupt: If the user interrupts them.
    """
    addresses = free_addresses(count)
    pipe, kept_open = os.pipe()
    folder = tempfile.mkdtemp(prefix="workers_")  # which those that are killed leave behind
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    workers: list[_Worker] = []
    try:
        for rank in range(count):
            cluster = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": rank}}
            environment = {
                **os.environ,
                **share_of(rank, count, os.environ),
                "TF_CONFIG": json.dumps(cluster),
                LIFELINE: str(pipe),
            }
            if rank:
                environment["TMPDIR"] = folder
            workers.append(_Worker(rank, command, environment, pipe))
        return _watch(workers)
    finally:
        for worker in workers:
            worker.end(GRACE_S / 5)
        for end in (pipe, kept_open):
            os.close(end)
        shutil.rmtree(folder, ignore_errors=True)


def share_of(rank: int, count: int, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that give a process its share of this machine.

    Args:
        rank: The number of the process.
        count: The number of processes.
        environment: The variables so far, in which `CUDA_VISIBLE_DEVICES` may name GPUs.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    share = {THREADS: environment.get(THREADS, str(max(1, (cores or 1) // count)))}
    named = environment.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        gpus = [str(n) for n in range(len(list(GPUS.iterdir())) if GPUS.is_dir() else 0)]
    else:
        gpus = [gpu for gpu in named.split(",") if gpu not in ("", "-1")]
    if len(gpus) >= count:
        share["CUDA_VISIBLE_DEVICES"] = ",".join(gpus[rank::count])
    return share


class _Worker:
    """One of the processes."""

    def __init__(self, rank: int, command: Sequence[str], environment: dict[str, str], pipe: int):
        self.rank = rank
        self.process = subprocess.Popen(  # noqa: S603 (our own command)
            command,
            env=environment,
            stdout=None if rank == 0 else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=() if sys.platform == "win32" else (pipe,),
        )
        self.mistake = b""  # the line that answers one
        self.lines: list[bytes] = []  # the last ones on standard error
        self.reader = threading.Thread(target=self._read, args=(self.process.stderr,), daemon=True)
        self.reader.start()

    def _read(self, stream: IO[bytes]) -> None:
        """Show what the chief writes, and keep what the others do, and each answer to a mistake."""
        for line in stream:
            if line.startswith(ERROR):
                self.mistake = line
                continue
            self.lines = [*self.lines, line][-TAIL:]
            if self.rank == 0:
                sys.stderr.buffer.write(line)
                sys.stderr.buffer.flush()

    def end(self, grace: float = 0.0) -> None:
        """End the process, if it lives. TensorFlow catches the signal that asks for it politely."""
        if grace and self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(grace)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.reader.join(1.0)


def _watch(workers: Sequence[_Worker]) -> Ended:
    """Wait for the end of all workers, or of the first that fails."""
    first = None
    while first is None:
        time.sleep(POLL_S)
        statuses = [worker.process.poll() for worker in workers]
        if all(status == 0 for status in statuses):
            return Ended(0)
        first = next((w for w, s in zip(workers, statuses, strict=True) if s), None)
    status = first.process.returncode
    if status > 0:  # a mistake that all of them may find, each at its time
        deadline = time.monotonic() + GRACE_S
        while time.monotonic() < deadline and any(w.process.poll() is None for w in workers):
            time.sleep(POLL_S)
    killed = [w for w in workers if (w.process.poll() or 0) < 0]
    for worker in workers:
        worker.end()
    chief = workers[0]
    if killed:
        names = ", ".join(f"{w.rank} (by signal {-w.process.returncode})" for w in killed)
        return Ended(
            1,
            f"error: worker {names} of {len(workers)} was killed, and the others were ended; "
            f"repeat the command to go on after the last epoch that is complete",
            killed=True,
        )
    mistaken = next((w for w in workers if w.mistake and w.process.returncode == 2), None)
    # The chief says of a worker that failed only that it is gone.
    if mistaken is chief and first is not chief and first.mistake:
        mistaken = first
    if mistaken is not None and first.process.returncode == 2:
        return Ended(2, _text(mistaken.mistake))
    lines = _text(b"".join(first.lines))
    words = "" if first is chief else f"Worker {first.rank} has failed:\n{lines}"
    return Ended(status, words)


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace").rstrip()


def free_addresses(count: int) -> list[str]:
    """Return addresses of this machine with different ports that are free."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]


def end_with_watcher() -> None:
    """End this process when the one that watches it is gone, if there is one."""
    if (pipe := os.environ.get(LIFELINE)) is None:
        return

    def wait() -> None:
        with contextlib.suppress(OSError):
            os.read(int(pipe), 1)
        os._exit(128 + signal.SIGTERM)  # the signal itself TensorFlow would catch

    threading.Thread(target=wait, daemon=True).start()
