"""How many threads a layer may use."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import tensorflow as tf

_layers_at_once: ContextVar[int] = ContextVar("layers_at_once", default=1)


@contextmanager
def side_by_side(layers: int) -> Iterator[None]:
    """Call several layers that do not wait for one another, with a share of the threads for each.

    A layer alone on a core takes less time of it than a part of each of several layers does: the
    weights are read once a step for all rows.
    """
    token = _layers_at_once.set(layers)
    try:
        yield
    finally:
        _layers_at_once.reset(token)


def thread_count() -> int:
    """Return how many threads an operator may use, as `tf.config.threading` says."""
    cores = len(os.sched_getaffinity(0))
    threads = tf.config.threading.get_intra_op_parallelism_threads() or cores
    if tf.executing_eagerly():  # one operator after the other
        return threads
    at_once = tf.config.threading.get_inter_op_parallelism_threads() or cores
    return -(-threads // min(at_once, _layers_at_once.get()))
