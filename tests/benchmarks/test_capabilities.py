"""The tasks ask what their names say, and the page shows what the runs scored."""

import json

import numpy as np
import pytest

from benchmarks.capabilities import page, tasks
from benchmarks.capabilities.__main__ import path_of, steps_of_first
from benchmarks.capabilities.training import MARKS, layer_names, score_of, train, units_for


def rng():
    return np.random.default_rng(0)


def test_adding_asks_for_the_sum_of_the_two_marked_numbers():
    x, y, counts = tasks.adding(rng(), 20, 30)
    for row in range(20):
        marked = x[row, :, 0][x[row, :, 1] == 1]
        assert len(marked) == 2
        np.testing.assert_allclose(y[row, -1], marked.sum(), rtol=1e-6)
    assert counts.sum() == 20
    assert np.all(counts[:, -1] == 1)


def test_copying_asks_for_the_first_symbols_at_the_end():
    x, y, counts = tasks.copy_memory(rng(), 5, 40)
    assert x.shape == (5, 60, 10)
    symbols = x.argmax(-1)
    np.testing.assert_array_equal(y[:, -10:], symbols[:, :10])
    assert np.all(symbols[:, 10:49] == 0)
    np.testing.assert_array_equal(counts.sum(0).nonzero()[0], np.arange(50, 60))


def test_parity_and_arithmetic_are_asked_at_each_step():
    x, y, _ = tasks.parity(rng(), 4, 25)
    for bits, answers in zip(x.argmax(-1), y, strict=True):
        assert [sum(bits[: step + 1]) % 2 for step in range(25)] == list(answers)
    x, y, counts = tasks.modular(rng(), 4, 25, shortest=11)
    for symbols, answers in zip(x.argmax(-1), y, strict=True):
        value = symbols[0]
        for step in range(2, 25, 2):
            name = "+-*"[symbols[step - 1] - 5]
            value = eval(f"({value} {name} {symbols[step]}) % 5")
            assert answers[step] == value
    np.testing.assert_array_equal(counts.sum(0).nonzero()[0], np.arange(10, 25, 2))


def test_digits_are_held_out_and_read_pixel_by_pixel():
    plain, permuted = tasks.digits(permuted=False), tasks.digits(permuted=True)
    x, y, counts = plain.test["test"]
    assert x.shape == (500, 64, 1)
    assert counts.sum() == 500
    other, same, _ = permuted.test["test"]
    np.testing.assert_array_equal(y, same)
    assert np.any(x != other)
    np.testing.assert_array_equal(np.sort(x, 1), np.sort(other, 1))
    drawn, _, _ = plain.batch(rng(), 64)
    held_out = {row.tobytes() for row in x}
    assert not any(row.tobytes() in held_out for row in drawn)


def test_scores_count_the_steps_that_count():
    task = tasks.digits(permuted=False)
    answers, counts = np.array([[0, 1], [0, 2]]), np.array([[0.0, 1], [0, 1]])
    outputs = np.zeros((2, 2, 10))
    outputs[:, 1, 1] = 1
    assert score_of(task, answers, outputs, counts) == 0.5


@pytest.mark.parametrize("name", ["Elman", "ProjectedLSTM"])
def test_a_network_comes_next_to_its_budget(name):
    assert name in layer_names()
    assert units_for(name, 20_000, 2, 1) % 8 == 0


def test_other_seeds_train_for_the_steps_of_the_first(tmp_path):
    """The third seed, on a machine half as fast, trained half as long."""
    path = path_of(tmp_path, "LSTM", "digits", 1)
    assert path.parent == tmp_path

    def ask(seed=2, share=0.5):
        return steps_of_first(tmp_path, "LSTM", "digits", seed, share)

    assert ask() is None  # not yet trained
    path.write_text(json.dumps({"share": 0.5, "steps": 700, "curve": [[1, 1]] * MARKS}))
    assert ask() == 700
    assert ask(seed=1) is None
    assert ask(share=1.0) is None
    path.write_text(json.dumps({"share": 0.5, "steps": 90, "curve": [[1, 1]]}))  # it diverged
    assert ask() is None


def test_a_training_ends_at_its_goal_of_steps_or_of_seconds():
    task = tasks.digits(permuted=False)._replace(seconds=1e-9)
    for goal, steps in ((None, 2), (20, 20)):
        result = train("Elman", task, 1_000, seed=1, goal=goal)
        assert result["steps"] == steps
        assert result["curve"][-1][0] >= 1
        assert np.isfinite(result["scores"]["test"])


def write_run(folder, cell, seed, score):
    run = {
        **{"cell": cell, "task": "digits", "seed": seed, "share": 1.0, "units": 48},
        **{"parameters": 18_866, "steps": 9, "ms_per_step": 4.0 + seed},
        **{"scores": {"test": score}, "curve": [[0.5, 0.3], [1.0, score]]},
    }
    path_of(folder, cell, "digits", seed).write_text(json.dumps(run))


def test_the_page_shows_means_and_spreads_of_the_runs(tmp_path):
    named = {"digits": tasks.digits(permuted=False)}
    for seed, score in ((1, 0.5), (2, 0.75)):
        write_run(tmp_path, "LSTM", seed, score)
    machine = {"processor": "one", "versions": {"keras": "3"}}
    page.write_page(tmp_path, named, machine, tmp_path / "page")
    lines = (tmp_path / "page" / "capabilities.md").read_text().splitlines()
    assert "| LSTM | 48 | 62.5 ± 12.5 |" in lines
    assert "| LSTM | 18,866 | 5 |" in lines  # the speed is that of the first seed
    assert (tmp_path / "page" / "capabilities.png").stat().st_size > 1000


def test_the_file_of_results_has_the_curves_of_the_cells_in_the_picture(tmp_path):
    for cell in ("LSTM", "ATR"):
        write_run(tmp_path, cell, 1, 0.5)
    named = {"digits": tasks.digits(permuted=False)}
    page.write_page(tmp_path, named, {"processor": "one", "versions": {}}, tmp_path / "page")
    results = json.loads((tmp_path / "page" / "capabilities.json").read_text())
    assert {run["cell"]: run.get("curve") for run in results["runs"]} == {
        "LSTM": [[0.5, 0.3], [1.0, 0.5]],
        "ATR": None,
    }


def test_a_cell_has_one_colour_in_all_panels(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(page.plt, "close", figures.append)
    named = tasks.all_tasks("some text to learn " * 200)
    runs = [
        # A training that diverged has no curve.
        {
            "task": task,
            "cell": cell,
            "curve": [] if (task, cell) == ("parity", "LSTM") else [[1, 1]],
        }
        for task in ("parity", "modular")
        for cell in page.SHOWN
    ]
    page.draw(runs, named, tmp_path / "picture.png")
    colours = [
        {line.get_label(): line.get_color() for line in panel.get_lines()}
        for panel in figures[0].axes
    ]
    assert "LSTM" not in colours[0]
    assert all(
        colours[1][cell] == colour for cell, colour in colours[0].items() if cell in page.SHOWN
    )
