"""Which processes train together, from every kind of environment."""

import json

import pytest

from rnnlayers.distribute.cluster import ALONE, Cluster, find_cluster, first_node, given_cluster
from rnnlayers.distribute.processes import initialize

TWO = ["10.0.0.1:1234", "10.0.0.2:1234"]


def tf_config(cluster, kind="worker", index=0):
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})}


def test_an_environment_without_others():
    assert find_cluster({}) == ALONE
    assert find_cluster({"TF_CONFIG": ""}) == ALONE
    assert find_cluster(tf_config({"worker": TWO[:1]})) == ALONE
    assert find_cluster({"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "1"}) == ALONE
    # a batch script has its number of tasks, and is none of them
    assert find_cluster({"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}) == ALONE


def test_tf_config():
    expected = Cluster(1, 2, tuple(TWO), TWO[0], "TF_CONFIG")
    assert find_cluster(tf_config({"worker": TWO}, index=1)) == expected
    split = {"worker": TWO[1:], "chief": TWO[:1]}
    assert find_cluster(tf_config(split, "worker", 0)) == expected
    assert find_cluster(tf_config(split, "chief", 0)).rank == 0
    assert find_cluster(tf_config({"worker": TWO}, index="1")) == expected


def test_open_mpi():
    ranks = {"OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "4"}
    here = find_cluster({**ranks, "OMPI_COMM_WORLD_LOCAL_SIZE": "4"})
    assert (here.rank, here.size, here.addresses) == (3, 4, ())
    assert here.coordinator.startswith("127.0.0.1:")
    there = find_cluster({**ranks, "RNNLAYERS_COORDINATOR": "node1:99"})
    assert there.coordinator == "node1:99"
    with pytest.raises(ValueError, match="RNNLAYERS_COORDINATOR must be host:port of the process"):
        find_cluster({**ranks, "OMPI_COMM_WORLD_LOCAL_SIZE": "2"})


def test_slurm():
    step = {"SLURM_STEP_ID": "0", "SLURM_JOB_ID": "17", "SLURM_STEP_NUM_TASKS": "4"}
    found = [
        find_cluster({**step, "SLURM_PROCID": str(rank), "SLURM_STEP_NODELIST": "gpu[07-09,12]"})
        for rank in range(4)
    ]
    assert [cluster.rank for cluster in found] == [0, 1, 2, 3]
    (coordinator,) = {cluster.coordinator for cluster in found}  # all derive the same port
    assert coordinator.startswith("gpu07:")


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("a", "a"),
        ("a1,b2", "a1"),
        ("n[3,5]", "n3"),
        ("n[03-11]-ib", "n03-ib"),
        ("x-1,y[1-2]", "x-1"),
    ],
)
def test_the_first_of_a_list_of_nodes(nodes, first):
    assert first_node(nodes) == first


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"TF_CONFIG": "{"}, "TF_CONFIG must be JSON with the cluster and the task"),
        ({"TF_CONFIG": '{"cluster": {"worker": []}}'}, r"\(KeyError: 'task'\)"),
        (tf_config({"worker": TWO}, index=2), "must be an integer from 0 to 1, since there are 2"),
        (tf_config({"worker": TWO}, index="one"), "ValueError: invalid literal"),
        (
            tf_config({"worker": ["a", "b:1"]}),
            "host:port with a port from 1 to 65535; received 'a'",
        ),
        (
            tf_config({"worker": ["a:1", "a:1"]}),
            "an address of its own; received more than once: a",
        ),
        (tf_config({"worker": TWO, "ps": ["c:1"]}), "which all train; received ps, worker"),
        (tf_config({"worker": TWO}, "evaluator"), "received evaluator"),
        ({"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2"}, "SLURM_PROCID must be a number"),
        (
            {"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0"},
            "SLURM_STEP_NODELIST must be a list of nodes",
        ),
    ],
)
def test_environments_that_are_mistaken(environment, words):
    with pytest.raises(ValueError, match=words):
        find_cluster(environment)


def test_arguments():
    assert given_cluster(TWO, 1, None, None).coordinator == TWO[0]
    assert given_cluster(None, 1, "a:1", 3) == Cluster(
        1, 3, (), "a:1", "the arguments of initialize"
    )
    for arguments, words in (
        ((TWO, 0, "a:1", None), "give `addresses`, which name every process, or `coordinator`"),
        ((TWO, None, None, None), "the rank or index of this process must be an integer"),
        ((None, 0, None, 2), "an address must be host:port"),
        ((None, 0, "a:1", 0), "`size` must be a positive integer"),
        (("a:1", 0, None, None), "must be a list of host:port"),
    ):
        with pytest.raises(ValueError, match=words):
            given_cluster(*arguments)


def test_a_timeout_that_is_none():
    with pytest.raises(ValueError, match="`start_timeout` must be a finite number above 0"):
        initialize(TWO, 0, start_timeout=0)
