"""Applications of rnnlayers: one file for each way a sequence goes in and comes out."""

import contextlib
import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Closes file descriptor 2 for a while: C++ code writes there past `sys.stderr`."""
    sys.stderr.flush()
    saved = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


@contextlib.contextmanager
def _without_keras() -> Iterator[None]:
    """Hides Keras for a while, which TensorFlow imports where it can.

    pandas, scikit-learn and Matplotlib come with it: as much time again.
    """
    sys.modules["keras"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["keras"]


with contextlib.ExitStack() as _stack:
    # The server knows no application and needs no Keras.
    if ("-m", "apps.serve") in itertools.pairwise(sys.orig_argv) and "keras" not in sys.modules:
        _stack.enter_context(_without_keras())
    # A command answers a mistake with one line. TensorFlow greets with five about the machine
    # before it can be told to be quiet, so it is imported here first; whoever sets the level sees
    # them all.
    if "TF_CPP_MIN_LOG_LEVEL" not in os.environ:
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        _stack.enter_context(_silent_stderr())
    import tensorflow  # noqa: F401
