"""A training on Ray's workers: a kill costs an epoch, and the weights are those of `--workers`."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.apps.test_several_processes import LIMIT_S, ROOT, assert_same, command, register
from tests.apps.test_several_processes import wait_for_epoch as wait_for


def trainings(run):
    """Return the processes that train a run, by their rank."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_text().split("\0")
            if words[1:3] != ["-m", "apps.textgen"] or str(run) not in words:
                continue
            environment = (folder / "environ").read_text()
        except OSError:  # it has ended, or is somebody else's
            continue
        found[int('"index": 1' in environment)] = int(folder.name)
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at /proc")
@pytest.mark.parametrize("victim", [0, 1], ids=["chief", "other"])
def test_a_training_on_ray_ends_with_the_weights_of_two_processes(victim, tmp_path):
    pytest.importorskip("ray.train.tensorflow")
    register("textgen")
    one_thread = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "RNNLAYERS_WORKER_THREADS": "1"}
    here, there = tmp_path / "here", tmp_path / "there"
    subprocess.run(command("textgen", here, "--workers", "2"), cwd=ROOT, env=one_thread, check=True)
    short = tempfile.mkdtemp(dir="/tmp")  # Ray makes sockets in it, whose paths may not be long
    on_ray = [sys.executable, "deploy/ray/train.py", "--workers", "2", "--restarts", "1"]
    on_ray += ["--storage", str(tmp_path / "ray"), *command("textgen", there)[2:]]
    environment = {**os.environ, "RAY_TMPDIR": short, "RAY_USAGE_STATS_ENABLED": "0"}
    with (tmp_path / "output").open("w") as output:
        process = subprocess.Popen(
            on_ray, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        wait_for(there, 1)
        os.kill(trainings(there)[victim], signal.SIGKILL)
        assert process.wait(LIMIT_S) == 0, (tmp_path / "output").read_text()[-4000:]
    finally:
        process.kill()
        shutil.rmtree(short, ignore_errors=True)
    text = (tmp_path / "output").read_text()
    assert "goes on after epoch 1" in text
    assert "ended with status -9" in text
    assert_same(here, there, atol=0)
    deadline = time.monotonic() + 20
    while trainings(there) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not trainings(there)


@pytest.mark.slow
def test_a_mistake_is_told(tmp_path):
    pytest.importorskip("ray.train.tensorflow")
    options = ["--workers", "2", "--restarts", "0", "--storage", str(tmp_path / "ray")]
    program = [sys.executable, "deploy/ray/train.py", *options, "apps.textgen", "train"]
    ended = subprocess.run(
        [*program, "--source", str(tmp_path / "absent"), "--run", str(tmp_path / "run")],
        cwd=ROOT,
        env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1
    assert "the training has ended with status 2: error: source" in ended.stderr
