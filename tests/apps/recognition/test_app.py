"""The commands of the application on tiny runs, and the mistakes that users make."""

import csv
import functools
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from apps.common.other_runtimes import FOLDER
from apps.common.runs import Run
from apps.recognition import app as recognition
from apps.recognition import baselines, evaluation
from apps.recognition.networks import SAMPLES
from apps.recognition.sample import gestures
from apps.recognition.speech_sample import RATE, spoken_digits
from apps.recognition.transcriber import TEXT, stream_whole
from tests.apps import commands
from tests.apps.common import c_api, other_runtimes

TINY = ("--limit", "60", "--units", "4", "--filters", "4", "--epochs", "1", "--seed", "3")
CONNECTED = (
    *("--sample", "spoken", "--answer", "connected", "--streaming", "--limit", "60"),
    *("--units", "4", "--bands", "8", "--stride", "3", "--utterances", "20", "--epochs", "1"),
    *("--delay", "0.06"),
)


def call(*argv):
    recognition.main([str(argument) for argument in argv])


def trained(folder, *options):
    tf.config.run_functions_eagerly(True)
    call("train", "--source", "sample", "--run", folder, *options)
    tf.config.run_functions_eagerly(False)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("runs") / "tiny", *TINY)


@pytest.fixture(scope="module")
def connected(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("runs") / "connected", *CONNECTED)


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    options = ("--sample", "spoken", "--stride", "2", "--bands", "8", "--fcn")
    return trained(tmp_path_factory.mktemp("runs") / "spoken", *TINY, *options)


