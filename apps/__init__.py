"""Applications of rnnlayers: one file for each way a sequence goes in and comes out."""

import contextlib
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


# A command answers a mistake with one line. TensorFlow greets with five about the machine before
# it can be told to be quiet, so it is imported here first; whoever sets the level sees them all.
if "TF_CPP_MIN_LOG_LEVEL" not in os.environ:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    # The server knows no application and needs no Keras, which TensorFlow imports where it can, and
    # pandas, scikit-learn and Matplotlib with it: half of the time until it is ready.
    if sys.orig_argv[1:3] == ["-m", "apps.serve"]:
        sys.modules["keras"] = None  # type: ignore[assignment]
    with _silent_stderr():
        import tensorflow  # noqa: F401
