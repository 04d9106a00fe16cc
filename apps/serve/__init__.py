"""The server: SavedModels behind TensorFlow Serving's REST API, with a page to try them."""

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def without_keras() -> Iterator[None]:
    """Hide Keras while TensorFlow is imported.

    TensorFlow imports Keras where it can, and Keras imports pandas, scikit-learn and Matplotlib,
    which takes as long again. The server needs none of them, and starts in half the time.
    """
    hidden = "keras" not in sys.modules
    if hidden:
        sys.modules["keras"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if hidden:
            del sys.modules["keras"]
