"""A search with real trainings: killed in the middle, it ends as one that nobody kills."""

import json
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from apps.common.applications import find_applications
from tests.apps.test_several_processes import LIMIT_S, ROOT, SMALL

OF_TEXTGEN = f"{SMALL['textgen']} --epochs 3".split()
CAPTIONING = {
    "captioning": "--units 4 --embedding-size 2 --vocabulary-size 60 --beams 2 --filters 2 "
    "--levels 2 --image-size 8 --batch-size 128"
}


def command(folder):
    program = [sys.executable, "-m", "apps.textgen", "tune", "--trials", "3", "--run", str(folder)]
    return [*program, "--source", "sample", *OF_TEXTGEN]


def trials_of(folder):
    file = folder / "trials.json"
    return json.loads(file.read_text())["trials"] if file.exists() else []


def run(program):
    return subprocess.run(program, cwd=ROOT, check=True, capture_output=True, text=True).stdout


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="it kills")
def test_a_search_that_is_killed_goes_on_as_if_it_had_not_been(tmp_path):
    pytest.importorskip("optuna")
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    shown = run(command(unbroken))
    assert shown.count("finished") >= 3
    process = subprocess.Popen(command(broken), cwd=ROOT, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        if list(broken.glob("trial_2/checkpoints/epoch_*.keras")):
            break
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert [trial["state"] for trial in trials_of(broken)] == ["finished", "running"]
    assert "goes on after epoch" in run(command(broken))
    assert trials_of(broken) == trials_of(unbroken)
    losses = [trial["loss"] for trial in trials_of(unbroken)]
    best = unbroken / f"trial_{losses.index(min(losses)) + 1}"
    assert (unbroken / "best").resolve() == best
    history = pd.read_csv(best / "history.csv")
    assert history["val_loss"].min() == pytest.approx(min(losses))
    for action in (["evaluate"], ["export", "--to", str(tmp_path / "exports")]):
        run([sys.executable, "-m", "apps.textgen", *action, "--run", str(unbroken / "best")])
    assert (best / "metrics.json").exists()
    assert (tmp_path / "exports" / "textgen" / "1" / "saved_model.pb").exists()


@pytest.mark.slow
@pytest.mark.parametrize("application", find_applications())
def test_every_application_searches(application, tmp_path):
    pytest.importorskip("optuna")
    small = f"{(SMALL | CAPTIONING)[application]} --epochs 1 --trials 2".split()
    program = [sys.executable, "-m", f"apps.{application}", "tune", "--run", str(tmp_path / "run")]
    run([*program, "--source", "sample", *small])
    trials = trials_of(tmp_path / "run")
    assert [trial["state"] for trial in trials] == ["finished", "finished"]
    for trial in trials:
        folder = tmp_path / "run" / f"trial_{trial['number']}"
        settings = json.loads((folder / "settings.json").read_text())
        assert settings == settings | trial["settings"]
        assert trial["loss"] == pytest.approx(pd.read_csv(folder / "history.csv")["val_loss"].min())
    assert trials[0]["settings"] != trials[1]["settings"]


@pytest.mark.slow
@pytest.mark.parametrize("application", find_applications())
def test_every_application_answers_for_its_search(application, tmp_path):
    """The first trial of each begins, and a source that is not there is answered in one line."""
    pytest.importorskip("optuna")
    program = [sys.executable, "-m", f"apps.{application}", "tune", "--run", str(tmp_path / "run")]
    ended = subprocess.run(
        [*program, "--source", str(tmp_path / "absent")], cwd=ROOT, capture_output=True, text=True
    )
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith("error: ")
    assert "absent" in ended.stderr.splitlines()[-1]
    assert not (tmp_path / "run").exists()
