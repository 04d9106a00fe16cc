"""One training in several processes: they join, train the same, and the chief alone writes the run.

Every process runs the same command. Those that are not the chief work in a temporary folder with a
copy of the chief's run, so that nothing else in an application needs to know of them.
"""

import atexit
import contextlib
import dataclasses
import io
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from apps.common.files import TEMPORARY
from apps.common.refusal import Refusal
from apps.common.workers import THREADS, end_with_watcher
from rnnlayers import distribute

START_TIMEOUT = "RNNLAYERS_START_TIMEOUT"  # seconds; more where processes start minutes apart
LEFT_OUT = {"tensorboard", "plots", "cache"}  # folders of a run that a training does not read
SHARED = {".json", ".csv", ".keras", ".txt"}  # what it reads
# What collective operations raise once another process has ended.
GONE = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
    tf.errors.UnknownError,
    tf.errors.FailedPreconditionError,
)


def join_workers(run: Path, settings: Any, workers: int) -> Path:
    """Join the other processes of a training, and return the folder in which this one works.

    Call it before anything of TensorFlow runs. Without other processes it does nothing.

    Args:
        run: The folder of the run.
        settings: The settings of the run, a dataclass, which must be the same in all processes.
        workers: The number of processes that the user asks for. 1 is any number: what `TF_CONFIG`,
            MPI or SLURM say.

    Returns:
        The folder of the run in the chief, and in the others a temporary one with a copy of it.

    Raises:
        Refusal: If the processes do not come together, or do not train the same.
    """
    if workers < 1:
        raise Refusal(f"workers must be at least 1; received {workers}")
    if threads := os.environ.get(THREADS):
        tf.config.threading.set_intra_op_parallelism_threads(int(threads))
        tf.config.threading.set_inter_op_parallelism_threads(max(1, int(threads)))
        end_with_watcher()
    timeout = os.environ.get(START_TIMEOUT, "55")
    if not timeout.isdecimal() or timeout == "0":
        raise Refusal(f"{START_TIMEOUT} must be a number of seconds; received {timeout!r}")
    same = {"application": type(settings).__module__, **dataclasses.asdict(settings)}
    try:
        cluster = distribute.initialize(same=same, start_timeout=float(timeout))
    except (ValueError, distribute.MeetingError) as error:
        raise Refusal(str(error)) from error
    if workers not in (1, cluster.size):
        raise Refusal(
            f"workers must be the number of processes that were started, {cluster.size}, or be "
            f"left out; received {workers}"
        )
    if cluster.size == 1:
        return run
    print(f"Worker {cluster.rank} of {cluster.size} ({cluster.source})")
    with missing_workers_refused():
        packed = distribute.bytes_from_chief(
            _packed(run) if distribute.is_chief() else None, "the run so far"
        )
    if distribute.is_chief():
        return run
    folder = Path(tempfile.mkdtemp(prefix=f"worker_{cluster.rank}_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return _unpacked(packed, folder / run.name)


@contextlib.contextmanager
def missing_workers_refused() -> Iterator[None]:
    """Turn the error of a collective operation, if another process has ended, into one line.

    Raises:
        Refusal: If another process has ended.
    """
    try:
        yield
    except GONE as error:
        if distribute.size() == 1:
            raise
        reason = str(error.message).strip().splitlines()[-1:] or [""]
        raise Refusal(
            f"another of the {distribute.size()} processes has ended or does not answer, so worker "
            f"{distribute.rank()} ends, too ({type(error).__name__}: {reason[0]:.200}); repeat the "
            f"command everywhere to go on after the last epoch that is complete"
        ) from error


def check_same_batches(**datasets: tf.data.Dataset) -> None:
    """Refuse data that are not the same in all processes.

    What is compared is the number of batches and the first of them, which the random order draws
    from all of the data.

    Args:
        **datasets: Data sets of whole batches, by what they are for.

    Raises:
        Refusal: If a process has other data than the chief.
    """
    if distribute.size() == 1:
        return
    for name, dataset in datasets.items():
        count = int(dataset.cardinality().numpy())
        digest = zlib.crc32(str(count).encode())
        for batch in dataset.take(1).as_numpy_iterator():
            for part in tf.nest.flatten(batch):
                digest = zlib.crc32(np.ascontiguousarray(part).tobytes(), digest)
        digests = distribute.gather(digest, f"digests of {name}")
        if differing := [r for r, other in enumerate(digests) if other != digests[0]]:
            raise Refusal(
                f"worker {differing[0]} has other {name} data than worker 0: give all of them the "
                f"same files"
            )


@contextlib.contextmanager
def as_one_process(model: keras.Model) -> Iterator[None]:
    """Save a model in between as one process would, so that any number of them can go on."""
    optimizer = model.optimizer
    model.optimizer = distribute.undistributed_optimizer(model)
    try:
        yield
    finally:
        model.optimizer = optimizer


def _packed(run: Path) -> bytes:
    """Return an archive of the folders of a run, and of the files in it that a training reads."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path in sorted(run.rglob("*")):
            parts = path.relative_to(run).parts
            kept = path.suffix in SHARED and not TEMPORARY.fullmatch(path.name)
            if path.is_dir() or (kept and not LEFT_OUT & {*parts}):
                archive.add(path, "/".join(parts), recursive=False)
    return stream.getvalue()


def _unpacked(content: bytes, folder: Path) -> Path:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        if archive.getnames():  # otherwise the run is new, and has no folder yet
            archive.extractall(folder, filter="data")
    return folder
