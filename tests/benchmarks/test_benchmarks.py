import contextlib
import io
import json
import mmap
import os
import sys
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from apps.forecasting.windows import Windows
from benchmarks import __main__ as command_line
from benchmarks import long_csv, memory
from benchmarks.contenders import LAYERS, TINY, Workload, draw, eager, floor, in_graph
from benchmarks.onnx_runtime import in_onnx_runtime
from benchmarks.suite import Bench, Row, all_at_most, at_least
from benchmarks.suites import SUITES, cells, csv_memory, feeding, length
from benchmarks.tables import render
from benchmarks.timing import Plan, interleave, paired_ratio, spread
from benchmarks.torch_process import VARIABLE, TorchProcess
from rnnlayers.convert import to_torch_state_dict
from tests.numbers import assert_same


@pytest.mark.parametrize(
    "layer",
    [pytest.param(name, marks=pytest.mark.slow if name == "GRU" else ()) for name in LAYERS],
)
def test_every_contender_computes_the_same(layer):
    workload = Workload(layer, TINY)
    arrays = draw(workload)
    expected = eager(workload, arrays, ours=False)()
    assert len(expected) == 2 + len(arrays.weights)
    assert_same(eager(workload, arrays, ours=True)(), expected)
    assert_same(in_graph(workload, arrays, ours=True)(), expected)
    assert_same(in_graph(workload, arrays, ours=False)(), expected)
    assert_same(in_graph(workload, arrays, ours=False, xla=True)(), expected)
    inference = Workload(layer, TINY, training=False)
    assert_same(in_graph(inference, arrays, ours=True)(), expected[:1])
    assert_same(in_onnx_runtime(inference, arrays)(), expected[:1])


@pytest.mark.parametrize("option", [{"bidirectional": True}, {"left_padded": True}])
def test_variants_compute_the_same(option):
    workload = Workload("LSTM", TINY, **option)
    arrays = draw(workload)
    if option == {"left_padded": True}:
        assert not arrays.mask.all()
        assert arrays.mask[:, -1].all()
    assert_same(in_graph(workload, arrays, ours=True)(), in_graph(workload, arrays, ours=False)())


@pytest.mark.skipif(VARIABLE not in os.environ, reason=f"set {VARIABLE} to run")
@pytest.mark.parametrize("layer", LAYERS)
def test_torch_computes_the_same(layer):
    workload = Workload(layer, TINY)
    arrays = draw(workload)
    expected = eager(workload, arrays, ours=False)()
    gradients = workload.make_layer(ours=True)
    gradients.set_weights([np.asarray(gradient) for gradient in expected[2:]])
    named = {**to_torch_state_dict(gradients), "outputs": expected[0], "inputs": expected[1]}
    # PyTorch has a second bias, which only its GRU uses in another place than the first.
    if layer != "GRU":
        named["bias_hh_l0"] = named["bias_ih_l0"]
    with TorchProcess(os.environ[VARIABLE]) as torch:
        torch.prepare(workload, arrays)
        received = torch.results()
        assert received.keys() == named.keys()
        assert_same([received[name] for name in named], list(named.values()))
        assert 0 < torch.time(1) <= torch.time(100)
        torch.prepare(Workload(layer, TINY, training=False), arrays)
        assert torch.results().keys() == {"outputs"}


def test_floor_is_the_matrix_products_of_a_training_step():
    arrays = draw(Workload("LSTM", TINY))
    projected, z, d_h, d_recurrent, d_kernel, d_inputs = floor(Workload("LSTM", TINY), arrays)()
    rows = TINY.batch * TINY.time
    inputs = arrays.inputs.reshape(rows, TINY.features)
    assert_same([projected], [inputs @ arrays.weights[0]])
    assert z.shape == (TINY.batch, 4 * TINY.units)
    # Every step turns what it got, and a rotation keeps lengths: the loops ran and did not fade.
    rng = np.random.default_rng(0)
    rng.standard_normal((TINY.units, TINY.units))
    h = rng.standard_normal((rows, TINY.units), "float32")
    d_gates = rng.standard_normal((rows, 4 * TINY.units), "float32")
    assert_same([np.linalg.norm(d_h, axis=1)], [np.linalg.norm(h[: TINY.batch], axis=1)])
    assert not np.allclose(d_h, h[: TINY.batch], atol=1e-2)
    first = d_gates[: TINY.batch, : TINY.units]
    assert_same([np.linalg.norm(z, axis=1)], [2 * np.linalg.norm(first, axis=1)])
    assert_same([d_recurrent, d_kernel], [h.T @ d_gates, inputs.T @ d_gates])
    assert_same([d_inputs], [d_gates @ arrays.weights[0].T])
    assert len(floor(Workload("LSTM", TINY, training=False), arrays)()) == 2


