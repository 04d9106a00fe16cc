"""Files that exist whole or not at all, and a list of those that a command wrote."""

import contextlib
import contextvars
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

MAX_LISTED = 8  # files of one folder

_written: contextvars.ContextVar[list[Path] | None] = contextvars.ContextVar(
    "written", default=None
)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to, and rename it to `path` when everything is written."""
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    note_written(path)


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
