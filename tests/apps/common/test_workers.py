"""Several processes of this machine: how they start, and how they end together."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from apps.common import workers
from apps.common.workers import LIFELINE, THREADS, run_together, share_of, start_workers
from tests.distribute.start import is_alive

BEGIN = "import json, os, sys, time; rank = json.loads(os.environ['TF_CONFIG'])['task']['index']\n"


@pytest.fixture(autouse=True)
def _short_grace(monkeypatch):
    monkeypatch.setattr(workers, "GRACE_S", 3.0)
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def run(code, count=2):
    """Run a program in several processes; return the status and the seconds that it took."""
    started = time.monotonic()
    status = run_together([sys.executable, "-c", BEGIN + code], count)
    return status, time.monotonic() - started


def test_each_has_its_place_and_its_share(tmp_path, capfd):
    code = f"""
values = {{name: os.environ.get(name) for name in ("TF_CONFIG", "{THREADS}")}}
open(f"{tmp_path}/{{rank}}", "w").write(json.dumps(values))
print("output of", rank)
print("progress of", rank, file=sys.stderr)
"""
    assert run(code, 3)[0] == 0
    found = [json.loads((tmp_path / str(rank)).read_text()) for rank in range(3)]
    clusters = [json.loads(values["TF_CONFIG"]) for values in found]
    assert [cluster["task"] for cluster in clusters] == [
        {"type": "worker", "index": rank} for rank in range(3)
    ]
    (addresses,) = {tuple(cluster["cluster"]["worker"]) for cluster in clusters}
    assert len(set(addresses)) == 3
    cores = len(os.sched_getaffinity(0))
    assert {values[THREADS] for values in found} == {str(max(1, cores // 3))}
    out, err = capfd.readouterr()
    assert out == "output of 0\n"  # the chief's alone
    assert err == "progress of 0\n"


@pytest.mark.parametrize("victim", [0, 1])
def test_a_worker_that_is_killed_ends_the_others(victim, capfd):
    status, seconds = run(f"os.kill(os.getpid(), 9) if rank == {victim} else time.sleep(60)")
    assert status == 1
    assert seconds < 10
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"error: worker {victim} (by signal 9) of 2 was killed, and the others")


def test_a_mistake_that_all_find_is_told_once(capfd):
    status, _ = run("time.sleep(rank / 4); print('error: no file', file=sys.stderr); sys.exit(2)")
    assert status == 2
    assert capfd.readouterr().err == "error: no file\n"


def test_the_mistake_of_one_is_told_and_not_what_the_others_say_of_it(capfd):
    code = """
if rank == 1:
    print("error: no file here", file=sys.stderr)
    sys.exit(2)
time.sleep(0.5)
print("error: another process has ended", file=sys.stderr)
sys.exit(2)
"""
    assert run(code)[0] == 2
    assert capfd.readouterr().err == "error: no file here\n"


def test_a_bug_of_a_worker_keeps_its_traceback(capfd):
    assert run("1 / 0 if rank == 1 else time.sleep(60)")[0] == 1
    err = capfd.readouterr().err
    assert err.startswith("Worker 1 has failed:\n")
    assert "ZeroDivisionError" in err


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at /proc")
def test_without_the_one_that_watches_the_workers_end(tmp_path):
    """A kill of the process that watches leaves nobody behind."""
    code = f"""
import os, time
from apps.common.workers import end_with_watcher
end_with_watcher()
open(f"{tmp_path}/{{os.getpid()}}", "w").close()
time.sleep(60)
"""
    program = f"""
import sys
from apps.common.workers import run_together
run_together([sys.executable, "-c", {code!r}], 2)
"""
    watcher = subprocess.Popen([sys.executable, "-c", program])
    deadline = time.monotonic() + 30
    while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    watcher.kill()
    watcher.wait()
    pids = [int(path.name) for path in tmp_path.iterdir()]
    assert len(pids) == 2
    while any(map(is_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_alive, pids))


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, [None, None]),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, [None, None]),
        ({"CUDA_VISIBLE_DEVICES": "3"}, [None, None]),  # one for two: they share it
        ({"CUDA_VISIBLE_DEVICES": "0,2"}, ["0", "2"]),
        ({"CUDA_VISIBLE_DEVICES": "0,1,2,3"}, ["0,2", "1,3"]),
    ],
)
def test_gpus_are_shared_out(environment, expected, monkeypatch, tmp_path):
    monkeypatch.setattr(workers, "GPUS", tmp_path / "absent")
    shares = [share_of(rank, 2, environment) for rank in range(2)]
    assert [share.get("CUDA_VISIBLE_DEVICES") for share in shares] == expected


def test_gpus_of_the_driver(monkeypatch, tmp_path):
    for number in range(2):
        (tmp_path / f"0000:0{number}:00.0").mkdir()
    monkeypatch.setattr(workers, "GPUS", tmp_path)
    assert [share_of(r, 2, {})["CUDA_VISIBLE_DEVICES"] for r in range(2)] == ["0", "1"]


@pytest.mark.parametrize(
    ("argv", "environment", "started"),
    [
        (["train", "--workers", "2", "--run", "x"], {}, 2),
        (["train", "--run", "x", "--workers=3"], {}, 3),
        (["train", "--run", "x"], {}, None),
        (["train", "--workers", "1"], {}, None),
        (["evaluate", "--workers", "2"], {}, None),
        ([], {}, None),
        (["train", "--workers", "2"], {"TF_CONFIG": "{}"}, None),
        (["train", "--workers", "2"], {"OMPI_COMM_WORLD_SIZE": "2"}, None),
        (["train", "--workers", "2"], {"SLURM_STEP_NUM_TASKS": "1"}, 2),  # srun --pty bash
    ],
)
def test_when_workers_are_started(argv, environment, started, monkeypatch):
    calls = []
    monkeypatch.setattr(workers, "run_together", lambda *call: calls.append(call) or 7)
    for name in ("TF_CONFIG", *workers.SIZES, LIFELINE):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if started is None:
        start_workers("apps.x", argv)
        assert not calls
    else:
        with pytest.raises(SystemExit) as stop:
            start_workers("apps.x", argv)
        assert stop.value.code == 7
        assert calls == [([sys.executable, "-m", "apps.x", *argv], started)]