def test_rounds_are_interleaved():
    calls = []

    def timer_of(name, seconds):
        def timer(count):
            calls.append((name, count))
            return seconds * count

        return timer

    plan = Plan(rounds=9, least=3, budget_s=1.5, slice_s=0.1)
    measured = interleave({"fast": timer_of("fast", 0.01), "slow": timer_of("slow", 1.0)}, plan)
    assert measured["fast"].seconds == [0.01] * 9
    assert measured["slow"].seconds == [1.0] * 3  # its budget was gone after two
    assert calls[:4] == [("fast", 1), ("fast", 1), ("slow", 1), ("slow", 1)]  # warm-up
    rounds = [calls[4 + 2 * index : 6 + 2 * index] for index in range(3)]
    assert all(Counter(one) == {("fast", 10): 1, ("slow", 1): 1} for one in rounds)
    assert len({tuple(one) for one in rounds}) == 2  # both orders occur


def test_ratios_are_paired_by_round():
    # Both are three times slower in the last rounds, in which only one of them ran to the end.
    assert paired_ratio([2.0, 2.2, 6.0], [1.0, 1.1, 3.0, 3.0, 3.0]) == pytest.approx(2.0)
    assert spread([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(2 / 3)
    assert spread([1.0]) == 0


def test_a_check_knows_reached_missed_and_not_measured():
    assert at_least("", 2.5, 2.5).reached is True
    assert at_least("", 2.4, 2.5).reached is False
    assert at_least("", None, 2.5).reached is None
    missed = all_at_most("", {"a": 0.9, "b": 1.2}, 1.0)
    assert (missed.measured, missed.reached, missed.where) == (1.2, False, "b (1.20)")
    assert all_at_most("", {"a": 0.9, "b": None}, 1.0).reached is None


def test_checks_of_cells_compare_with_the_better_keras():
    def row(table, case, **seconds):
        return Row(table, case, {name: [value, value] for name, value in seconds.items()})

    rows = [
        row("Training", "a", ours=1.0, keras=4.0, keras_xla=2.0, torch=0.5),
        row("Training", "b", ours=1.0, keras=1.0, keras_xla=0.8, torch=2.0),
        row("Inference", "a", ours=1.0, keras=2.0, keras_xla=1.0, torch=1.0, onnx_runtime=0.8),
    ]
    better, keras, torch, predict, xla, *peers = cells.check(rows)
    assert (better.measured, better.reached, better.where) == (1.25, False, "b (1.25)")
    assert (keras.measured, keras.reached) == (pytest.approx(2.0), False)
    assert (torch.measured, torch.where) == (pytest.approx(1.0), "PyTorch is faster at a (2.00)")
    assert (predict.measured, predict.reached) == (pytest.approx(2.0), True)
    assert (xla.measured, xla.reached) == (1.0, True)
    assert [check.measured for check in peers] == [1.0, 1.25]
    assert [check.where for check in peers] == ["", "a (1.25)"]


def test_checks_of_length_look_at_its_two_longest():
    times = {1000: (1.0, 9.0), 4000: (1.0, 6.0), 8000: (2.0, 30.0)}
    rows = [
        Row("Training", f"T = {time}", {"ours": [ours], "keras": [keras]})
        for time, (ours, keras) in times.items()
    ]
    speedup, growth = length.check(rows)
    assert (speedup.measured, speedup.reached) == (6.0, True)
    assert (growth.measured, growth.reached) == (2.0, True)
    assert [check.reached for check in length.check(rows[:1])] == [None, None]


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """The folder that a quick run without PyTorch leaves, and what it said."""
    folder = tmp_path_factory.mktemp("results")
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.delenv(VARIABLE, raising=False)
        command_line.main(["eager", "--quick", "--to", str(folder)])
    return folder, said.getvalue()


def test_a_run_leaves_tables_that_its_json_alone_gives(left):
    folder, said = left
    assert f"PyTorch is skipped: {VARIABLE}" in said
    assert {path.name for path in folder.iterdir()} == {"eager.json", "eager.md"}
    results = json.loads((folder / "eager.json").read_text())
    page = (folder / "eager.md").read_text()
    assert render(results) == page
    assert page in said
    assert "PyTorch was not measured." in page
    assert "its numbers mean nothing" in page
    assert [row["case"] for row in results["rows"]] == [*LAYERS, *LAYERS]
    assert all(row["rounds"].keys() == {"ours", "keras"} for row in results["rows"])
    assert results["machine"]["versions"]["keras"]
    assert results["command"] == f"python -m benchmarks eager --quick --to {folder}"


def test_a_table_shows_medians_ratios_and_their_mean(left):
    results = json.loads((left[0] / "eager.json").read_text())
    results["rows"] = [
        {
            "table": "T",
            "case": "a",
            "rounds": {"ours": [0.001, 0.003, 0.002], "keras": [0.004] * 3},
        },
        {"table": "T", "case": "b", "rounds": {"ours": [0.25], "keras": [2.0], "torch": [0.125]}},
    ]
    results["checks"] = [vars(at_least("Speed-up", 1.0, 5)), vars(at_least("Other", None, 2))]
    lines = (
        "|  | ours | keras | torch | keras / ours | torch / ours |",
        "| a | 2 | 4 | - | 2.00 | - |",
        "| b | 250 | 2000 | 125 | 8.00 | 0.50 |",
        "| **geometric mean** |  |  |  | 4.00 | 0.50 |",
        "| Speed-up | at least 5 | 1.00 | **no** |  |",
        "| Other | at least 2 | - | not measured |  |",
    )
    assert set(lines) <= set(render(results).splitlines())
    assert "geometric mean" not in render({**results, "mean": False})


def test_a_python_without_torch_is_refused(monkeypatch, capsys):
    for python, reason in ((sys.executable, "No module named 'torch'"), ("/no/python", "No such")):
        monkeypatch.setenv(VARIABLE, python)
        with pytest.raises(SystemExit) as stop:
            command_line.main(["--quick"])
        said = capsys.readouterr().err
        assert stop.value.code == 2
        assert len(said.splitlines()) == 1
        for word in (VARIABLE, python, reason):
            assert word in said


@pytest.mark.parametrize("argv", [["speed"], ["--rounds", "0"], ["--rounds", "few"]])
def test_a_wrong_command_line_is_refused(argv, capsys):
    with pytest.raises(SystemExit) as stop:
        command_line.main(argv)
    assert stop.value.code == 2
    assert argv[-1] in capsys.readouterr().err


def test_a_long_csv_file_is_written_piece_by_piece(tmp_path):
    path = long_csv.write(tmp_path / "long.csv", 250, at_once=100)
    table = pd.read_csv(path, parse_dates=["date"])
    assert table.shape == (250, 1 + long_csv.VARIABLES)
    assert (table["date"].diff().dropna() == pd.Timedelta("1h")).all()
    days = table.drop(columns="date").groupby(table["date"].dt.hour).mean()
    np.testing.assert_allclose(days.mean(), np.arange(long_csv.VARIABLES), atol=0.3)
    assert (np.ptp(days, axis=0) > 1).all()


@pytest.mark.slow
def test_batches_are_cut_out_anew_each_time(monkeypatch):
    cut = []
    inputs = Windows.inputs
    monkeypatch.setattr(Windows, "inputs", lambda self, rows: cut.append(0) or inputs(self, rows))
    plan = Plan(rounds=12, least=12, slice_s=0.0)
    (row,) = feeding.measure(Bench(plan, quick=True))
    assert row.rounds.keys() == {"feeding", "training"}
    assert len(cut) >= 15  # two to warm up, a dozen rounds, one to train on; an epoch has ten


def test_checks_of_a_long_file():
    fed = Row("One batch", "1,000,000 rows", {"feeding": [1.0, 1.0], "training": [4.0, 4.0]})
    (check,) = feeding.check([fed])
    assert (check.measured, check.reached) == (4.0, True)
    rows = [
        Row("Peak", "100,000 rows", {"ours": [2.0]}),
        Row("Peak", "1,000,000 rows", {"ours": [4.0]}),
    ]
    (check,) = csv_memory.check(rows)
    assert (check.measured, check.reached) == (2.0, False)
    assert csv_memory.check(rows[:1])[0].reached is None


@pytest.mark.slow
def test_training_on_a_long_csv_file_tells_what_it_adds(tmp_path, capsys):
    long_csv.main(str(long_csv.write(tmp_path / "long.csv", 4000)))
    assert json.loads(capsys.readouterr().out)["bytes"] > 1 << 20


@pytest.mark.skipif(not memory.can_measure(), reason="needs Linux's /proc")
def test_peak_memory_is_seen_after_it_is_freed(capsys):
    before = memory.reset_peak()
    # Not from the C library, which may have been told to keep what is freed.
    with mmap.mmap(-1, 50 << 20) as block:
        block[::4096] = bytes(len(block) // 4096)
    assert 45 << 20 <= memory.peak() - before <= 80 << 20
    assert memory.reset_peak() < before + (25 << 20)
    memory.main("ours", "Elman", *map(str, TINY))
    assert isinstance(json.loads(capsys.readouterr().out)["bytes"], int)


def test_every_suite_is_documented():
    readme = (command_line.RESULTS.parent / "README.md").read_text()
    for name in SUITES:
        assert f"| `{name}` |" in readme