def test_a_run_holds_settings_history_names_model_and_pictures(run):
    settings = json.loads((run / "settings.json").read_text())
    assert (settings["units"], settings["source"]) == (4, "sample")
    with (run / "history.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert {"loss", "accuracy", "val_loss", "val_accuracy", "gradient_norm"} <= row.keys()
    assert (run / "classes.txt").read_text().split() == sorted({g.answer for g in gestures(10)})
    assert (run / "plots" / "curves.png").stat().st_size > 5000


def test_evaluation_writes_the_metrics_next_to_the_baselines(eagerly, run, capsys):
    call("evaluate", "--run", run)
    written = json.loads((run / "metrics.json").read_text())
    assert (written["app"], written["source"], written["split"]) == (
        *("recognition", "sample", "test"),
    )
    names = {"majority", "averaged_features", "nearest_neighbour", "convolutional"}
    assert written["baselines"].keys() == names
    for scores in (written["metrics"], *written["baselines"].values()):
        assert scores.keys() == {"accuracy", "balanced_accuracy", "log_loss"}
    assert written["lower_is_better"] == ["log_loss"]
    folder = Run(run)
    settings = folder.settings(recognition.Settings)
    test = recognition.load_examples(settings).test
    classifier = recognition.load_recognizer(folder)
    right = []
    for example in test:
        inputs = {"features": example.values[None], "length": np.array([len(example.values)])}
        answer = classifier(**{name: tf.constant(value) for name, value in inputs.items()})
        right.append(answer["label"].numpy()[0].decode() == example.answer)
    assert written["metrics"]["accuracy"] == pytest.approx(np.mean(right))
    assert np.nanmean(list(written["recalls"].values())) == pytest.approx(
        written["metrics"]["balanced_accuracy"]
    )
    assert (run / "plots" / "confusion.png").stat().st_size > 5000
    assert "Each class" in capsys.readouterr().out


def test_prediction_prints_the_class_and_draws_the_evidence(eagerly, run, tmp_path, capsys):
    paths = recognition.DEMO.inputs(tmp_path)
    capsys.readouterr()
    call("predict", "--run", run, *paths, "--plots", "1")
    origin, *lines = capsys.readouterr().out.splitlines()
    assert origin == "Trained on the embedded sample gestures (drawn by this project, no people)"
    names = (run / "classes.txt").read_text().split()
    for line, path in zip(lines, paths, strict=True):
        name, probability, _ = line.split(maxsplit=2)
        assert name in names
        assert 0.1 <= float(probability) <= 1
        assert line.endswith(f"  {path}")
    assert (run / "plots" / "evidence_1.png").stat().st_size > 5000
    assert not (run / "plots" / "evidence_2.png").exists()


def test_evidence_is_the_gradient_times_the_distance_from_the_mean(eagerly, run):
    classifier = recognition.load_recognizer(Run(run))
    probe = {name: tf.constant(value) for name, value in classifier.probe().items()}
    answer = classifier.explain(**probe)
    label = np.argmax(answer["probabilities"], axis=-1)
    assert not answer["evidence"].numpy()[1, 1:].any()  # behind the end
    mean = recognition.Run(run).model().layers  # of the training part
    mean = next(layer.mean for layer in mean if hasattr(layer, "mean")).numpy().ravel()
    step, channel, size = 7, 1, 1e-2

    def logit(change):
        moved = probe["features"].numpy().copy()
        moved[0, step, channel] += change
        given = {**probe, "features": tf.constant(moved)}
        return float(classifier.logits(given)[0, label[0]])

    slope = (logit(size) - logit(-size)) / (2 * size)
    expected = slope * (probe["features"].numpy()[0, step, channel] - mean[channel])
    assert float(answer["evidence"][0, step, channel]) == pytest.approx(expected, rel=0.05)


def test_padding_changes_nothing(eagerly, run):
    classifier = recognition.load_recognizer(Run(run))
    probe = classifier.probe()
    together = classifier(**{n: tf.constant(v) for n, v in probe.items()})["probabilities"]
    for row, length in enumerate(probe["length"]):
        values = tf.constant(probe["features"][row : row + 1, :length])
        alone = classifier(features=values, length=tf.constant([length]))["probabilities"]
        np.testing.assert_allclose(alone[0], together[row], atol=1e-5)


def test_words_are_heard_as_the_recording_comes_in(connected):
    transcriber = recognition.load_recognizer(Run(connected))
    assert transcriber.symbols == tuple(" 0123456789")
    samples = spoken_digits(1)[0].values
    samples = samples[: len(samples) // transcriber.block * transcriber.block]
    inputs = {SAMPLES: tf.constant(samples[None]), "length": tf.constant([len(samples)])}
    found = transcriber.decoded_greedily(**inputs)
    whole = transcriber.texts(found).numpy()[0].decode()
    for blocks in (1, 4):
        assert stream_whole(transcriber, samples, blocks) == whole
    probability = float(tf.exp(transcriber(**inputs)["log_probability"])[0])
    assert 0 < probability <= 1
    assert probability >= float(tf.exp(found.log_probability[0])) * 0.999


@pytest.mark.slow
def test_transcripts_are_scored_and_drawn(monkeypatch, connected, tmp_path, capsys):
    monkeypatch.setattr(evaluation, "TEST_UTTERANCES", 3)
    call("evaluate", "--run", connected)
    written = json.loads((connected / "metrics.json").read_text())
    assert written["lower_is_better"] == [
        *("word_error_rate", "character_error_rate"),
        *("greedy_word_error_rate", "streamed_word_error_rate"),
    ]
    assert written["metrics"].keys() - written["lower_is_better"] == {"whole_transcripts"}
    assert written["baselines"].keys() == {"most_frequent"}
    soundfile.write(tmp_path / "a.flac", spoken_digits(1)[0].values, RATE)
    capsys.readouterr()
    call("predict", "--run", connected, tmp_path)
    _, line = capsys.readouterr().out.splitlines()
    assert line.endswith("a.flac")
    assert (connected / "plots" / "alignment_1.png").stat().st_size > 5000


# Exports


@pytest.mark.slow
def test_the_export_of_recordings_answers_samples_and_files(spoken, tmp_path, in_process):
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
    call("export", "--run", spoken, "--to", tmp_path, "--also", "onnx")
    path = tmp_path / "recognition" / "1"
    loaded = tf.saved_model.load(path)
    served = loaded.signatures
    assert set(served) == {"serving_default", "explain", "wav"}
    samples = spoken_digits(1)[3].values
    soundfile.write(tmp_path / "a.wav", samples, RATE, "PCM_16")
    answer = served["wav"](wav=tf.constant([(tmp_path / "a.wav").read_bytes()]))
    given = {SAMPLES: tf.constant(samples[None]), "length": tf.constant([len(samples)])}
    expected = served["serving_default"](**given)
    np.testing.assert_allclose(answer["probabilities"], expected["probabilities"], atol=1e-3)
    session = onnxruntime.InferenceSession(path / FOLDER / "classify_features.onnx")
    features = served["explain"](**given)["features"].numpy()  # what the network reads
    told = session.run(None, {"features": features, "length": np.array([features.shape[1]], "i4")})
    np.testing.assert_allclose(told[0], expected["probabilities"], atol=1e-5)
    with pytest.raises(tf.errors.InvalidArgumentError, match="length must be from 1 to 4; rec"):
        served["serving_default"](samples=tf.zeros([1, 4]), length=tf.constant([5]))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"WAV file of 16 bits.* in row 1, c"):
        served["wav"](wav=tf.constant([(tmp_path / "a.wav").read_bytes(), b"a text"]))
    assert c_api.check(path) == ["serving_default", "explain", "wav"]
    program, document = c_api.documented()
    command = re.search(r"\./serve saved_models/recognition/1 (.*?) <one", document, re.DOTALL)[1]
    with (tmp_path / "a.wav").open("rb") as file:
        done = subprocess.run(
            [program, path, *command.replace("\\", "").split()],
            stdin=file,
            check=True,
            capture_output=True,
            text=True,
        )
    label, probability = done.stdout.split()
    assert label == answer["label"].numpy()[0].decode()
    assert float(probability) == pytest.approx(float(answer["probability"][0]), rel=1e-4)


@pytest.mark.slow
def test_the_export_of_words_has_a_step(connected, tmp_path, in_process):
    call("export", "--run", connected, "--to", tmp_path)
    path = tmp_path / "recognition" / "1"
    served = tf.saved_model.load(path).signatures
    assert set(served) == {"serving_default", "wav", "step"}
    transcriber = recognition.load_recognizer(Run(connected))
    probe = transcriber.probes()["step"]
    given = {name: tf.constant(value) for name, value in probe.items()}
    assert served["step"](**given)[TEXT].numpy().tolist() == (
        transcriber.step(**given)[TEXT].numpy().tolist()
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match="samples must be a multiple of 240"):
        served["step"](**{**given, SAMPLES: tf.zeros([2, 100])})
    assert "step" in c_api.check(path)


@pytest.mark.slow
def test_other_runtimes_classify_what_the_network_reads(run, tmp_path):
    classifier = recognition.load_recognizer(Run(run))
    written = other_runtimes.check("recognition", classifier, classifier.numeric(), tmp_path)
    assert "onnx" in written["classify_features"]


@pytest.mark.slow
def test_a_training_that_is_resumed_ends_where_an_unbroken_one_does(tmp_path):
    changed = ("--noise", "0.1", "--mask-time", "0.3", "--stretch", "0.2")
    options = ("--source", "sample", *TINY[:-4], *changed, "--epochs", "3")
    call("train", "--run", tmp_path / "whole", *options)
    with pytest.raises(RuntimeError, match="broken off"):
        call("train", "--run", tmp_path / "broken", *options, "--callbacks", f"{__name__}:Breaks")
    call("train", "--run", tmp_path / "broken", *options)
    one, other = (Run(tmp_path / name).history() for name in ("whole", "broken"))
    np.testing.assert_allclose(one["val_loss"], other["val_loss"], rtol=1e-5)


class Breaks(tf.keras.callbacks.Callback):
    """Breaks a training off in its second epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise RuntimeError("broken off")


# Baselines


def test_the_nearest_neighbour_is_that_of_warped_time():
    """The distance of the definition, by the recursion over all pairs of steps."""

    def warped(one, other):
        cost = np.full((len(one) + 1, len(other) + 1), np.inf)
        cost[0, 0] = 0
        for i, a in enumerate(one, start=1):
            for j, b in enumerate(other, start=1):
                before = min(cost[i - 1, j], cost[i, j - 1], cost[i - 1, j - 1])
                cost[i, j] = ((a - b) ** 2).sum() + before
        return cost[-1, -1]

    random = np.random.default_rng(0)
    train = [random.normal(size=(random.integers(2, 9), 2)) for _ in range(12)]
    test = [random.normal(size=(random.integers(2, 9), 2)) for _ in range(8)]
    labels = random.integers(0, 3, 12)
    found = baselines.nearest_neighbour(train, labels, test, 3).argmax(axis=1)
    nearest = [int(np.argmin([warped(one, other) for other in train])) for one in test]
    np.testing.assert_array_equal(found, labels[nearest])


# Mistakes


refused = functools.partial(commands.refused, call)


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        *((name, "0", "at least 1") for name in ("units", "layers", "kernel", "stride", "bands")),
        *((name, "0", "at least 1") for name in ("batch-size", "epochs", "patience")),
        ("filters", "-1", "at least 0"),
        ("limit", "5", "at least 20"),
        ("rate", "20", "from 1,000 to 384,000 samples a second"),
        *(("dropout", value, "at least 0 and below 1") for value in ("1", "-0.1", "nan")),
        *(("validation-part", value, "at least 0 and below 1") for value in ("1", "-0.1")),
        ("mask-time", "1", "at least 0 and below 1"),
        ("noise", "inf", "finite and at least 0"),
        ("learning-rate", "0", "a finite number above 0"),
        ("hop", "2", "at most 1 second"),
        *(("test-part", value, "between 0 and 1") for value in ("0", "1")),
        ("delay", "2", "from 0 to 1 second"),
        ("delay", "0.3", "delay has no effect without streaming"),
        ("seed", "-1", "from 0 to 4,294,967,295"),
        ("frame", "0.001", "at least hop"),
        ("streaming", None, "leave it out, or choose transcript or connected"),
        ("alphabet", "abc", "leave it out"),
        ("workers", "0", "workers must be at least 1"),
        ("answer=connected --sample=spoken --streaming --filters=4", None, "looks ahead"),
        ("answer=connected --sample=spoken --streaming --center", None, "leave one of them out"),
        ("answer=connected --sample=spoken --fcn", None, "fcn has no effect with answer conn"),
        ("utterances", "5", "leave it out"),
        ("sample", "speech", "one of gestures, digits, spoken; received 'speech'"),
        ("cell", "peephole", "such as peephole_lstm; received"),
        ("speaker", "theo", "needs the sample spoken"),
        ("image-steps", "pixels", "needs the sample digits"),
        ("source", "nowhere", "source must be 'sample', 'tfds', or the path of"),
        ("trim", None, "trim has no effect with source 'sample': leave it out"),
    ],
)
def test_settings_that_cannot_work(tmp_path, capsys, option, value, words):
    given = [*f"--{option}".replace("=", " ").split(), *([] if value is None else [value])]
    assert words in refused(capsys, "train", "--run", tmp_path / "run", *given)
    assert not (tmp_path / "run").exists()


def test_runs_that_cannot_be_used(run, connected, tmp_path, capsys):
    for command in (["evaluate"], ["predict", "x"], ["export"]):
        assert "there is no run" in refused(capsys, *command, "--run", tmp_path / "absent")
    assert "plots must be at least 0" in refused(
        capsys, "predict", "x", "--run", run, "--plots", "-1"
    )
    damaged = shutil.copytree(run, tmp_path / "damaged")
    (damaged / "classes.txt").write_text("a\nb", "utf-8")
    err = refused(capsys, "predict", "--run", damaged, "x")
    assert "classes.txt must hold the 10 classes of the model, one a line; received 2" in err
    damaged = shutil.copytree(connected, tmp_path / "words")
    (damaged / "symbols.txt").write_text("32\nx", "utf-8")
    err = refused(capsys, "predict", "--run", damaged, "x")
    assert "symbols.txt must hold the 11 letters of the model, one a line; received 1" in err


def test_inputs_that_the_run_cannot_read(run, connected, tmp_path, capsys):
    (tmp_path / "a.csv").write_text("x,y,z\n1,2,3\n", "utf-8")
    err = refused(capsys, "predict", "--run", run, tmp_path / "a.csv")
    assert "expected a series of 2 channels, as the run is trained on; received 1 steps of 3" in err
    (tmp_path / "b.csv").write_text("x,y\n1,left\n", "utf-8")
    err = refused(capsys, "predict", "--run", run, tmp_path / "b.csv")
    assert "b.csv, row 1: expected numbers; received 'left'" in err
    (tmp_path / "head.csv").write_text("x,y\n", "utf-8")
    err = refused(capsys, "predict", "--run", run, tmp_path / "head.csv")
    assert "head.csv: " in err
    (tmp_path / "text.wav").write_text("no recording", "utf-8")
    err = refused(capsys, "predict", "--run", run, tmp_path / "text.wav")
    assert "the run reads series and images, files that end in" in err
    err = refused(capsys, "predict", "--run", connected, tmp_path / "text.wav")
    assert "text.wav is no sound WAV, FLAC or OGG file" in err
