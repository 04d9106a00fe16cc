"""Check that float32 keeps what changes from step to step."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from apps.common.refusal import Refusal

TOLERANCE = 0.01  # of the typical change from one step to the next


def rounded(
    chunks: Iterable[np.ndarray], positions: np.ndarray, names: Sequence[str]
) -> Iterator[np.ndarray]:
    """Yield rows as float32.

    Args:
        chunks: The rows, each chunk `(rows, variables)`, float64, with NaN for what is missing.
        positions: The place of each row in the order of time, shape `(rows,)`.
        names: The names of the variables.

    Raises:
        Refusal: If rounding changes the values of a variable by more than a part of what they
            typically change from one time to the next.
    """
    done = 0
    for chunk in chunks:
        order = np.argsort(positions[done : done + len(chunk)], kind="stable")
        done += len(chunk)
        single = chunk.astype("float32")
        for column, name in enumerate(names):
            values = chunk[order, column]
            present = ~np.isnan(values)
            values = values[present]
            changes = np.abs(np.diff(values))
            changes = changes[changes > 0]
            if not len(changes):
                continue
            change, error = np.median(changes), np.abs(single[order, column][present] - values)
            if error.mean() > TOLERANCE * change:
                largest = np.abs(values).max()
                raise Refusal(
                    f"{name!r} has values up to {largest:,.10g}, which float32 keeps to "
                    f"{np.spacing(np.float32(largest)):.2g}, but they typically change by only "
                    f"{change:.2g} from one time to the next; subtract a constant, such as "
                    f"{values[0]:.10g}, from the column, or give the changes themselves"
                )
        yield single
