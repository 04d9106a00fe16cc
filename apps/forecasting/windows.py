"""Windows of a series with what follows them, cut out as training asks for them."""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from apps.common.batches import feed

Inputs = dict[str, np.ndarray]


def scaling(values: np.ndarray, chunk: int = 100_000) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean and the standard deviation of each variable, both `(variables,)`, float64.

    Args:
        values: The training part of a series, shape `(time, variables)`.
        chunk: The number of rows to read at a time.
    """
    starts = range(0, len(values), chunk)
    parts = (values[start : start + chunk].astype("float64") for start in starts)
    mean = sum(part.sum(axis=0) for part in parts) / len(values)
    parts = (values[start : start + chunk] - mean for start in starts)
    return mean, np.sqrt(sum(np.square(part).sum(axis=0) for part in parts) / len(values))


class Windows:
    """Batches of windows and what follows them, in an order drawn anew for each epoch.

    Nothing is copied but the batch at hand, so that a series which is mapped into memory may be
    longer than memory. The order of epoch `n` depends on the seed and `n` alone, so that training
    which is taken up again at an epoch goes on as if it had never stopped.

    Args:
        times: The times, shape `(time,)`, datetime64.
        values: The series, shape `(time, variables)`.
        scales: Mean and standard deviation of each variable, by which targets are scaled.
        origins: The rows that follow on the windows.
        window: The number of steps in a window.
        horizon: The number of steps that follow.
        batch_size: Windows in a batch; the last batch may be smaller.
        seed: The seed of the order. Without one the windows come as the origins do.
        limit: Draw at most so many of the windows for an epoch; all if None.
    """

    def __init__(
        self,
        times: np.ndarray,
        values: np.ndarray,
        scales: tuple[np.ndarray, np.ndarray],
        origins: range,
        window: int,
        horizon: int,
        batch_size: int,
        seed: int | None = None,
        limit: int | None = None,
    ):
        self.seconds = times.astype("datetime64[s]").astype("int64")
        self.values = values
        self.mean, self.scale = (part.astype("float32") for part in scales)
        self.origins = origins
        self.back, self.ahead = np.arange(-window, 0), np.arange(horizon)
        self.batch_size = batch_size
        self.seed = seed
        self.count = len(origins) if limit is None else min(limit, len(origins))
        self.epoch = 0

    def __len__(self) -> int:
        return -(-self.count // self.batch_size)

    def keep(self, most: int) -> None:
        """Keeps at most so many of the origins, evenly apart, and says so."""
        every = -(-len(self.origins) // most)
        if every > 1:
            print(f"Of {len(self.origins):,} origins, one in {every} is used")
        self.origins = self.origins[::every]
        self.count = len(self.origins)

    def inputs(self, origins: np.ndarray) -> Inputs:
        """Returns what a model is given to forecast from these origins.

        Args:
            origins: The rows, shape `(batch,)`.

        Returns:
            `window`, the values before, `(batch, window, variables)`, and `time`, the seconds since
            1970 of the steps of the window and of the horizon, `(batch, window + horizon)`.
        """
        steps = np.concatenate([self.back, self.ahead])
        return {
            "window": self.values[origins[:, None] + self.back],
            "time": self.seconds[origins[:, None] + steps],
        }

    def targets(self, origins: np.ndarray) -> np.ndarray:
        """Returns what followed on these origins, scaled, `(batch, horizon, variables, 1)`."""
        followed = self.values[origins[:, None] + self.ahead]
        return ((followed - self.mean) / self.scale)[..., None]

    def __iter__(self) -> Iterator[tuple[Inputs, np.ndarray]]:
        order = np.asarray(self.origins)
        if self.seed is not None:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(order)
        for start in range(0, self.count, self.batch_size):
            origins = order[start : min(start + self.batch_size, self.count)]
            yield self.inputs(origins), self.targets(origins)

    def dataset(self) -> tf.data.Dataset:
        """Returns a data set that starts each time with the order of the current epoch."""
        variables = self.values.shape[1]
        window, horizon = len(self.back), len(self.ahead)
        signature = (
            {
                "window": tf.TensorSpec((None, window, variables), tf.float32),
                "time": tf.TensorSpec((None, window + horizon), tf.int64),
            },
            tf.TensorSpec((None, horizon, variables, 1), tf.float32),
        )
        return feed(self, signature)
