"""Every pattern that a mask can have, and how far rounding may move a result."""

from typing import Any

import numpy as np

# One row for each pattern, False at steps to skip; a batch holds them all.
MASK_PATTERNS = {
    "none": (1, 1, 1, 1, 1, 1),
    "right": (1, 1, 1, 0, 0, 0),
    "left": (0, 0, 1, 1, 1, 1),
    "holes": (1, 0, 1, 1, 0, 1),
    "both sides": (0, 1, 1, 0, 1, 0),
    "empty row": (0, 0, 0, 0, 0, 0),
}
EVERY_PATTERN = np.array(list(MASK_PATTERNS.values()), bool)
BATCH, TIMESTEPS = EVERY_PATTERN.shape

# Relative to the largest value compared, or to one where all are smaller.
ROUNDING = {"float16": 4e-3, "bfloat16": 4e-2, "float32": 4e-6, "float64": 1e-12}


def tolerance(expected: Any, dtype: str) -> float:
    """Return the largest difference from `expected` that rounding to a dtype explains."""
    return ROUNDING[dtype] * max(1.0, np.max(np.abs(expected), initial=0.0))
