"""Applications that train on several processes: the weights of one process, kills, mistakes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from apps.common.applications import find_applications
from tests.distribute.start import free_addresses, is_alive

ROOT = Path(__file__).parent.parent.parent
LIMIT_S = 600
QUIET = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
# What makes a training small and leaves nothing to chance: no dropout.
SMALL = {
    "sentiment": "--epochs 2 --units 8 --embedding-size 8 --limit 200 --batch-size 31 --dropout 0 "
    "--vector-dropout 0",
    "textgen": "--epochs 2 --units 8 --steps 512 --batch-size 9",
    "translation": "--epochs 2 --vocabulary-size 80 --embedding-size 4 --units 4 --beams 2 "
    "--batch-size 63 --dropout 0",
    "forecasting": "--epochs 2 --sample co2 --units 4 --steps 8 --limit 100 --batch-size 31 "
    "--dropout 0",
    "recognition": "--epochs 2 --units 4 --filters 4 --batch-size 31 --dropout 0",
}
# Adam makes much of the rounding of a channel whose gradients are almost zero.
TOLERANCE = {"recognition": 5e-6}
# Each process normalizes its own rows (`BatchNormalization`), so its numbers are others.
NORMALIZED = {"captioning"}


def command(application, run, *options):
    small = SMALL[application].split()
    program = [sys.executable, "-m", f"apps.{application}", "train", "--source", "sample"]
    return [*program, "--run", str(run), *small, *options]


def train(application, run, *options, environment=None):
    """Train; return the status and the last line on standard error."""
    ended = subprocess.run(
        command(application, run, *options),
        cwd=ROOT,
        env={**QUIET, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    return ended.returncode, (ended.stderr.splitlines() or [""])[-1]


def weights(file):
    model = keras.models.load_model(file, compile=False)
    return [weight for weight in model.get_weights() if weight.dtype.kind == "f"]


def assert_same(one, another, atol):
    """Compare the models and histories of two runs, those of the networks inside them too."""
    models = sorted(path.relative_to(one) for path in one.rglob("model.keras"))
    assert models
    for model in models:
        for ours, theirs in zip(weights(one / model), weights(another / model), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=atol)
        histories = [pd.read_csv((run / model).with_name("history.csv")) for run in (one, another)]
        pd.testing.assert_frame_equal(*histories, rtol=1e-5 if atol else 0, atol=atol)


def test_every_application_is_tried_or_excused():
    absent = {*find_applications()} - SMALL.keys() - NORMALIZED
    with_workers = {
        name
        for name in absent
        if "start_workers(" in (ROOT / "apps" / name / "__main__.py").read_text("utf-8")
    }
    assert not with_workers


@pytest.mark.slow
@pytest.mark.parametrize("application", SMALL)
def test_two_processes_end_with_the_weights_of_one(application, tmp_path):
    register(application)
    assert train(application, tmp_path / "one")[0] == 0
    status, line = train(application, tmp_path / "two", "--workers", "2")
    assert status == 0, line
    assert_same(tmp_path / "one", tmp_path / "two", TOLERANCE.get(application, 1e-6))


@pytest.mark.slow
def test_four_processes_end_with_the_weights_of_one(tmp_path):
    register("textgen")
    assert train("textgen", tmp_path / "one")[0] == 0
    assert train("textgen", tmp_path / "four", "--workers", "4")[0] == 0
    assert_same(tmp_path / "one", tmp_path / "four", atol=1e-6)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at /proc")
def test_a_run_goes_on_with_fewer_processes(tmp_path):
    """Three, of which one is killed in the second epoch; two, all killed in the third; then one."""
    register("textgen")
    run, epochs = tmp_path / "elastic", ("--epochs", "3")
    assert train("textgen", tmp_path / "one", *epochs)[0] == 0
    for count, killed in ((3, "one"), (2, "all")):
        process = subprocess.Popen(
            command("textgen", run, *epochs, "--workers", str(count)), cwd=ROOT, env=QUIET
        )
        children = children_of(process, count)
        wait_for_epoch(run, 4 - count)
        time.sleep(0.5)  # into the next one
        for victim in children[1:2] if killed == "one" else [process.pid, *children]:
            os.kill(victim, signal.SIGKILL)
        assert process.wait(LIMIT_S) == (1 if killed == "one" else -signal.SIGKILL)
        assert not (run / "model.keras").exists()
    assert train("textgen", run, *epochs)[0] == 0
    assert_same(tmp_path / "one", run, atol=1e-6)


def register(application):
    """Register the layers of an application, which its models are made of."""
    __import__(f"apps.{application}.app")


def children_of(process, count=2):
    """Return the processes that a process has started, once there are so many."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        file = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        if len(found := [int(pid) for pid in file.read_text().split()]) == count:
            return found
        time.sleep(0.05)
    raise AssertionError("the workers did not start")


