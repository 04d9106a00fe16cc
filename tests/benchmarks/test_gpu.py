"""The measurements on a GPU, tried on a CPU: all but cuDNN."""

import contextlib
import io
import json

import pytest
import tensorflow as tf

from benchmarks import gpu
from benchmarks.epoch_clock import WORDS, seconds_in
from benchmarks.suite import Bench, Row
from benchmarks.tables import render
from benchmarks.timing import Plan
from benchmarks.torch_process import VARIABLE

PLAN = Plan(rounds=2, least=2, slice_s=0.0)


def test_a_quick_run_on_a_cpu_leaves_a_page(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(gpu, "LAYERS", {"GRU": None})
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        gpu.main(["--quick", "--cpu", "--to", str(tmp_path)], applications=())
    results = json.loads((tmp_path / "gpu.json").read_text())
    assert render(results) == (tmp_path / "gpu.md").read_text()
    assert {row["table"] for row in results["rows"]} == {
        *("A training step in float32", "A training step in bfloat16"),
    }
    assert all(row["rounds"].keys() == {"compiled", "keras"} for row in results["rows"])
    for row in results["rows"]:  # with tracing and compiling
        assert row["first_call_s"]["compiled"] > 10 * row["rounds"]["compiled"][0]
    assert "does not run" not in said.getvalue()
    assert results["command"] == f"python -m benchmarks.gpu --quick --cpu --to {tmp_path}"


def test_the_page_names_the_card():
    machine = gpu.describe_machine({}, "NVIDIA H100")
    about = {"suite": "gpu", "about": "", "command": "c", "date": "2026-11-29", "quick": False}
    rows = {"rows": [], "ratios": [], "checks": [], "unit": "ms", "mean": False}
    assert "on NVIDIA H100." in render({**about, **rows, "machine": machine})


@pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="there is a GPU")
def test_without_a_gpu_one_line_says_so(capsys):
    with pytest.raises(SystemExit) as stop:
        gpu.main([])
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "needs a GPU" in line
    with pytest.raises(SystemExit):
        gpu.main(["--cpu"])
    assert "--cpu needs --quick" in capsys.readouterr().err


def test_what_does_not_run_is_said_and_left_out(capsys):
    """Keras and our layer ask for cuDNN, which is not here."""
    workload = gpu.Workload("LSTM", gpu.TINY)
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("it is here")
    timers = gpu.contenders(Bench(PLAN, quick=True), workload, cpu=False)
    assert timers.keys() == {"compiled", "keras"}
    said = capsys.readouterr().out
    assert "\ncudnn does not run LSTM in float32: Not on cudnn: " in f"\n{said}"
    assert "keras_cudnn does not run LSTM in float32: " in said


def test_checks_compare_cudnn_with_cudnn():
    rows = [
        Row("T", "GRU", {"cudnn": [1.0], "keras_cudnn": [2.0], "torch": [0.5]}),
        Row("T", "Elman", {"cudnn": [1.0], "keras": [9.0], "torch": [1.0]}),
    ]
    keras, torch = gpu.check(rows)
    assert (keras.measured, keras.reached) == (0.5, True)
    assert (torch.measured, torch.reached) == (2.0, False)
    assert [check.reached for check in gpu.check([])] == [None, None]


def test_the_clock_is_read_from_what_is_printed():
    printed = f"Epoch 1/2\n{WORDS.format(2.5)}\nloss: 3 {WORDS.format(0.25)}\n"
    assert seconds_in(printed) == [2.5, 0.25]


@pytest.mark.slow
def test_an_epoch_of_an_application_is_timed(capsys):
    options = ("--limit", "60", "--units", "4", "--filters", "4")
    row = gpu.epochs_of(Bench(PLAN), "recognition", cpu=True, options=options)
    assert 0 < row.rounds["cpu"][0] < row.first_call_s["cpu"]
    row = gpu.epochs_of(Bench(PLAN), "recognition", cpu=True, options=("--units", "0"))
    assert not row.rounds
    assert "recognition does not train on the cpu: error: " in capsys.readouterr().out
