import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from apps.common.runs import Run
from apps.common.text import encode
from apps.sentiment import app as sentiment
from tests.apps.common import c_api, other_runtimes

TINY = (
    *("--limit", "200", "--units", "6", "--embedding-size", "6", "--min-blocks", "3"),
    *("--batch-size", "20", "--epochs", "2"),
)
ODD = {
    "empty": "",
    "blank": " \n\t",
    "long": "dull " * 100_000,
    "emoji": "\N{CLAPPING HANDS SIGN}" * 3,
    "HTML": "<p>A <b>superb</b> film<br /></p>",
    "no UTF-8": b"\xff\xfe caf\xe9 \x00 superb",
    "surrogate": "\ud800",
}


def call(*argv):
    sentiment.main([str(argument) for argument in argv])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    call("train", "--source", "sample", "--run", folder, *TINY)
    return folder


@pytest.fixture(scope="module")
def classifier(run):
    return sentiment.load_classifier(Run.finished(run))


def test_a_run_holds_settings_history_model_and_pictures(run):
    settings = json.loads((run / "settings.json").read_text())
    assert settings["units"] == 6
    assert settings["source"] == "sample"
    with (run / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert {"loss", "accuracy", "val_loss", "val_accuracy", "gradient_norm"} <= rows[0].keys()
    assert (run / "plots" / "curves.png").stat().st_size > 5000
    assert list((run / "tensorboard").rglob("events*"))
    assert (run / "vocabulary.txt").read_text("utf-8").count("[begin]") > 1


def test_evaluation_writes_the_metrics_beside_the_baselines(run, classifier, capsys):
    call("evaluate", "--run", run)
    found = json.loads((run / "metrics.json").read_text())
    assert found.keys() == {"app", "source", "split", "metrics", "baselines"}
    assert (found["app"], found["source"], found["split"]) == ("sentiment", "sample", "test")
    assert found["baselines"].keys() == {"majority", "linear_ngrams"}
    for scores in (found["metrics"], *found["baselines"].values()):
        assert scores.keys() == {"accuracy", "roc_auc", "log_loss"}
    assert found["baselines"]["majority"]["accuracy"] == 0.5
    examples = sentiment.load_examples(Run(run).settings(sentiment.Settings)).test
    answer = classifier(encode(text for text, _ in examples))
    right = np.mean((answer["probability"].numpy() >= 0.5) == [label for _, label in examples])
    assert found["metrics"]["accuracy"] == pytest.approx(right)
    assert "linear_ngrams" in capsys.readouterr().out
    for name in ("calibration", "confusion"):
        assert (run / "plots" / f"{name}.png").stat().st_size > 5000


def test_prediction_prints_label_probability_and_words(run, tmp_path, capsys):
    (tmp_path / "review.txt").write_bytes(b"Superb \xff film")
    call("predict", "--run", run, "It was not dull.", tmp_path / "review.txt", "", "--top", "2")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    for verdict, moved in zip(lines[::2], lines[1::2], strict=True):
        label, probability, _ = verdict.split(maxsplit=2)
        assert label == sentiment.LABELS[float(probability) >= 0.5]
        assert moved.startswith("  moved most by:")
    assert "'It was not dull.'" in lines[0]
    assert lines[1].count(",") == 1


def test_odd_texts_are_answered_with_a_probability(classifier):
    answer = classifier(encode(ODD.values()))
    probability = answer["probability"].numpy()
    assert probability.shape == (len(ODD),)
    assert np.all((probability > 0) & (probability < 1))
    expected = [sentiment.LABELS[int(value >= 0.5)].encode() for value in probability]
    assert answer["label"].numpy().tolist() == expected


def test_a_text_is_answered_alike_alone_and_beside_a_longer_one(classifier):
    texts = ["It was not dull.", "", "The music was superb. " * 40]
    together = classifier(encode(texts))["probability"].numpy()
    alone = [classifier(encode([text]))["probability"].numpy()[0] for text in texts]
    np.testing.assert_allclose(together, alone, rtol=1e-4)


def test_words_are_named_with_how_far_they_moved_the_state(classifier):
    text = "It was anything but dull."
    probability, words = sentiment.classify(classifier, text)
    assert probability == pytest.approx(float(classifier(encode([text]))["probability"][0]), 1e-4)
    assert [word for word, _ in words] == ["it", "was", "anything", "but", "dull", "."]
    states = classifier.model.get_layer("states")
    inputs = classifier.vectorizer(encode([text])).to_tensor()
    network = sentiment.keras.Model(classifier.model.input, states.output)
    forward, backward = np.split(network(inputs).numpy()[0], 2, axis=-1)
    last = np.linalg.norm(forward[-1] - forward[-2]) + np.linalg.norm(backward[-1])
    assert words[-1][1] == pytest.approx(last, rel=1e-4)
    assert sentiment.classify(classifier, "")[1] == []


def test_a_c_program_answers_as_python_does(run, tmp_path):
    call("export", "--run", run, "--to", tmp_path)
    assert c_api.check(tmp_path / "sentiment" / "1") == ["serving_default"]


def test_other_runtimes_classify_ids(run, classifier, tmp_path):
    written = other_runtimes.check("sentiment", classifier, classifier.numeric(), tmp_path)
    assert written == {"classify_ids": {"onnx", "litert"}}


def test_the_export_answers_odd_texts_without_this_project_and_without_keras(
    run, classifier, tmp_path
):
    call("export", "--run", run, "--to", tmp_path)
    texts = encode(ODD.values())
    np.save(tmp_path / "texts.npy", texts.numpy().astype(object), allow_pickle=True)
    program = f"""
import sys
sys.modules["keras"] = sys.modules["rnnlayers"] = sys.modules["apps"] = None
import numpy as np, tensorflow as tf
model = tf.saved_model.load({str(tmp_path / "sentiment" / "1")!r})
texts = np.load({str(tmp_path / "texts.npy")!r}, allow_pickle=True).tolist()
answer = model.signatures["serving_default"](text=tf.constant(texts))
np.save({str(tmp_path / "answer.npy")!r}, answer["probability"].numpy())
"""
    subprocess.run([sys.executable, "-I", "-c", program], check=True)
    expected = classifier(texts)["probability"]
    np.testing.assert_allclose(np.load(tmp_path / "answer.npy"), expected, atol=1e-5)


def test_a_killed_training_goes_on_with_the_same_command(tmp_path, capsys):
    folder = tmp_path / "killed"
    argv = ["train", "--source", "sample", "--run", str(folder), *TINY, "--epochs", "500"]
    argv += ["--patience", "500"]
    process = subprocess.Popen([sys.executable, "-m", "apps.sentiment", *argv])
    try:
        for _ in range(600):
            if Run(folder).epochs_done() >= 2:
                break
            assert process.poll() is None
            time.sleep(0.1)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = Run(folder).epochs_done()
    assert 2 <= done < 500
    settings = json.loads((folder / "settings.json").read_text())
    (folder / "settings.json").write_text(json.dumps({**settings, "epochs": done + 1}))
    argv[argv.index("500")] = str(done + 1)
    sentiment.main(argv)
    assert f"goes on after epoch {done}" in capsys.readouterr().out
    assert Run(folder).history()["epoch"].tolist() == list(range(1, done + 2))


def refused(capsys, *argv):
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        call(*argv)
    assert stop.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    return err


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("units", "0"), ("dropout", "1.5"), ("dropout", "-0.1"), ("batch-size", "0")),
        *(("epochs", "0"), ("learning-rate", "0"), ("learning-rate", "nan"), ("max-norm", "-1")),
        *(("validation-part", "0"), ("validation-part", "1"), ("max-length", "2"), ("limit", "5")),
        *(("seed", "-1"), ("patience", "0"), ("min-blocks", "0"), ("orders", "0")),
    ],
)
def test_settings_outside_their_range(tmp_path, capsys, option, value):
    err = refused(capsys, "train", "--run", tmp_path / "run", f"--{option}", value)
    assert err.startswith(f"error: {option.replace('-', '_')} must be ")
    assert not (tmp_path / "run").exists()


def test_mistakes_of_the_user(run, tmp_path, capsys):
    new = tmp_path / "new"
    assert "nowhere" in refused(capsys, "train", "--run", new, "--source", "nowhere")
    assert "finished run" in refused(capsys, "train", "--run", run, *TINY)
    (tmp_path / "mine.csv").write_text("text,stars\nfine,1\n")
    err = refused(capsys, "train", "--run", new, "--source", tmp_path / "mine.csv")
    assert "mine.csv: no column 'label' among ['text', 'stars']" in err
    for command in ("evaluate", "predict", "export"):
        assert "there is no run" in refused(capsys, command, "--run", tmp_path / "absent")
    damaged = shutil.copytree(run, tmp_path / "damaged")
    (damaged / "model.keras").write_bytes(b"")
    assert "model.keras is damaged" in refused(capsys, "predict", "--run", damaged, "x")


def test_a_mistake_is_one_line_of_a_fresh_process(tmp_path):
    environment = {name: value for name, value in os.environ.items() if "TF_CPP" not in name}
    done = subprocess.run(
        [sys.executable, "-m", "apps.sentiment", "train", "--run", tmp_path, "--source", "no"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: source must be")
    assert len(done.stderr.splitlines()) == 1
