import json

import pytest

from apps.forecasting import app as forecasting
from benchmarks import forecasting as benchmark


def finish(run):
    """Write the files of a finished run, with scores that depend on its name."""
    _, horizon, seed = run.name.split("_")
    run.mkdir(parents=True)
    score = int(horizon) / 1000 + int(seed) / 100
    metrics = {"mse": score, "mae": score / 2, "coverage": 0.8}
    baselines = {"naive": {"mse": 2.0, "mae": 1.0}}
    (run / "metrics.json").write_text(json.dumps({"metrics": metrics, "baselines": baselines}))


def test_every_run_is_trained_once_and_reported(tmp_path, monkeypatch, capsys):
    trained = []

    def train(run, settings):
        trained.append((run.name, settings.source, settings.horizon, settings.seed, settings.limit))
        finish(run)

    monkeypatch.setattr(forecasting, "train", train)
    monkeypatch.setattr(forecasting, "evaluate", lambda run: None)
    command = ["--data", "data", "--runs", str(tmp_path / "runs"), "--to", str(tmp_path)]
    benchmark.main([*command, "--series", "ETTh1", "--seeds", "1", "3", "--horizons", "96", "720"])
    benchmark.main([*command, "--series", "ETTm1", "--seeds", "1", "--horizons", "96"])
    benchmark.main([*command, "--series", "ETTm1", "--seeds", "1", "--horizons", "96"])
    assert trained == [
        ("ETTh1_96_1", "data/ETTh1.csv", 96, 1, None),
        ("ETTh1_720_1", "data/ETTh1.csv", 720, 1, None),
        ("ETTh1_96_3", "data/ETTh1.csv", 96, 3, None),
        ("ETTh1_720_3", "data/ETTh1.csv", 720, 3, None),
        ("ETTm1_96_1", "data/ETTm1.csv", 96, 1, 10_000),
    ]
    page = (tmp_path / "forecasting.md").read_text()
    assert page in capsys.readouterr().out
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines()]
    hourly, quarters = [line for line in lines if line[:1] == ["**rnnlayers**"]]
    assert hourly[1:] == ["0.116 / 0.058 (± 0.010 / 0.005)", "", "", hourly[4]]
    assert hourly[4].startswith("0.740 / 0.370")
    assert quarters[1] == "0.106 / 0.053"
    (segrnn,) = [line for line in lines if "".join(line[:1]).startswith("SegRNN (")]
    assert segrnn[1] == "0.351 / 0.392"
    written = json.loads((tmp_path / "forecasting.json").read_text())
    assert len(written["rows"]) == 2 * 5
    assert written["recipe"]["window"] == 720
    ours = [row for row in written["rows"] if row["model"] == "rnnlayers"]
    assert all(row["seconds"] >= 0 for row in ours)


def test_runs_are_added_to_an_earlier_table(tmp_path, monkeypatch):
    trained = []

    def train(run, settings):
        trained.append(run.name)
        finish(run)

    monkeypatch.setattr(forecasting, "train", train)
    monkeypatch.setattr(forecasting, "evaluate", lambda run: None)
    command = ["--data", "data", "--to", str(tmp_path), "--series", "ETTh1", "--horizons", "96"]
    benchmark.main([*command, "--runs", str(tmp_path / "here"), "--seeds", "1"])
    elsewhere = [*command, "--runs", str(tmp_path / "there"), "--seeds", "1", "2"]
    benchmark.main([*elsewhere, "--add"])
    assert trained == ["ETTh1_96_1", "ETTh1_96_2"]
    written = json.loads((tmp_path / "forecasting.json").read_text())
    ours = [row["seed"] for row in written["rows"] if row["model"] == "rnnlayers"]
    assert ours == [1, 2]
    assert "seeds: 2\n" in (tmp_path / "forecasting.md").read_text()
    monkeypatch.setitem(benchmark.RECIPE, "units", 1)
    with pytest.raises(ValueError, match="another recipe"):
        benchmark.main([*elsewhere, "--add"])


def test_the_folder_must_be_named(capsys):
    with pytest.raises(SystemExit):
        benchmark.main([])
    assert "--data" in capsys.readouterr().err
