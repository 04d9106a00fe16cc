"""Which processes train together: read from the environment, or given. Needs no TensorFlow."""

import json
import os
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rnnlayers.checks import check_positive_integer, is_integer

COORDINATOR = "RNNLAYERS_COORDINATOR"
PORTS = range(20000, 32000)  # below those that systems give to outgoing connections
EXAMPLE = (
    'for example TF_CONFIG=\'{"cluster": {"worker": ["10.0.0.1:12345", "10.0.0.2:12345"]}, '
    '"task": {"type": "worker", "index": 0}}\''
)


@dataclass(frozen=True)
class Cluster:
    """The processes that train together, and which of them this is.

    Attributes:
        rank: The number of this process, from 0. Process 0 is the chief.
        size: The number of processes.
        addresses: `host:port` of each process, in the order of their ranks. Empty if they are not
            known before the processes meet.
        coordinator: `host:port` where the processes meet: that of the chief.
        source: Where this is from, for messages.
    """

    rank: int
    size: int
    addresses: tuple[str, ...]
    coordinator: str
    source: str


ALONE = Cluster(0, 1, (), "", "nothing, so this process is alone")


def find_cluster(environment: Mapping[str, str] | None = None) -> Cluster:
    """Find the processes of this training in the environment.

    It looks for `TF_CONFIG`; then for what Open MPI, MPICH and Intel MPI give to the processes that
    they start; then for what SLURM gives to a task of `srun`. Without any, the process is alone.

    Args:
        environment: The variables; those of the process if None.

    Raises:
        ValueError: If they contradict themselves or are incomplete.
    """
    environment = os.environ if environment is None else environment
    if environment.get("TF_CONFIG"):
        return _from_tf_config(environment["TF_CONFIG"])
    for kind, rank, size, local_size in (
        ("Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE"),
        ("MPI", "PMI_RANK", "PMI_SIZE", "MPI_LOCALNRANKS"),
    ):
        if rank in environment and size in environment:
            return _from_mpi(environment, kind, rank, size, local_size)
    # A batch script and an interactive allocation have the number of tasks, and are none.
    if "SLURM_STEP_ID" in environment and "SLURM_STEP_NUM_TASKS" in environment:
        return _from_slurm(environment)
    return ALONE


def given_cluster(
    addresses: Sequence[str] | None, rank: Any, coordinator: str | None, size: Any
) -> Cluster:
    """Return the cluster that arguments of `initialize` name.

    Raises:
        ValueError: If they do not fit together.
    """
    if addresses is not None:
        if size is not None or coordinator is not None:
            raise ValueError(
                "initialize: give `addresses`, which name every process, or `coordinator` and "
                f"`size`; received addresses={addresses!r}, coordinator={coordinator!r} and "
                f"size={size!r}."
            )
        return _known(addresses, rank, "the arguments of initialize")
    check_positive_integer("size", size, "the number of processes")
    if size == 1:
        return ALONE
    return _unknown(coordinator or "", _rank(rank, size), size, "the arguments of initialize")


def _from_tf_config(text: str) -> Cluster:
    try:
        config = json.loads(text)
        jobs, task = config["cluster"], config["task"]
        kind, index = task["type"], int(task["index"])
        # A chief of its own comes first, as in TensorFlow.
        addresses = [*jobs.get("chief", ()), *jobs.get("worker", ())]
        index += len(jobs.get("chief", ())) if kind == "worker" else 0
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"TF_CONFIG must be JSON with the cluster and the task of this process, {EXAMPLE}; "
            f"received {text!r:.300} ({type(error).__name__}: {error})."
        ) from error
    others = jobs.keys() - {"chief", "worker", "evaluator"}
    if others or kind not in ("chief", "worker"):
        raise ValueError(
            "TF_CONFIG must name tasks of the types chief and worker, which all train; received "
            f"{', '.join(sorted(others | {kind}))}. Parameter servers and evaluators take no part."
        )
    return _known(addresses, index, "TF_CONFIG")