def wait_for_epoch(run, epoch):
    """Wait until an epoch of a run is complete."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        if (run / f"checkpoints/epoch_{epoch:04}.keras").exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"epoch {epoch} has not been completed")


def kill_after_an_epoch(process, run, victim):
    """Kill a process once the first epoch is complete; return the seconds that the others live."""
    wait_for_epoch(run, 1)
    os.kill(victim, signal.SIGKILL)
    killed = time.monotonic()
    assert process.wait(LIMIT_S) == 1
    return time.monotonic() - killed


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at /proc")
@pytest.mark.parametrize("victim", [0, 1], ids=["chief", "other"])
def test_a_killed_worker_costs_an_epoch(victim, tmp_path):
    """The others end at once, and the same command ends with the bits of an unbroken run."""
    register("textgen")
    assert train("textgen", tmp_path / "unbroken", "--workers", "2")[0] == 0
    run = tmp_path / "broken"
    process = subprocess.Popen(
        command("textgen", run, "--workers", "2"), cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    children = children_of(process)
    seconds = kill_after_an_epoch(process, run, children[victim])
    assert seconds < 60
    line = process.stderr.read().splitlines()[-1]
    assert line.startswith(f"error: worker {victim} (by signal 9) of 2 was killed")
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    assert train("textgen", run, "--workers", "2")[0] == 0
    assert_same(tmp_path / "unbroken", run, atol=0)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at /proc")
@pytest.mark.parametrize("killed", ["the one that watches", "all"])
def test_a_training_that_is_killed_as_a_whole_goes_on(killed, tmp_path):
    """Nobody is left behind, and the same command ends with the bits of an unbroken training."""
    register("textgen")
    assert train("textgen", tmp_path / "unbroken", "--workers", "2")[0] == 0
    run = tmp_path / "broken"
    process = subprocess.Popen(command("textgen", run, "--workers", "2"), cwd=ROOT, env=QUIET)
    children = children_of(process)
    wait_for_epoch(run, 1)
    for victim in [process.pid, *(children if killed == "all" else ())]:
        os.kill(victim, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 20
    while any(map(is_alive, children)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_alive, children))
    assert not (run / "model.keras").exists()
    assert train("textgen", run, "--workers", "2")[0] == 0
    assert_same(tmp_path / "unbroken", run, atol=0)


@pytest.mark.slow
def test_the_same_command_under_tf_config(tmp_path):
    """Without anything that watches: other settings, a process that never comes, one that ends."""
    addresses = free_addresses(2)

    def cluster(index):
        task = {"type": "worker", "index": index}
        return {
            "TF_CONFIG": json.dumps({"cluster": {"worker": addresses}, "task": task}),
            "RNNLAYERS_START_TIMEOUT": "50",
        }

    def start(index, *options):
        return subprocess.Popen(
            command("textgen", tmp_path / "run", *options),
            cwd=ROOT,
            env={**QUIET, **cluster(index)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    differing = [start(0), start(1, "--seed", "5")]
    for process in differing:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 2
        assert "process 1 does not train the same as the chief; it has seed 5" in errors
    alone = {**cluster(0), "RNNLAYERS_START_TIMEOUT": "2"}
    status, line = train("textgen", tmp_path / "run", environment=alone)
    assert status == 2
    assert f"1 of 2 processes did not come within 2 s: 1 ({addresses[1]})" in line

    chief, other = start(0), start(1)
    deadline = time.monotonic() + LIMIT_S
    while not list(tmp_path.glob("run/checkpoints/*.keras")) and time.monotonic() < deadline:
        time.sleep(0.05)
    other.kill()
    _, errors = chief.communicate(timeout=60)
    assert chief.returncode == 2
    assert "another of the 2 processes has ended or does not answer" in errors.splitlines()[-1]
