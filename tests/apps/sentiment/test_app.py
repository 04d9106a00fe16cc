"""The commands of the application on a tiny run, and the mistakes that users make."""

import csv
import functools
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from apps.common.runs import Run
from apps.common.text import encode
from apps.sentiment import app as sentiment
from apps.sentiment.exported import explain_text
from apps.sentiment.labels import CLASSES
from tests.apps import commands
from tests.apps.common import c_api, other_runtimes

TINY = (
    *("--limit", "100", "--units", "6", "--embedding-size", "6", "--min-blocks", "2"),
    *("--batch-size", "30", "--epochs", "1", "--seed", "3"),
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
    tf.config.run_functions_eagerly(True)
    call("train", "--source", "sample", "--run", folder, *TINY)
    tf.config.run_functions_eagerly(False)
    return folder


@pytest.fixture(scope="module")
def classifier(run):
    return sentiment.load_classifier(Run.open(run))


def test_a_run_holds_settings_history_model_and_pictures(run):
    settings = json.loads((run / "settings.json").read_text())
    assert settings["units"] == 6
    assert settings["source"] == "sample"
    with (run / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1"]
    assert {"loss", "accuracy", "val_loss", "val_accuracy", "gradient_norm"} <= rows[0].keys()
    assert (run / "plots" / "curves.png").stat().st_size > 5000
    assert list((run / "tensorboard").rglob("events*"))
    assert (run / "vocabulary.txt").read_text("utf-8").count("[begin]") > 1


def test_the_seed_decides_the_order_of_the_reviews():
    splits = sentiment.Reviews([(f"good {n}", n % 2) for n in range(60)], (), "here")
    settings = sentiment.Settings(seed=7, min_blocks=1, batch_size=9)
    batches, validation, *_ = sentiment.make_datasets(splits, settings)
    assert (batches.seed, validation.seed) == (7, None)
    assert (len(batches.sequences), len(validation.sequences)) == (54, 6)


def test_evaluation_writes_the_metrics_next_to_the_baselines(eagerly, run, classifier, capsys):
    call("evaluate", "--run", run)
    written = json.loads((run / "metrics.json").read_text())
    assert written.keys() == {
        "app",
        "source",
        "split",
        "metrics",
        "baselines",
        "lower_is_better",
        "unordered",
    }
    assert (written["app"], written["source"], written["split"]) == ("sentiment", "sample", "test")
    assert written["baselines"].keys() == {"majority", "linear_ngrams"}
    for scores in (written["metrics"], *written["baselines"].values()):
        assert scores.keys() == {"accuracy", "roc_auc", "log_loss"}
    assert written["baselines"]["majority"]["accuracy"] == 0.5
    assert written["lower_is_better"] == ["log_loss"]
    examples = sentiment.load_examples(Run(run).settings(sentiment.Settings)).test
    answer = classifier(encode(text for text, _ in examples))
    right = np.mean((answer["probability"].numpy() >= 0.5) == [label for _, label in examples])
    assert written["metrics"]["accuracy"] == pytest.approx(right)
    assert "linear_ngrams" in capsys.readouterr().out
    for name in ("calibration", "confusion"):
        assert (run / "plots" / f"{name}.png").stat().st_size > 5000


def test_prediction_prints_label_probability_and_words(eagerly, run, classifier, tmp_path, capsys):
    (tmp_path / "review.txt").write_bytes(b"Superb \xff film")
    call("predict", "--run", run, "It was not dull.", tmp_path / "review.txt", "", "--top", "2")
    origin, *lines = capsys.readouterr().out.splitlines()
    assert origin == ("Trained on the embedded sample (generated sentences, not real reviews)")
    assert len(lines) == 6
    for verdict, words in zip(lines[::2], lines[1::2], strict=True):
        label, probability, _ = verdict.split(maxsplit=2)
        assert label == CLASSES[float(probability) >= 0.5]
        assert words.startswith("  words, + for positive: ")
    assert "'It was not dull.'" in lines[0]
    _, words = explain_text(classifier, "It was not dull.")
    first, second, *_ = sorted(words, key=lambda word: -abs(word[1]))
    shown = lines[1].removeprefix("  words, + for positive: ")
    assert shown == f"{first[0]} {first[1]:+.2f}, {second[0]} {second[1]:+.2f}"
    assert lines[4].endswith("  '' (there is no text)")
    assert lines[5].endswith("none")


@pytest.fixture
def exported(run, tmp_path, in_process):
    call("export", "--run", run, "--to", tmp_path)
    return tmp_path / "sentiment" / "1"


@pytest.mark.slow
def test_the_export_answers_odd_texts_alone_and_together(exported, classifier):
    served = tf.saved_model.load(exported).signatures
    assert list(served) == ["serving_default", "explain"]
    texts = encode(ODD.values())
    answer = served["serving_default"](text=texts)
    probability = answer["probability"].numpy()
    assert probability.shape == (len(ODD),)
    assert np.all((probability > 0) & (probability < 1))
    expected = [CLASSES[int(value >= 0.5)].encode() for value in probability]
    assert answer["label"].numpy().tolist() == expected
    np.testing.assert_allclose(classifier(texts)["probability"], probability, atol=1e-5)
    alone = [served["serving_default"](text=texts[n : n + 1])["probability"] for n in (0, 4, 5)]
    np.testing.assert_allclose(np.ravel(alone), probability[[0, 4, 5]], rtol=1e-4)
    text = "It was <i>superb</i>."
    explained = served["explain"](text=encode([text, ""]))
    _, words = explain_text(classifier, text)
    assert explained["words"].numpy().tolist() == [[b"it", b"was", b"superb", b"."], [b""] * 4]
    expected = [effect for _, effect in words]
    np.testing.assert_allclose(explained["effects"].numpy()[0], expected, atol=1e-4)
    card = (exported / "model_card.md").read_text("utf-8")
    assert "Trained on the embedded sample (generated sentences, not real" in card
    assert "that it is positive, 0 to 1" in card


@pytest.mark.slow
def test_a_c_program_asks_the_export(exported):
    assert c_api.check(exported) == ["explain", "serving_default"]


@pytest.mark.slow
def test_other_runtimes_classify_ids(classifier, tmp_path):
    written = other_runtimes.check("sentiment", classifier, classifier.numeric(), tmp_path)
    assert written == {"classify_ids": {"onnx", "litert"}}


# Classes


@pytest.mark.slow
def test_stars_are_classes_with_metrics_of_their_own(eagerly, tmp_path, capsys):
    words = ("awful dull", "slow fair", "good superb")
    rows = [f"{words[n % 3]} film {n % 7},{'★' * (1 + n % 3)}" for n in range(150)]
    (tmp_path / "mine.csv").write_text("\n".join(["review,stars", *rows]), "utf-8")
    options = ("--units", "6", "--embedding-size", "6", "--epochs", "1", "--seed", "3")
    call("train", "--source", tmp_path / "mine.csv", "--run", tmp_path / "run", *options)
    out = capsys.readouterr().out
    assert "the text is in column 'review', the label in column 'stars'" in out
    assert "3 classes (50 ★, 50 ★★, 50 ★★★)" in out
    call("evaluate", "--run", tmp_path / "run")
    written = json.loads((tmp_path / "run" / "metrics.json").read_text())
    measured = ("accuracy", "macro_f1", "mean_absolute_error", "log_loss")
    assert tuple(written["metrics"]) == tuple(written["baselines"]["linear_ngrams"]) == measured
    assert written["source"] == str(tmp_path / "mine.csv")
    assert written["baselines"]["majority"]["mean_absolute_error"] == 1
    assert (tmp_path / "run" / "plots" / "confusion.png").stat().st_size > 5000
    capsys.readouterr()
    call("predict", "--run", tmp_path / "run", "A superb film.", "--top", "1")
    origin, verdict, words = capsys.readouterr().out.splitlines()
    assert origin == "Trained on mine.csv (data of its user)"
    label, _, then = verdict.split(maxsplit=2)
    assert label == "★★★"
    assert then.startswith("(then ★")
    assert words.startswith("  words, + for ★★★: superb +")
    (tmp_path / "run" / "classes.txt").write_text("a\nb", "utf-8")
    err = refused(capsys, "predict", "--run", tmp_path / "run", "x")
    assert "classes.txt must hold the names of the 3 classes of the model; received 2" in err


# Mistakes


refused = functools.partial(commands.refused, call)


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        *((name, "0", "at least 1") for name in ("units", "batch-size", "epochs", "patience")),
        *((name, "0", "at least 1") for name in ("min-blocks", "orders", "embedding-size")),
        *(("dropout", value, "at least 0 and below 1") for value in ("1.5", "-0.1", "nan")),
        *(("learning-rate", value, "a finite number above 0") for value in ("0", "nan", "inf")),
        ("max-norm", "-1", "a finite number above 0"),
        *(("validation-part", value, "between 0 and 1") for value in ("0", "1")),
        ("max-length", "2", "at least 3"),
        ("limit", "5", "at least 20"),
        ("parts", "1", "at least 2"),
        *(("seed", value, "from 0 to 4,294,967,295; received") for value in ("-1", "4294967296")),
    ],
)
def test_settings_that_cannot_work(tmp_path, capsys, option, value, words):
    err = refused(capsys, "train", "--run", tmp_path / "run", f"--{option}", value)
    assert err.startswith(f"error: {option.replace('-', '_')} ")
    assert f" must be {words}" in err
    assert not (tmp_path / "run").exists()


