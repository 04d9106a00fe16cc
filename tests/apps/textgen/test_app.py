"""The commands of the application on a tiny run, and the mistakes that users make."""

import functools
import itertools
import json
import math
import shutil

import numpy as np
import pytest
import tensorflow as tf

from apps.common.runs import Run
from apps.textgen import app as textgen
from apps.textgen.exported import Generator
from apps.textgen.metrics import cross_entropy
from apps.textgen.model import build_model, with_explicit_states
from apps.textgen.vocabulary import Characters
from tests.apps import commands
from tests.apps.common import c_api, other_runtimes

TINY = {"units": 8, "embedding_size": 4, "batch_size": 4, "steps": 16, "epochs": 1, "order": 3}


def call(*argv):
    textgen.main([str(argument) for argument in argv])


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("the cat sat on the mat, and the dog sat on the log.\n" * 120, "utf-8")
    return path


@pytest.fixture(scope="module")
def run(source, tmp_path_factory):
    run = tmp_path_factory.mktemp("run") / "textgen"
    textgen.train(run, textgen.Settings(source=str(source), **TINY))
    return run


@pytest.fixture(scope="module")
def generator(run):
    return textgen.load_generator(Run.open(run))


def test_the_seed_decides_where_segments_begin(source):
    settings = textgen.Settings(source=str(source), **TINY, seed=7)
    streams, validation, characters = textgen.make_datasets(
        textgen.load_examples(settings), settings
    )
    assert (streams.seed, validation.seed) == (7, None)
    assert characters.characters == tuple(sorted(set(source.read_text("utf-8"))))


def test_evaluation_writes_the_metrics_next_to_the_baselines(run):
    call("evaluate", "--run", run)
    written = json.loads((run / "metrics.json").read_text())
    assert (written["app"], written["split"]) == ("textgen", "test")
    ours, baselines = written["metrics"], written["baselines"]
    assert ours["nats_per_character"] == pytest.approx(ours["bits_per_character"] * math.log(2))
    assert ours["bits_per_character"] < baselines["uniform"]["bits_per_character"]
    assert baselines["3-grams"]["bits_per_character"] < 1


def test_the_score_does_not_depend_on_the_chunks(generator):
    network = with_explicit_states(generator.model)
    ids = generator.characters.array("the dog sat on the cat" * 3)
    whole = cross_entropy(network, generator.states(1), ids)
    chunks = cross_entropy(network, generator.states(1), ids, chunk=13)
    assert chunks == pytest.approx(whole, rel=1e-5)
    states, expected = generator.states(1), 0.0
    for now, then in itertools.pairwise(ids):
        logits, states = generator.logits(tf.constant([now]), states)
        expected -= float(tf.nn.log_softmax(logits)[0, then])
    assert whole == pytest.approx(expected / (len(ids) - 1), rel=1e-4)


def test_a_prompt_is_continued_and_the_seed_decides_how(run, capsys):
    command = ("predict", "--run", run, "the c", "--length", 20, "--samples", 2, "--seed")
    call(*command, 4)
    first = capsys.readouterr().out
    assert first.startswith("the c")
    assert len(first) <= 2 * len("the c" + 20 * "x" + "\n")
    call(*command, 4)
    assert capsys.readouterr().out == first
    call(*command, 6)
    printed = capsys.readouterr()
    assert printed.out != first
    assert printed.err == ""
    call("predict", "--run", run, "", "--length", 5)
    assert "begins afresh: there is no text to go on" in capsys.readouterr().err


def test_prompts_are_read_and_a_low_temperature_takes_the_likeliest(generator):
    prompts = tf.constant(["the ", "t", "", "Ω"])
    answer = generator(prompts, tf.constant(8), tf.constant(1e-4), tf.constant(1))["text"]
    for prompt, text in zip(prompts.numpy().tolist(), answer.numpy().tolist(), strict=True):
        ids = generator.characters.array(prompt.decode() or "\n")
        states = generator.states(1)
        for id_ in ids:
            logits, states = generator.logits(tf.constant([id_]), states)
        expected = []
        for _ in range(8):
            id_ = int(np.argmax(logits.numpy()[0, 2:])) + 2
            expected.append(id_)
            logits, states = generator.logits(tf.constant([id_]), states)
        assert text == generator.characters.join(tf.constant(expected)).numpy()


