"""The command diagnose of every application, on the small runs of `old_runs`."""

import importlib
import shutil
from pathlib import Path

import keras
import pytest

import rnnlayers  # noqa: F401  # its layers are in the runs
from apps.common.applications import find_applications
from tests.apps.commands import refused

RUNS = Path(__file__).with_name("old_runs")
QUICK = "textgen"
WITHOUT_LOSS = "captioning"  # whose first version saved none in its checkpoints


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name == QUICK else pytest.mark.slow)
        for name in find_applications()
        if (RUNS / name).exists() and name != WITHOUT_LOSS
    ],
)
def test_a_run_is_diagnosed(name, tmp_path, eagerly, capsys):
    run = shutil.copytree(RUNS / name, tmp_path / name)
    importlib.import_module(f"apps.{name}.app").main(["diagnose", "--run", str(run)])
    folder = run / "diagnosis"
    page = (folder / "index.html").read_text("utf-8")
    for picture in ("gradients.png", "states.png"):
        assert (folder / picture).stat().st_size > 5000
        assert f'src="{picture}"' in page
    assert f"Diagnosis of {name}" in page
    advice = capsys.readouterr().out.splitlines()[-1]
    if advice.startswith("Nothing is wrong"):
        assert "<li>Nothing is wrong.</li>" in page
    else:
        assert advice.split("'")[0] in page


def test_a_network_without_recurrent_layers_is_refused(tmp_path, capsys):
    from apps.textgen.app import main

    run = shutil.copytree(RUNS / "textgen", tmp_path / "run")
    (checkpoint,) = (run / "checkpoints").glob("*.keras")
    plain = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])
    plain.compile(loss="mse")
    plain.save(checkpoint)
    line = refused(lambda *argv: main([*argv]), capsys, "diagnose", "--run", str(run))
    assert "cannot be diagnosed: `model` must have a recurrent layer" in line
    plain.compile()
    plain.save(checkpoint)
    line = refused(lambda *argv: main([*argv]), capsys, "diagnose", "--run", str(run))
    assert "must hold the loss of the training" in line
    checkpoint.unlink()
    line = refused(lambda *argv: main([*argv]), capsys, "diagnose", "--run", str(run))
    assert "must hold the checkpoint of the best epoch" in line