def test_one_column_cannot_be_text_and_label(tmp_path, capsys):
    columns = ("--text-column", "x", "--label-column", "x")
    err = refused(capsys, "train", "--run", tmp_path / "run", *columns)
    assert "must be two columns; received 'x' for both" in err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--source", "nowhere"], "source must be 'sample', 'tfds', or the path of"),
        (["--text-column", "x"], "text_column has no effect with source 'sample': leave it out"),
        (
            ["--min-blocks", "99", "--limit", "100"],
            "min_blocks must leave some words; no word occurs in 99 of",
        ),
        (["--validation-part", "0.0001"], "validation_part must leave examples of every class"),
    ],
)
def test_trainings_that_cannot_begin(tmp_path, capsys, argv, words):
    assert words in refused(capsys, "train", "--run", tmp_path / "run", *argv)


def test_runs_that_cannot_be_used(run, tmp_path, capsys):
    assert "finished run" in refused(capsys, "train", "--run", run, *TINY)
    for command in (["evaluate"], ["predict", "x"], ["export"]):
        assert "there is no run" in refused(capsys, *command, "--run", tmp_path / "absent")
    damaged = shutil.copytree(run, tmp_path / "damaged")
    lines = (run / "vocabulary.txt").read_text("utf-8").split("\n")
    (damaged / "vocabulary.txt").write_text("\n".join(lines[:-2]), "utf-8")
    err = refused(capsys, "predict", "--run", damaged, "x")
    assert f"vocabulary.txt must hold the {len(lines)} n-grams of the model; received" in err
    (damaged / "model.keras").write_bytes(b"")
    assert "model.keras is damaged" in refused(capsys, "predict", "--run", damaged, "x")


def test_predictions_that_cannot_be_made(capsys):
    """They are refused before the run is opened."""
    assert "give at least one text" in refused(capsys, "predict", "--run", "absent")
    err = refused(capsys, "predict", "--run", "absent", "x", "--top", "-1")
    assert err == "error: top must be at least 0; received -1"
