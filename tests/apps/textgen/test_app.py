"""Text generation: streams, characters, the baseline, and the application end to end."""

import itertools
import json
import math
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from apps.textgen import app as textgen
from apps.textgen.baselines import ngram_nats
from apps.textgen.batches import StatesFromZero, Streams
from apps.textgen.data import load
from apps.textgen.vocabulary import Characters
from tests.apps.common import c_api, other_runtimes

TINY = {"units": 8, "embedding_size": 4, "batch_size": 4, "steps": 16, "epochs": 2, "order": 3}


# Streams


@pytest.mark.parametrize("epoch", [0, 1, 5])
def test_each_segment_goes_on_where_the_one_before_stopped(epoch):
    streams = Streams(np.arange(1000, dtype="int32"), batch_size=4, steps=7, seed=3)
    streams.epoch = epoch
    inputs, labels = (np.concatenate(part, 1) for part in zip(*streams, strict=True))
    np.testing.assert_array_equal(labels, inputs + 1)
    np.testing.assert_array_equal(np.diff(inputs, axis=1), 1)
    assert inputs.shape == (4, 7 * len(streams))
    assert len(np.unique(inputs)) == inputs.size  # no character is read twice
    assert inputs.size > 900


def test_the_shift_depends_on_seed_and_epoch_alone():
    def first(seed, epoch):
        streams = Streams(np.arange(500, dtype="int32"), 3, 20, seed)
        streams.epoch = epoch
        return int(next(iter(streams))[0][0, 0])

    assert first(None, 0) == first(None, 4) == 0
    assert first(1, 2) == first(1, 2)
    assert len({first(1, epoch) for epoch in range(9)}) > 3


def test_a_text_too_short_for_its_streams():
    with pytest.raises(ValueError, match=r"batch_size 8 and steps 20 .* received 100"):
        Streams(np.zeros(100, "int32"), 8, 20)


def test_states_go_on_within_a_text_and_not_beyond(source):
    settings = textgen.Settings(source=str(source), **TINY)
    streams, validation, characters = textgen.make_datasets(
        textgen.load_examples(settings), settings
    )
    model = textgen.build_model(settings, characters.size, len(streams))
    (layer,) = (layer for layer in model.layers if getattr(layer, "stateful", False))
    callback = StatesFromZero()
    scores = [
        model.evaluate(validation.dataset(), verbose=0, callbacks=callbacks)
        for callbacks in ([callback], [callback], [])
    ]
    assert scores[0] == scores[1]  # from zero, both
    assert scores[2] != scores[1]  # from where the one before stopped
    inputs = np.concatenate([batch for batch, _ in validation], axis=1)
    layer.reset_state()
    whole = model(inputs).numpy()
    layer.reset_state()
    parts = [model(batch).numpy() for batch, _ in validation]
    np.testing.assert_allclose(np.concatenate(parts, 1), whole, atol=1e-5)


# Characters


def test_characters_and_back():
    characters = Characters(["\n", " ", ",", "a", "é", "🙂"])
    texts = tf.constant(["a é\n🙂,", "", "zaz"])
    ids = characters(texts)
    joined = characters.joined(ids.to_tensor(1)).numpy()
    assert [text.decode() for text in joined] == ["a é\n🙂,", "", "\ufffda\ufffd"]
    for text in ("a é\n🙂,", "zaz"):
        np.testing.assert_array_equal(characters(tf.constant([text]))[0], characters.array(text))


def test_ngrams_give_chances_that_add_up():
    rng = np.random.default_rng(0)
    train = rng.integers(0, 4, 300)
    for order in (1, 2, 3):
        for context in ([], [0], [1, 2], [3, 3, 3]):
            text = np.array([*context, 0])
            before = ngram_nats(train, text[:-1], 4, order) * len(context) if context else 0.0
            chances = []
            for id_ in range(4):
                text[-1] = id_
                chances.append(math.exp(before - ngram_nats(train, text, 4, order) * len(text)))
            assert sum(chances) == pytest.approx(1)


def test_ngrams_learn_what_repeats():
    text = np.tile([0, 1, 2, 3], 200)
    assert ngram_nats(text, text, 4, 1) == pytest.approx(math.log(4), rel=0.01)
    assert ngram_nats(text, text, 4, 2) < 0.05


# The application


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("the cat sat on the mat, and the dog sat on the log.\n" * 120, "utf-8")
    return path


@pytest.fixture(scope="module")
def trained(source, tmp_path_factory):
    run = tmp_path_factory.mktemp("run") / "textgen"
    textgen.train(run, textgen.Settings(source=str(source), **TINY))
    return run


def test_it_is_scored_beside_its_baselines(trained):
    textgen.evaluate(trained)
    found = json.loads((trained / "metrics.json").read_text())
    assert found["metrics"]["nats_per_character"] == pytest.approx(
        found["metrics"]["bits_per_character"] * math.log(2)
    )
    assert (
        found["metrics"]["bits_per_character"] < found["baselines"]["uniform"]["bits_per_character"]
    )
    assert found["baselines"]["3-grams"]["bits_per_character"] < 1


