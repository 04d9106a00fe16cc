"""The old place of what is in `rnnlayers.convert` now; it goes in version 0.3."""

import importlib
import warnings
from typing import Any


def __getattr__(name: str) -> Any:
    """Return a function from its new place."""
    if name.startswith("_"):
        raise AttributeError(name)
    warnings.warn(
        f"`rnnlayers.layers.convert` is `rnnlayers.convert` now: import `{name}` from there.",
        DeprecationWarning,
        stacklevel=2,
    )
    return getattr(importlib.import_module("rnnlayers.convert"), name)
