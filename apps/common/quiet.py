"""TensorFlow without its greetings, for commands."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path


def import_tensorflow_quietly() -> None:
    """Import TensorFlow without what it writes about the machine.

    A command answers a mistake with one line. TensorFlow writes five before it can be told to be
    quiet, so a command imports it here first. Whoever sets `TF_CPP_MIN_LOG_LEVEL` sees them all.
    """
    quiet = "TF_CPP_MIN_LOG_LEVEL" not in os.environ
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _silent_stderr() if quiet else contextlib.nullcontext():
        import tensorflow  # noqa: F401


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Close file descriptor 2 for a while, since C++ code writes there past `sys.stderr`."""
    sys.stderr.flush()
    saved = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
