"""One file, whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def check_file(file: str | os.PathLike[str], suffix: str) -> Path:
    """Returns the path of a file to be written, of this suffix."""
    path = Path(file)
    if path.suffix != suffix or path.is_dir():
        raise ValueError(f"file must be the path of a file that ends in {suffix}. Received: {path}")
    return path


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Gives a path to write to, and renames that to `file` if nothing has failed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=file.parent) as scratch:
        staged = Path(scratch, file.name)
        yield staged
        staged.replace(file)
