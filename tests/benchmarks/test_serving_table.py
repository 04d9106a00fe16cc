import importlib.util
import json
import shutil

import pytest
import tensorflow as tf

from benchmarks import serving


class Classifier(tf.Module):
    """Answers with a label and a probability, as an exported classifier of texts does."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, text):
        probability = tf.cast(tf.strings.length(text) % 10, tf.float32) / 10
        label = tf.where(probability < 0.5, "negative", "positive")
        return {"label": label, "probability": probability}


@pytest.fixture
def model(tmp_path):
    module = Classifier()
    folder = tmp_path / "classifier"
    tf.saved_model.save(module, str(folder / "1"), signatures=module.__call__)
    return folder


def test_the_page_says_what_was_measured():
    written = json.loads((serving.RESULTS / "serving.json").read_text())
    page = (serving.RESULTS / "serving.md").read_text()
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines()[6:]]
    assert len(lines) == len(written["rows"]) == 8
    for line, row in zip(lines, written["rows"], strict=True):
        assert line[:2] == [row["server"], str(row["clients"])]
        assert line[2] == f"{row['requests'] / row['seconds']:.0f}"
        assert line[3:6] == [f"{row[name]:.1f}" for name in ("p50", "p95", "p99")]
        assert line[6:] == [str(row["errors"]), str(row["grown"])]


def test_the_model_of_the_others_answers_as_the_export(model):
    assert serving.signature_of(model)(["four", "five5"]) == [
        {"label": "negative", "probability": pytest.approx(0.4)},
        {"label": "positive", "probability": pytest.approx(0.5)},
    ]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_every_server_is_loaded(model, tmp_path, capsys):
    serving.main(["--model", str(model), "--seconds", "1", "--clients", "4", "--to", str(tmp_path)])
    rows = json.loads((tmp_path / "serving.json").read_text())["rows"]
    servers = {"apps.serve", "apps.serve, --max-batch-size 1", "FastAPI"}
    if importlib.util.find_spec("litserve") is not None:
        servers.add("LitServe")
    assert {row["server"] for row in rows} == servers
    for row in rows:
        assert row["clients"] == 4
        assert row["requests"] > 10
        assert row["errors"] == 0
        assert 0 < row["p50"] <= row["p95"] <= row["p99"] < 1000
        assert row["memory"] > 50
    assert (tmp_path / "serving.md").read_text() in capsys.readouterr().out


def test_a_missing_model_and_a_missing_wrk_are_refused(model, tmp_path, monkeypatch):
    with pytest.raises(SystemExit, match=r"--model: .* holds no exported version"):
        serving.main(["--model", str(tmp_path)])
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match="wrk is not installed"):
        serving.main(["--model", str(model)])


def test_a_server_that_does_not_start_is_reported(tmp_path):
    with pytest.raises(RuntimeError, match=r"the server did not start; .*: false"):
        serving.measure(["false"], "/", tmp_path / "none.lua", clients=1, seconds=1)