def _from_mpi(
    environment: Mapping[str, str], kind: str, rank_name: str, size_name: str, local_name: str
) -> Cluster:
    rank, size = (_number(environment, name) for name in (rank_name, size_name))
    if size == 1:
        return ALONE
    coordinator = environment.get(COORDINATOR, "")
    if not coordinator:
        if environment.get(local_name) != environment[size_name]:
            raise ValueError(
                f"{COORDINATOR} must be host:port of the process with rank 0, since {kind} does "
                f"not tell where it runs; for example mpirun -x {COORDINATOR}=node01:12345."
            )
        # All are children of one process of this machine, whose number they know.
        coordinator = f"127.0.0.1:{_port(str(os.getppid()))}"
    return _unknown(coordinator, rank, size, kind)


def _from_slurm(environment: Mapping[str, str]) -> Cluster:
    rank, size = (_number(environment, name) for name in ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"))
    if size == 1:
        return ALONE
    coordinator = environment.get(COORDINATOR, "")
    if not coordinator:
        nodes = environment.get("SLURM_STEP_NODELIST", environment.get("SLURM_JOB_NODELIST", ""))
        step = f"{environment.get('SLURM_JOB_ID')}.{environment['SLURM_STEP_ID']}"
        coordinator = f"{first_node(nodes)}:{_port(step)}"
    return _unknown(coordinator, rank, size, "SLURM")


def first_node(nodes: str) -> str:
    """Return the first name of a list of SLURM, such as `gpu[07-09,12],login1`.

    Raises:
        ValueError: If there is none.
    """
    match = re.match(r"([^\[,]+)(?:\[(\d+)[^\]]*\]([^,]*))?", nodes)
    if match is None:
        raise ValueError(
            f"SLURM_STEP_NODELIST must be a list of nodes such as 'node[01-04]'; received "
            f"{nodes!r}. Set {COORDINATOR} to host:port of the task with rank 0."
        )
    return "".join(part or "" for part in match.groups())


def _port(text: str) -> int:
    """Return a port that everybody derives from the same text."""
    return PORTS[zlib.crc32(text.encode()) % len(PORTS)]


def _number(environment: Mapping[str, str], name: str) -> int:
    value = environment.get(name, "")
    if not value.isdecimal():
        raise ValueError(f"{name} must be a number; received {value!r}.")
    return int(value)


def _known(addresses: Sequence[str], rank: Any, source: str) -> Cluster:
    if isinstance(addresses, str) or not addresses:
        raise ValueError(
            f"{source}: the addresses must be a list of host:port, one for each process; received "
            f"{addresses!r}."
        )
    addresses = tuple(addresses)
    for address in addresses:
        split_address(address, source)
    if twice := sorted({address for address in addresses if addresses.count(address) > 1}):
        raise ValueError(
            f"{source}: each process must have an address of its own; received more than once: "
            f"{', '.join(twice)}."
        )
    rank = _rank(rank, len(addresses), source)
    if len(addresses) == 1:
        return ALONE
    return Cluster(rank, len(addresses), addresses, addresses[0], source)


def _unknown(coordinator: str, rank: int, size: int, source: str) -> Cluster:
    split_address(coordinator, source)
    return Cluster(_rank(rank, size, source), size, (), coordinator, source)


def _rank(rank: Any, size: int, source: str = "initialize") -> int:
    if not is_integer(rank) or not 0 <= rank < size:
        raise ValueError(
            f"{source}: the rank or index of this process must be an integer from 0 to {size - 1}, "
            f"since there are {size} processes; received {rank!r}."
        )
    return int(rank)


def split_address(address: Any, source: str) -> tuple[str, int]:
    """Return the host and the port of `host:port`.

    Raises:
        ValueError: If it is none.
    """
    host, _, port = address.rpartition(":") if isinstance(address, str) else ("", "", "")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise ValueError(
            f"{source}: an address must be host:port with a port from 1 to 65535; received "
            f"{address!r}."
        )
    return host.strip("[]"), int(port)
