"""Files that exist whole or not at all, and a list of those that a command wrote."""

import contextlib
import contextvars
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from apps.common.locks import WITHOUT_LOCKS, is_abandoned, open_locked

MAX_LISTED = 8  # files of one folder
TEMPORARY = re.compile(r"\.\d+-.+")  # the names that `replacing` gives, with the process

_written: contextvars.ContextVar[list[Path] | None] = contextvars.ContextVar(
    "written", default=None
)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to, and rename it to `path` when everything is written.

    Raises:
        OSError: If it cannot be written; the error names the file.
    """
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        with _locked(temporary):
            yield temporary
            temporary.replace(path)
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(temporary), temporary):
            raise
        # A full disk is reported without a name, or with the temporary one.
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)
    note_written(path)


@contextlib.contextmanager
def _locked(temporary: Path) -> Iterator[None]:
    """Hold the lock of a new file, which tells it from those that a killed process left."""
    with contextlib.ExitStack() as held:
        if sys.platform != "win32":  # where an open file cannot be renamed
            try:
                held.enter_context(open_locked(temporary))
            except OSError as error:
                if error.errno not in WITHOUT_LOCKS:  # then nothing is cleared, either
                    raise
        yield


def clear_abandoned(folder: Path) -> None:
    """Remove what processes that were killed while they wrote have left behind in a folder.

    Files of processes that live stay, and what cannot be removed stays, too.
    """
    if sys.platform == "win32":  # where those that live hold no locks
        return
    for file in folder.rglob(".*"):
        if TEMPORARY.fullmatch(file.name) and file.is_file() and is_abandoned(file):
            with contextlib.suppress(OSError):
                file.unlink()


def allocate(file: Path) -> None:
    """Give a file, which may have holes, all of its blocks on the disk.

    A hole that is written to through a mapping when the disk is full kills the process. Here that
    is an error.

    Raises:
        OSError: If the disk is full.
    """
    if hasattr(os, "posix_fallocate"):
        with file.open("r+b") as stream:
            os.posix_fallocate(stream.fileno(), 0, file.stat().st_size)


def note_written(path: Path) -> None:
    """Have `listing_written` list a file or folder."""
    if (written := _written.get()) is not None:
        written.append(path)


@contextlib.contextmanager
def listing_written() -> Iterator[None]:
    """Print on standard error which files were written in between and still exist.

    After an error nothing is printed: a command answers a mistake with one line.
    """
    written: list[Path] = []
    token = _written.set(written)
    try:
        yield
    finally:
        _written.reset(token)
    paths = [path for path in dict.fromkeys(written) if path.exists()]
    if paths:
        # Results alone go to standard output, which may lead to a file or to another program.
        print("Written:", *_lines(paths), sep="\n  ", file=sys.stderr)


def _lines(paths: list[Path]) -> Iterator[str]:
    """Return the path of each file, or of a folder in which many were written."""
    counts = Counter(path.parent for path in paths)
    for folder, count in counts.items():
        if count > MAX_LISTED:
            yield f"{folder}{os.sep} ({count} files)"
        else:
            yield from (str(path) for path in paths if path.parent == folder)
