"""Windows of a series and the steps that follow them, cut out when training asks for them."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import numpy as np
import tensorflow as tf

from apps.common.batches import feed
from apps.forecasting.covariates import KNOWN, PAST, STATIC, Covariates

Inputs = dict[str, np.ndarray]
WINDOW, TIME = "window", "time"  # the names of the inputs
NONE: Mapping[str, int] = MappingProxyType({})


def input_specs(
    window: int, horizon: int, variables: int, covariates: Mapping[str, int] = NONE
) -> dict[str, tf.TensorSpec]:
    """Return the inputs of a network: the window, and the times of all its steps.

    Args:
        window: The number of steps in a window.
        horizon: The number of steps to forecast.
        variables: The number of variables.
        covariates: The number of covariates of each kind that there is.

    Returns:
        `window`, `(batch, window, variables)`, the values as measured, and `time`, `(batch, window
        + horizon)`, the seconds since 1970 of the steps of the window and of the horizon. For each
        kind of covariates also `known`, `(batch, window + horizon, columns)`, `past`, `(batch,
        window, columns)`, or `static`, `(batch, columns)`, as measured.
    """
    steps = {KNOWN: (window + horizon,), PAST: (window,), STATIC: ()}
    return {
        WINDOW: tf.TensorSpec((None, window, variables), tf.float32),
        TIME: tf.TensorSpec((None, window + horizon), tf.int64),
        **{
            kind: tf.TensorSpec((None, *steps[kind], columns), tf.float32)
            for kind, columns in covariates.items()
        },
    }


def scaling(values: np.ndarray, chunk: int = 100_000) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the standard deviation of each variable, both `(variables,)`, float64.

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
    """Batches of windows and the steps that follow them, in a new order in each epoch.

    Only the current batch is copied, so a series that is mapped into memory may be longer than
    memory. The order of epoch `n` depends on the seed and `n` alone, so a training that is resumed
    at an epoch goes on as if it had never stopped.

    Args:
        times: The times, shape `(time,)`, datetime64.
        values: The series, shape `(time, variables)`.
        scales: Mean and standard deviation of each variable, by which targets are scaled.
        origins: The rows that follow the windows.
        window: The number of steps in a window.
        horizon: The number of steps that follow.
        batch_size: Windows in a batch; the last batch may be smaller.
        seed: The seed of the order. Without one the windows keep the order of the origins.
        limit: The number of windows in an epoch, chosen at random; all if None.
        steps: Batches in an epoch, at least, if all windows are taken in random order: a short
            series is gone through several times.
        counted_from: The first row whose value counts as a target, see `counted`.
        covariates: Those of the series, if it has any.
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
        steps: int = 1,
        counted_from: int = 0,
        covariates: Covariates | None = None,
    ):
        self.seconds = times.astype("datetime64[s]").astype("int64")
        self.values = values
        self.mean, self.scale = (part.astype("float32") for part in scales)
        self.origins = origins
        self.back, self.ahead = np.arange(-window, 0), np.arange(horizon)
        self.batch_size = batch_size
        self.seed = seed
        if limit is not None:
            self.count = min(limit, len(origins))
        elif seed is None:
            self.count = len(origins)
        else:
            self.count = max(len(origins), steps * batch_size)
        self.counted_from = counted_from
        self.covariates = covariates
        self.epoch = 0

    def __len__(self) -> int:
        return -(-self.count // self.batch_size)

    def thin(self, max_count: int) -> None:
        """Keep at most this many of the origins, evenly spaced, and print how many."""
        every = -(-len(self.origins) // max_count)
        if every > 1:
            print(f"Of {len(self.origins):,} origins, one in {every} is used")
        self.origins = self.origins[::every]
        self.count = len(self.origins)

    def inputs(self, origins: np.ndarray) -> Inputs:
        """Return the inputs of a network, see `input_specs`, for origins of shape `(batch,)`."""
        steps = np.concatenate([self.back, self.ahead])
        inputs = {
            WINDOW: self.values[origins[:, None] + self.back],
            TIME: self.seconds[origins[:, None] + steps],
        }
        if self.covariates:
            series = self.series_of(origins)
            inputs |= self.covariates.inputs(origins, series, self.back, self.ahead)
        return inputs

    def series_of(self, origins: np.ndarray) -> np.ndarray:
        """Return the number of the series of each origin."""
        return np.zeros(len(origins), int)

    @property
    def covariate_sizes(self) -> Mapping[str, int]:
        """The number of covariates of each kind that there is."""
        return self.covariates.sizes() if self.covariates else NONE

    def targets(self, origins: np.ndarray) -> np.ndarray:
        """Return the steps that follow, scaled, `(batch, horizon, variables, 1)`."""
        followed = self.values[origins[:, None] + self.ahead]
        return ((followed - self.mean) / self.scale)[..., None]

    def __iter__(self) -> Iterator[tuple[Inputs, np.ndarray]]:
        order = np.asarray(self.origins)
        if self.seed is not None:
            random = np.random.default_rng((self.seed, self.epoch))
            rounds = -(-self.count // len(order))
            order = np.concatenate([random.permutation(order) for _ in range(rounds)])
        for start in range(0, self.count, self.batch_size):
            origins = order[start : min(start + self.batch_size, self.count)]
            yield self.inputs(origins), self.targets(origins)

    def counted(self) -> Iterator[tuple[Inputs, np.ndarray, np.ndarray]]:
        """Yield inputs, targets, and which of the targets count, `(batch, horizon, variables)`."""
        for start in range(0, self.count, self.batch_size):
            origins = np.asarray(self.origins[start : start + self.batch_size])
            targets = self.targets(origins)
            late = origins[:, None] + self.ahead >= self.counted_from
            yield self.inputs(origins), targets, np.broadcast_to(late[..., None], targets.shape[:3])

    def dataset(self) -> tf.data.Dataset:
        """Return a data set that starts each time with the order of the current epoch."""
        variables, horizon = self.values.shape[1], len(self.ahead)
        signature = (
            input_specs(len(self.back), horizon, variables, self.covariate_sizes),
            tf.TensorSpec((None, horizon, variables, 1), tf.float32),
        )
        return feed(self, signature)
