"""How far a gradient reaches and how fast it changes, from its norms at all steps."""

import numpy as np

LEFT = 0.01  # of the norm: what counts as gone


def in_order(norms: np.ndarray, valid: np.ndarray | None, reverse: bool) -> list[np.ndarray]:
    """Return the norms of the steps that count of each row, the step computed last first.

    Args:
        norms: `(batch, timesteps)`.
        valid: Booleans of the same shape, or None for all.
        reverse: Whether the last step is computed first.
    """
    valid = np.ones(norms.shape, bool) if valid is None else valid
    return [row[counts][:: 1 if reverse else -1] for row, counts in zip(norms, valid, strict=True)]


def reach_of(norms: np.ndarray, left: float = LEFT) -> float:
    """Return how many steps back a gradient gets until less than a share of it is left.

    It is counted from the last step that has a gradient. If more is left everywhere, it is the
    number of steps before that one; without any gradient it is NaN.

    Args:
        norms: `(timesteps,)`, the step computed last first.
        left: The share.

    Example:

    >>> from rnnlayers.diagnostics.measures import reach_of
    >>> reach_of(np.array([1.0, 0.1, 0.009, 0.001]))
    2.0
    """
    there = np.flatnonzero(norms > 0)
    if not there.size or not np.isfinite(norms).all():
        return float("nan")
    from_last = norms[there[0] :]
    gone = np.flatnonzero(from_last < left * from_last[0])
    return float(gone[0] if gone.size else len(from_last) - 1)


def growth_of(norms: np.ndarray) -> float:
    """Return the factor by which a gradient changes on its way one step back.

    It is that of the exponential that fits best: the least squares of the logarithms. NaN if fewer
    than two steps have a gradient.

    Args:
        norms: `(timesteps,)`, the step computed last first.

    Example:

    >>> from rnnlayers.diagnostics.measures import growth_of
    >>> round(growth_of(np.array([8.0, 4.0, 2.0, 1.0])), 6)
    0.5
    """
    there = np.flatnonzero((norms > 0) & np.isfinite(norms))
    if there.size < 2:
        return float("nan")
    return float(np.exp(np.polyfit(there, np.log(norms[there]), 1)[0]))


def mean_of(values: np.ndarray) -> float:
    """Return the mean of the values that are numbers, NaN if none is."""
    values = values[np.isfinite(values)]
    return float(values.mean()) if values.size else float("nan")
