"""Under `MirroredStrategy`: the norm is that of the sum, and all replicas decide alike."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.optimizers.mirrored import OPTIMIZERS

pytestmark = pytest.mark.slow


def run_on_replicas(*names):
    command = [sys.executable, "-m", "tests.optimizers.mirrored", *names]
    root = Path(__file__).parents[2]
    run = subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE)
    return json.loads(run.stdout)


FIRST, *OTHERS = OPTIMIZERS


@pytest.fixture(scope="module")
def results():
    return run_on_replicas(FIRST)


def test_two_replicas_equal_one_device(results):
    assert_equal(*results["fit"][FIRST])


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_two_replicas_equal_one_device_with_another_optimizer(name):
    assert_equal(*run_on_replicas(name)["fit"][name])


def assert_equal(one, two):
    for ours, theirs in zip(two["weights"], one["weights"], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert two["history"].keys() == one["history"].keys()
    for metric, ours in two["history"].items():
        np.testing.assert_allclose(ours, one["history"][metric], rtol=1e-5, err_msg=metric)
    assert one["history"]["clipped_fraction"] == [1, 1]


@pytest.mark.parametrize(
    ("policy", "weight", "metrics"),
    [
        ("raise", [-0.6, -0.8], {"gradient_norm": 5, "clipped_fraction": 1, "skipped_steps": 0}),
        ("skip", [-0.6, -0.8], {"gradient_norm": 5, "clipped_fraction": 1, "skipped_steps": 1}),
        ("zero", [-1.6, -0.8], {"gradient_norm": 4, "clipped_fraction": 1, "zeroed_steps": 1}),
    ],
)
def test_nan_on_one_replica_is_met_by_all(policy, weight, metrics, results):
    result = results["nan"][policy]
    np.testing.assert_allclose(result["weight"], weight, rtol=1e-6)
    assert result["metrics"] == metrics
    assert len(result["errors"]) == (policy == "raise")
    assert all("ClippedOptimizer" in error for error in result["errors"])


def test_refusals(results):
    assert "strategy.run" in results["outside"]
    assert "gradient_accumulation_steps" in results["accumulating"]