def test_its_score_does_not_depend_on_the_cuts(trained):
    generator = textgen.load_generator(textgen.Run.finished(trained))
    ids = generator.characters.array("the dog sat on the cat" * 9)
    whole = textgen.cross_entropy(generator, ids)
    assert textgen.cross_entropy(generator, ids, chunk=7) == pytest.approx(whole, rel=1e-5)
    states, expected = generator.states(1), 0.0
    for now, then in itertools.pairwise(ids):
        logits, states = generator.logits(tf.constant([now]), states)
        expected -= float(tf.nn.log_softmax(logits)[0, then])
    assert whole == pytest.approx(expected / (len(ids) - 1), rel=1e-4)


def test_a_prompt_is_gone_on_with(trained, capsys):
    textgen.main(["predict", "--run", str(trained), "the c", "--length", "30", "--seed", "4"])
    first = capsys.readouterr().out
    assert first.startswith("the c")
    assert len(first.rstrip("\n")) <= 35
    textgen.main(["predict", "--run", str(trained), "the c", "--length", "30", "--seed", "4"])
    assert capsys.readouterr().out == first
    textgen.main(["predict", "--run", str(trained), "the c", "--length", "30", "--seed", "5"])
    assert capsys.readouterr().out != first


def test_the_prompt_decides_and_a_low_temperature_takes_the_likeliest(trained):
    generator = textgen.load_generator(textgen.Run.finished(trained))
    prompts = tf.constant(["the ", "t", "", "Ω"])
    answer = generator(prompts, tf.constant(12), tf.constant(1e-4), tf.constant(1))["text"]
    for prompt, text in zip(prompts.numpy().tolist(), answer.numpy().tolist(), strict=True):
        ids = generator.characters.array(prompt.decode() or "\n")
        states = generator.states(1)
        for id_ in ids:
            logits, states = generator.logits(tf.constant([id_]), states)
        expected = []
        for _ in range(12):
            id_ = int(np.argmax(logits.numpy()[0, 2:])) + 2
            expected.append(id_)
            logits, states = generator.logits(tf.constant([id_]), states)
        assert text == generator.characters.joined(tf.constant(expected)).numpy()


def test_it_is_exported_whole_and_step_by_step(trained, tmp_path):
    textgen.main(
        ["export", "--run", str(trained), "--to", str(tmp_path), "--also", "onnx", "litert"]
    )
    others = {file.name for file in (tmp_path / "textgen" / "1" / "assets.extra").iterdir()}
    assert others >= {"step_ids.onnx", "step_ids.tflite", "characters.json"}
    asked = c_api.check(tmp_path / "textgen" / "1")
    assert asked == ["serving_default", "generate", "step"]
    generator = textgen.load_generator(textgen.Run.finished(trained))
    served = tf.saved_model.load(tmp_path / "textgen" / "1")
    inputs = {
        "prompt": tf.constant(["the cat", ""]),
        "length": tf.constant(15),
        "temperature": tf.constant(0.8),
        "seed": tf.constant(3),
    }
    answer = served.signatures["generate"](**inputs)["text"].numpy()
    np.testing.assert_array_equal(answer, generator(**inputs)["text"].numpy())
    step = served.signatures["step"]
    states = {f"state_{i}": state for i, state in enumerate(generator.states(1))}
    ids = generator.characters.array("the cat")
    expected = generator.states(1)
    for character, id_ in zip("the cat", ids, strict=True):
        found = step(character=tf.constant([character]), **states)
        states = {name: found[name] for name in states}
        logits, expected = generator.logits(tf.constant([id_]), expected)
        np.testing.assert_allclose(found["log_probability"], tf.nn.log_softmax(logits), atol=1e-5)


def test_other_runtimes_take_steps(trained, tmp_path):
    generator = textgen.load_generator(textgen.Run.finished(trained))
    written = other_runtimes.check("textgen", generator, generator.numeric(), tmp_path)
    assert written == {"step_ids": {"onnx", "litert"}}


def test_a_training_that_was_broken_off_goes_on(source, trained, tmp_path):
    settings = textgen.Settings(source=str(source), **TINY)
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    (run / "model.keras").unlink()
    (run / "checkpoints" / "epoch_0002.keras").unlink()
    keras.utils.set_random_seed(99)
    textgen.train(run, settings)
    whole, resumed = (textgen.Run.finished(path).model() for path in (trained, run))
    for one, other in zip(whole.weights, resumed.weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


# Bad input


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["predict"], "inputs: give at least one text"),
        (["predict", "x", "--length", "0"], "length must be above 0; received 0"),
        (["predict", "x", "--temperature", "0"], "temperature must be above 0"),
        (["train", "--units", "0"], "run"),
    ],
)
def test_a_mistake_is_one_line(trained, capsys, arguments, words):
    with pytest.raises(SystemExit) as stop:
        textgen.main([*arguments, "--run", str(trained)])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert words in error or "units must be at least 1" in error
    assert error.count("\n") == 1


def test_what_is_no_text_is_refused(tmp_path):
    for name, content, words in (
        ("binary", b"\xff\xfe\x00" * 2000, "is not text in UTF-8"),
        ("short", b"hello", "5 characters are too few"),
        ("empty", b"", "0 characters are too few"),
        ("damaged.gz", b"no gzip", "not a sound gzip file"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=words):
            load(str(tmp_path / name))
    with pytest.raises(ValueError, match="is a folder"):
        load(str(tmp_path))


def test_the_sample_is_cut_at_its_end():
    splits = load("sample")
    total = len(splits.train) + len(splits.validation) + len(splits.test)
    assert len(splits.test) == pytest.approx(0.05 * total, abs=1)
    assert set(splits.test) <= set(splits.train)
