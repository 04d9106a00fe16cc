"""The server: SavedModels behind TensorFlow Serving's REST API, with a page to try them."""

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def without_keras() -> Iterator[None]:
    """Hide Keras while TensorFlow is imported.

    TensorFlow imports Keras if it is installed, and Keras imports pandas, scikit-learn and
    Matplotlib, which takes as long again. The server needs none of them. `__main__.py` hides Keras
    in the server's own process. Whoever imports a module of this package keeps theirs.
    """
    hidden = "keras" not in sys.modules
    if hidden:
        sys.modules["keras"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if hidden:
            del sys.modules["keras"]
