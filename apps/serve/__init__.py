"""The server: SavedModels behind TensorFlow Serving's REST API, with a page to try them."""

import contextlib
import importlib.util
import sys
from collections.abc import Iterator

# Of the group `serving`.
NEEDED = ("fastapi", "httptools", "prometheus_client", "tensorflow_serving", "uvicorn", "yaml")


def missing_packages() -> list[str]:
    """Return the packages of the dependency group `serving` that are not installed."""
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


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
