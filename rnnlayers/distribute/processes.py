"""The processes that train together, from `initialize` on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import keras
import tensorflow as tf

from rnnlayers.checks import check_number
from rnnlayers.distribute.cluster import ALONE, Cluster, find_cluster, given_cluster
from rnnlayers.distribute.meeting import MeetingError, meet

START_TIMEOUT_S = 55.0


@dataclass
class _Joined:
    """What `initialize` has set up; it lasts as long as the process."""

    cluster: Cluster = ALONE
    strategy: Any = None  # kept alive, since its server answers the other processes


_joined = _Joined()


def initialize(
    addresses: Sequence[str] | None = None,
    rank: int | None = None,
    *,
    coordinator: str | None = None,
    size: int | None = None,
    same: Mapping[str, object] | None = None,
    start_timeout: float = START_TIMEOUT_S,
) -> Cluster:
    """Join the processes that train together. Call it before anything of TensorFlow runs.

    Without arguments the environment decides: `TF_CONFIG`, else the variables of Open MPI, MPICH
    and Intel MPI, else those of a SLURM step. Without any of them the process is alone, and
    everything in this package works on one process without effect. The processes meet at the
    address of the chief, the process with rank 0, before TensorFlow starts, so that each mistake is
    told in one sentence, to all of them.

    Neither this meeting nor TensorFlow's servers ask who comes: use a network that is your own.

    Args:
        addresses: `host:port` of each process, in the order of their ranks.
        rank: The rank of this process; with `addresses`, or with `coordinator` and `size`.
        coordinator: `host:port` of the chief, if the addresses of the others are to be found out.
        size: The number of processes, with `coordinator`.
        same: More that must be the same in all processes, such as settings, by name. The versions
            of this library, Keras and TensorFlow always must be.
        start_timeout: Seconds to wait for the others. Processes that are started minutes apart, as
            by a queue, need more.

    Returns:
        The cluster, with `rank` and `size`.

    Raises:
        ValueError: If the environment or the arguments are mistaken.
        MeetingError: If a process does not come, a port is in use, or the processes differ.
        RuntimeError: If TensorFlow has been used before, or this was called before.

    Example:
        >>> from rnnlayers import distribute
        >>> cluster = distribute.initialize(size=1)  # without other processes: alone
        >>> cluster.rank, cluster.size, distribute.is_chief()
        (0, 1, True)
    """
    check_number("start_timeout", start_timeout, "(0, inf)", "seconds")
    if addresses is None and coordinator is None and size is None and rank is None:
        cluster = find_cluster()
    else:
        cluster = given_cluster(addresses, rank, coordinator, size)
    if _joined.strategy is not None:
        raise RuntimeError(
            f"initialize: this process is already process {_joined.cluster.rank} of "
            f"{_joined.cluster.size}; call initialize once."
        )
    if cluster.size == 1:
        return cluster
    found = meet(cluster, {**_versions(), **_texts(same or {})}, start_timeout)
    _joined.strategy = _start(cluster, found)
    _joined.cluster = cluster
    return cluster


def size() -> int:
    """Return the number of processes that train together: 1 before `initialize`."""
    return _joined.cluster.size


def rank() -> int:
    """Return the rank of this process: 0 for the chief, and before `initialize`."""
    return _joined.cluster.rank


def is_chief() -> bool:
    """Return whether this process is the chief, which writes checkpoints and logs."""
    return rank() == 0


def _versions() -> dict[str, str]:
    try:
        ours = metadata.version("rnnlayers")
    except metadata.PackageNotFoundError:
        ours = "not installed"
    return {"rnnlayers": ours, "Keras": keras.__version__, "TensorFlow": tf.__version__}


def _texts(same: Mapping[str, object]) -> dict[str, str]:
    return {name: f"{value!r:.200}" for name, value in same.items()}


def _start(cluster: Cluster, addresses: Sequence[str]) -> tf.distribute.Strategy:
    """Start TensorFlow's server of this process, and connect it with the others.

    The strategy does this when it is constructed. Its scope is never entered: there `fit` of Keras
    3 fails. Collective operations need no scope.
    """
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(addresses)}),
        task_type="worker",
        task_id=cluster.rank,
        rpc_layer="grpc",
    )
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
    except RuntimeError as error:
        raise RuntimeError(
            "initialize: must be called before anything of TensorFlow runs; received a process in "
            "which TensorFlow has started. Call it first, before models, tensors and random seeds "
            f"({error})."
        ) from error
    except tf.errors.OpError as error:
        raise MeetingError(
            f"process {cluster.rank} cannot join the others at {addresses[cluster.rank]}: "
            f"{error.message!s:.300}"
        ) from error
