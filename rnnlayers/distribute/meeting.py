"""Before TensorFlow starts, the processes meet at the chief's address, and agree or say why not.

TensorFlow itself waits for minutes for a process that never comes, and says little about ports
that are in use or lists of addresses that differ. Here each process sends the chief one line of
JSON, and the chief answers all of them with the addresses of all, or with one sentence.
"""

import contextlib
import json
import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any

from rnnlayers.distribute.cluster import Cluster, split_address

LONGEST = 2**20  # bytes of a message
PAUSE_S = 0.1  # between two attempts to reach the chief
READING_S = 3  # for what a process says of itself, and for the others once one does not fit
GREETING = "rnnlayers.distribute 1"


class MeetingError(RuntimeError):
    """The processes did not come together; the message says why, and what to do."""


def meet(cluster: Cluster, facts: Mapping[str, str], timeout: float) -> tuple[str, ...]:
    """Wait until all processes of a cluster are there, and agree.

    Args:
        cluster: The cluster.
        facts: What must be the same in every process, by name.
        timeout: Seconds to wait for the others.

    Returns:
        The address of each process.

    Raises:
        MeetingError: If a process did not come, a port is in use, or the processes do not agree.
            Every process that is there gets the same sentence.
    """
    deadline = time.monotonic() + timeout
    if cluster.rank == 0:
        return _receive(cluster, facts, deadline, timeout)
    return _report(cluster, facts, deadline, timeout)


@contextlib.contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    """Listen on a port of this machine, 0 for a free one."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("", port))
        listener.listen(1024)
        yield listener


def _receive(
    cluster: Cluster, facts: Mapping[str, str], deadline: float, timeout: float
) -> tuple[str, ...]:
    _, port = split_address(cluster.coordinator, cluster.source)
    others: dict[int, str] = {}  # the address of each rank
    with contextlib.ExitStack() as stack:
        try:
            listener = stack.enter_context(_listening(port))
        except OSError as error:
            raise MeetingError(_in_use(cluster, 0, cluster.coordinator, error)) from error
        fault = ""
        connections = []
        while len(others) < cluster.size - 1:
            listener.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                connection, (host, *_) = listener.accept()
            except TimeoutError:
                fault = fault or _missing(cluster, others, timeout)
                break
            stack.enter_context(connection)
            hello = _read(connection, min(deadline, time.monotonic() + READING_S))
            if hello is None or hello.get("greeting") != GREETING:
                continue  # somebody else who tries this port
            connections.append(connection)
            if found := _fault(cluster, facts, hello, others):
                fault = fault or found
                deadline = min(deadline, time.monotonic() + READING_S)  # those who come hear of it
            others[hello["rank"]] = hello["address"] or f"{host}:{hello['port']}"
        addresses = [cluster.coordinator, *(others[rank] for rank in sorted(others))]
        answer = {"greeting": GREETING, "error": fault, "addresses": addresses}
        for connection in connections:
            with contextlib.suppress(OSError):  # it is gone: TensorFlow will notice
                connection.sendall(json.dumps(answer).encode() + b"\n")
    if fault:
        raise MeetingError(fault)
    return tuple(addresses)


def _fault(
    cluster: Cluster, facts: Mapping[str, str], hello: dict[str, Any], others: Mapping[int, Any]
) -> str:
    """Return in words how a process does not fit to the chief, or an empty text."""
    rank = hello["rank"]
    if hello["error"]:
        return str(hello["error"])
    if hello["size"] != cluster.size or not 0 < rank < cluster.size:
        return (
            f"process {rank} of {hello['size']} came to a chief that has {cluster.size} processes: "
            f"give all of them the same cluster ({cluster.source})"
        )
    if rank in others:
        return f"two processes have the rank {rank}: give each its own index ({cluster.source})"
    if tuple(hello["addresses"]) != cluster.addresses:
        return (
            f"process {rank} has other addresses ({', '.join(hello['addresses'])}) than the chief "
            f"({', '.join(cluster.addresses)}): give all processes the same cluster "
            f"({cluster.source})"
        )
    theirs = hello["facts"]
    differing = [
        f"{name} {theirs.get(name, 'nothing')} (the chief: {facts.get(name, 'nothing')})"
        for name in dict.fromkeys([*facts, *theirs])
        if theirs.get(name) != facts.get(name)
    ]
    if differing:
        return (
            f"process {rank} does not train the same as the chief; it has {', '.join(differing)}: "
            f"start all processes with the same command and versions"
        )
    return ""


def _report(
    cluster: Cluster, facts: Mapping[str, str], deadline: float, timeout: float
) -> tuple[str, ...]:
    own, error = 0, ""
    if cluster.addresses:
        _, own = split_address(cluster.addresses[cluster.rank], cluster.source)
    try:
        with _listening(own) as listener:
            port = listener.getsockname()[1]
    except OSError as fault:
        port, error = own, _in_use(cluster, cluster.rank, f"port {own}", fault)
    hello = {
        "greeting": GREETING,
        "rank": cluster.rank,
        "size": cluster.size,
        "addresses": cluster.addresses,
        "address": cluster.addresses[cluster.rank] if cluster.addresses else "",
        "port": port,
        "facts": dict(facts),
        "error": error,
    }
    answer, reason = None, ""
    while answer is None and time.monotonic() < deadline:
        try:
            with socket.create_connection(
                split_address(cluster.coordinator, cluster.source), timeout=5
            ) as connection:
                connection.sendall(json.dumps(hello).encode() + b"\n")
                answer = _read(connection, deadline)
                reason = "" if answer else "it does not answer as a chief does"
        except OSError as refused:
            reason = str(refused)
        if answer is None or answer.get("greeting") != GREETING:
            answer = None
            time.sleep(PAUSE_S)
    if answer is None:
        raise MeetingError(
            error
            or f"process {cluster.rank} did not reach the chief at {cluster.coordinator} within "
            f"{timeout:g} s ({reason}): start all {cluster.size} processes, and see that this "
            f"address is the chief's ({cluster.source})"
        )
    if answer["error"]:
        raise MeetingError(answer["error"])
    return tuple(answer["addresses"])


def _read(connection: socket.socket, deadline: float) -> dict[str, Any] | None:
    """Read a line of JSON, None if there is none in time."""
    content = b""
    try:
        while not content.endswith(b"\n") and len(content) < LONGEST:
            connection.settimeout(max(0.01, deadline - time.monotonic()))
            part = connection.recv(65536)
            if not part:
                return None
            content += part
        message = json.loads(content)
    except (OSError, ValueError):
        return None
    return message if isinstance(message, dict) else None


def _in_use(cluster: Cluster, rank: int, where: str, error: OSError) -> str:
    return (
        f"process {rank} cannot listen at {where} ({error.strerror}): end what uses it, or choose "
        f"another port ({cluster.source})"
    )


def _missing(cluster: Cluster, others: Mapping[int, Any], timeout: float) -> str:
    absent = [rank for rank in range(1, cluster.size) if rank not in others]
    names = ", ".join(
        f"{rank} ({cluster.addresses[rank]})" if cluster.addresses else str(rank) for rank in absent
    )
    return (
        f"{len(absent)} of {cluster.size} processes did not come within {timeout:g} s: {names}; "
        f"start all of them at about the same time, and see that they reach {cluster.coordinator}"
    )
