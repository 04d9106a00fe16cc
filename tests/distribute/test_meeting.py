"""Processes meet, here as threads, and what they say if they do not."""

import dataclasses
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from rnnlayers.distribute.cluster import given_cluster
from rnnlayers.distribute.meeting import MeetingError, meet
from tests.distribute.start import free_addresses


def together(clusters, facts=None, timeout=5.0):
    """Return what each process gets: addresses, or the sentence of its error."""
    facts = facts or [{}] * len(clusters)

    def one(cluster, own):
        try:
            return meet(cluster, own, timeout)
        except MeetingError as error:
            return str(error)

    with ThreadPoolExecutor(len(clusters)) as pool:
        return [*pool.map(one, clusters, facts)]


def known(count):
    addresses = free_addresses(count)
    return addresses, [given_cluster(addresses, rank, None, None) for rank in range(count)]


def test_all_get_the_addresses_that_all_know():
    addresses, clusters = known(4)
    assert together(clusters) == 4 * [tuple(addresses)]


def test_addresses_are_found_out():
    (coordinator,) = free_addresses(1)
    answers = together([given_cluster(None, rank, coordinator, 3) for rank in range(3)])
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0] == coordinator
    hosts, ports = zip(*(address.split(":") for address in answers[0]), strict=True)
    assert set(hosts) == {"127.0.0.1"}
    assert len(set(ports)) == 3


def test_processes_that_differ_are_told_to_all():
    _, clusters = known(3)
    facts = [{"settings": "a", "Keras": "3"}, {"settings": "a", "Keras": "3"}, {"settings": "b"}]
    words = (
        "process 2 does not train the same as the chief; it has settings b (the chief: a), Keras "
    )
    for answer in together(clusters, facts):
        assert answer.startswith(words + "nothing (the chief: 3)")


def test_a_process_that_never_comes():
    addresses, clusters = known(3)
    started = time.monotonic()
    answers = together(clusters[:2], timeout=0.7)
    assert time.monotonic() - started < 5
    assert f"1 of 3 processes did not come within 0.7 s: 2 ({addresses[2]})" in answers[0]
    assert answers[1] == answers[0] or "did not reach the chief" in answers[1]


def test_a_chief_that_never_comes():
    addresses, clusters = known(2)
    (answer,) = together(clusters[1:], timeout=0.5)
    assert f"process 1 did not reach the chief at {addresses[0]} within 0.5 s" in answer


@pytest.mark.parametrize("rank", [0, 1])
def test_a_port_that_is_in_use(rank):
    addresses, clusters = known(2)
    with socket.socket() as other:
        other.bind(("", int(addresses[rank].split(":")[1])))
        other.listen()
        chief, second = together(clusters, timeout=1.5)
    assert f"process {rank} cannot listen at" in (chief, second)[rank]
    assert "Address already in use" in (chief, second)[rank]
    if rank == 1:
        assert chief == second  # the chief hears of it
    else:
        assert "it does not answer as a chief does" in second or "timed out" in second


def test_clusters_that_differ():
    addresses, (chief, second) = known(2)
    other = dataclasses.replace(second, addresses=(addresses[0], "127.0.0.1:1"))
    other = dataclasses.replace(other, addresses=(addresses[0], free_addresses(1)[0]))
    for answer in together([chief, other]):
        assert "process 1 has other addresses" in answer
    for answer in together([chief, dataclasses.replace(second, size=3)]):
        assert "process 1 of 3 came to a chief that has 2 processes" in answer


def test_two_processes_of_one_rank():
    # With known addresses the second of them may be told first that its port is in use.
    (coordinator,) = free_addresses(1)
    answers = together([given_cluster(None, rank, coordinator, 3) for rank in (0, 1, 1)], timeout=4)
    assert "two processes have the rank 1" in answers[0]
    assert answers[0] in answers[1:]


def test_strangers_are_ignored():
    addresses, clusters = known(2)
    host, port = addresses[0].split(":")
    with ThreadPoolExecutor(2) as pool:
        chief = pool.submit(meet, clusters[0], {}, 5.0)
        while True:
            try:
                stranger = socket.create_connection((host, int(port)), timeout=1)
                break
            except ConnectionRefusedError:
                time.sleep(0.01)
        with stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
            stranger.shutdown(socket.SHUT_WR)
            second = pool.submit(meet, clusters[1], {}, 5.0)
            assert chief.result() == second.result() == tuple(addresses)