@pytest.mark.parametrize(("cell", "count"), [("gru", 1), ("lstm", 2), ("elman", 1)])
def test_states_of_many_layers_keep_their_numbers(cell, count):
    """With more than ten layers, `state_10` would be sorted before `state_2`."""
    settings = textgen.Settings(cell=cell, units=2, layers=11, embedding_size=2, batch_size=1)
    generator = Generator(build_model(settings, 5, 1), Characters(["a", "b", "c"]))
    assert generator.state_specs().keys() == {f"state_{number}" for number in range(11 * count)}
    states = [tf.random.normal((1, 2), seed=number) for number in range(11 * count)]
    logits, after = generator.logits(tf.constant([2]), states)
    named = {f"state_{number}": state for number, state in enumerate(states)}
    answer = generator.step(tf.constant(["a"]), **named)
    np.testing.assert_allclose(answer["log_probability"], tf.nn.log_softmax(logits), atol=1e-6)
    for number, state in enumerate(after):
        np.testing.assert_allclose(answer[f"state_{number}"], state, atol=1e-6)
    network = with_explicit_states(generator.model)
    outputs, *later = network([tf.constant([[2]]), *states])
    np.testing.assert_allclose(outputs[:, 0], logits, atol=1e-6)
    for ours, theirs in zip(later, after, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.fixture
def exported(run, tmp_path, in_process):
    call("export", "--run", run, "--to", tmp_path)
    return tmp_path / "textgen" / "1"


def test_it_is_exported_whole_and_step_by_step(exported, generator):
    served = tf.saved_model.load(exported).signatures
    assert {*served} == {"serving_default", "generate", "step"}
    inputs = {
        "prompt": tf.constant(["the cat", ""]),
        "length": tf.constant(15),
        "temperature": tf.constant(0.8),
        "seed": tf.constant(3),
    }
    answer = served["generate"](**inputs)["text"].numpy()
    np.testing.assert_array_equal(answer, generator(**inputs)["text"].numpy())
    states = generator.named_states(1)
    expected = generator.states(1)
    for character, id_ in zip("the", generator.characters.array("the"), strict=True):
        answer = served["step"](character=tf.constant([character]), **states)
        states = {name: answer[name] for name in states}
        logits, expected = generator.logits(tf.constant([id_]), expected)
        np.testing.assert_allclose(answer["log_probability"], tf.nn.log_softmax(logits), atol=1e-5)
    for name, value, words in (
        ("length", 0, "length must be from 1 to 10,000"),
        ("length", 10_001, "length must be from 1 to 10,000"),
        ("temperature", 0.0, "temperature must be above 0"),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match=words):
            served["generate"](**{**inputs, name: tf.constant(value)})


@pytest.mark.slow
def test_a_c_program_asks_the_export(exported):
    assert c_api.check(exported) == ["serving_default", "generate", "step"]


@pytest.mark.slow
def test_other_runtimes_take_steps(generator, tmp_path):
    written = other_runtimes.check("textgen", generator, generator.numeric(), tmp_path)
    assert written == {"step_ids": {"onnx", "litert"}}


# Mistakes


refused = functools.partial(commands.refused, call)


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        *((name, "0", "at least 1") for name in ("min-count", "units", "layers", "batch-size")),
        *((name, "0", "at least 1") for name in ("steps", "order", "epochs", "patience")),
        *(("learning-rate", value, "a finite number above 0") for value in ("0", "nan", "inf")),
        ("max-norm", "0", "a finite number above 0"),
        ("dropout", "1", "at least 0 and below 1"),
        ("seed", "4294967296", "from 0 to 4,294,967,295"),
    ],
)
def test_settings_that_cannot_work(tmp_path, capsys, option, value, words):
    err = refused(capsys, "train", "--run", tmp_path / "run", f"--{option}", value)
    assert f"error: {option.replace('-', '_')} must be {words}; received" in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("length", "0", "from 1 to 10,000; received 0"),
        ("length", "10001", "from 1 to 10,000; received 10,001"),
        *(("temperature", x, "from 1e-30 to 1e+30") for x in ("0", "1e-38", "1e39", "nan", "inf")),
        ("samples", "0", "at least 1; received 0"),
        ("seed", "2147483648", "from -2,147,483,647 to 2,147,483,647; received 2,147,483,648"),
    ],
)
def test_predictions_that_cannot_be_made(capsys, option, value, words):
    """They are refused before the run is opened."""
    err = refused(capsys, "predict", "--run", "absent", "x", f"--{option}", value)
    assert f"error: {option} must be {words}" in err


def test_a_prediction_without_a_text(capsys):
    assert "inputs: give at least one text" in refused(capsys, "predict", "--run", "absent")


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("min-count", "99999", "min_count must be at most "),
        ("steps", "5000", "batch_size 16 and steps 5000 need training and validation texts of"),
    ],
)
def test_trainings_that_cannot_begin(source, tmp_path, capsys, option, value, words):
    argv = ("--run", tmp_path / "run", "--source", source, f"--{option}", value)
    assert words in refused(capsys, "train", *argv)


@pytest.mark.parametrize("lines", ["32", "97\n97", "x", str(2**40)])
def test_a_damaged_vocabulary_is_named(run, tmp_path, capsys, lines):
    damaged = shutil.copytree(run, tmp_path / "damaged")
    (damaged / "characters.txt").write_text(lines)
    err = refused(capsys, "predict", "--run", damaged, "x")
    assert "characters.txt must hold the 16 code points of the model, one a line; received" in err
