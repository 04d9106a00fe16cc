import csv
import dataclasses
import json
import shutil
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from apps.common.runs import Run
from apps.common.seq2seq.subwords import PAD, START, STOP, UNKNOWN, Subwords
from apps.common.text import encode
from apps.translation import app as translation
from apps.translation import sample as pair_sample
from apps.translation.metrics import translation_scores
from rnnlayers.decoding import Greedy
from tests.apps.common import c_api, other_runtimes

BEAMS = 3
LONGEST = 40
EPOCHS = 6
# One step an epoch: there is one shape to compile, and more epochs cost little.
TINY = (
    *("--units", "8", "--embedding-size", "8", "--vocabulary-size", "120", "--batch-size", "200"),
    *("--max-length", LONGEST, "--learning-rate", "0.1"),
    *("--beams", BEAMS, "--epochs", EPOCHS, "--patience", EPOCHS),
)
TEXTS = ["My cat is near this strange car.", "I see a dog.", "Is it true that she has a red book?"]
ODD = {
    "empty": "",
    "blank": " \n\t\u00a0",
    "controls": "\x00\x01\u200b",
    "one sign": "?",
    "long": "cat " * 5000,
    "a long word": "t" * 20_000,
    "unknown": "日本 語 \N{CLAPPING HANDS SIGN}",
    "no UTF-8": b"\xff\xfe caf\xe9 \x00 dog",
    "surrogate": "\ud800",
    "special": "[stop] [pad] ▁ <s>",
}


def call(*argv):
    translation.main([str(argument) for argument in argv])


def write_table(path, count=200):
    rows = (f"{english}\t{french}\n" for english, french in pair_sample.generate(count, 1)[0])
    path.write_text("".join(rows), "utf-8")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "pairs.tsv"
    write_table(path)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory, table):
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    call("train", "--source", table, "--run", folder, *TINY)
    return folder


@pytest.fixture(scope="module")
def translator(run):
    return translation.load_translator(Run.finished(run))


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved_models")
    call("export", "--run", run, "--to", folder)
    loaded = tf.saved_model.load(str(folder / "translation" / "1"))
    loaded.path = folder / "translation" / "1"
    return loaded


@pytest.fixture
def damaged(run, tmp_path):
    return shutil.copytree(run, tmp_path / "damaged")


def answered(capsys, run, *inputs, plot="--no-plot"):
    capsys.readouterr()
    call("predict", "--run", run, plot, *inputs)
    return capsys.readouterr()


def translated(translator, texts):
    decode = translation.compiled(translator, translator.search)
    return [row[0] for row in translation.translate(decode, texts)]


# Training


def test_a_run_holds_settings_history_pieces_model_and_pictures(run, translator):
    settings = json.loads((run / "settings.json").read_text())
    assert settings["units"] == 8
    assert settings["source"].endswith("pairs.tsv")
    with (run / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(1, EPOCHS + 1))
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= rows[0].keys()
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
    assert (run / "plots" / "curves.png").stat().st_size > 5000
    assert list((run / "tensorboard").rglob("events*"))
    for name, pieces in zip(
        translation.VOCABULARIES, (translator.source, translator.target), strict=True
    ):
        assert (run / name).read_text("utf-8").split("\n") == list(pieces.pieces)
        assert pieces.size <= 120


@pytest.mark.slow
def test_a_killed_training_goes_on_and_ends_as_an_unbroken_one(run, table, tmp_path, capsys):
    folder = tmp_path / "killed"
    argv = [str(argument) for argument in ("train", "--source", table, "--run", folder, *TINY)]
    program = f"""
import os, signal
from apps.translation import app as translation
from apps.translation.batches import PairBatches
batches = PairBatches.__iter__
def killed(self):
    if self.seed is not None and self.epoch >= {EPOCHS // 2}:
        os.kill(os.getpid(), signal.SIGKILL)
    return batches(self)
PairBatches.__iter__ = killed
translation.main({argv!r})
"""
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert process.returncode == -signal.SIGKILL, process.stderr
    done = Run(folder).epochs_done()
    assert 1 <= done < EPOCHS
    translation.main(argv)
    assert f"goes on after epoch {done}" in capsys.readouterr().out
    found, expected = Run(folder).history(), Run(run).history()
    assert found["epoch"].tolist() == expected["epoch"].tolist()
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-3)
    for name in translation.VOCABULARIES:
        assert (folder / name).read_bytes() == (run / name).read_bytes()


def test_pairs_longer_than_allowed_are_not_trained_on(run, capsys):
    settings = dataclasses.replace(Run(run).settings(translation.Settings), max_length=14)
    splits = translation.load_examples(settings)
    capsys.readouterr()
    batches, validation, *languages = translation.make_datasets(splits, settings)
    kept = len(batches.sequences)
    assert 0 < kept < len(splits.train)
    assert f"{len(splits.train) - kept} pairs longer than max_length are left out" in (
        capsys.readouterr().out
    )
    for pairs in (batches, validation):
        for (sources, targets), labels in pairs:
            assert (sources > 0).sum(1).max() <= 14
            # With the start, or the stop.
            assert (targets > 0).sum(1).max() == (labels > 0).sum(1).max() <= 15
    assert all(pieces.size <= 120 for pieces in languages)


def test_a_max_length_that_leaves_no_pair_is_refused(table, tmp_path, capsys):
    argv = ("train", "--source", table, "--run", tmp_path / "run", *TINY)
    assert "max_length" in refused(capsys, *argv, "--max-length", 3)


def test_a_model_may_be_built_for_one_epoch():
    settings = translation.Settings(epochs=1, units=4, embedding_size=4)
    settings.check()
    assert translation.build_model(settings, (20, 20), steps=3).count_params() > 0


# Evaluation


def test_evaluation_writes_the_metrics_beside_the_baselines(run, translator, capsys, monkeypatch):
    splits = translation.load_examples(Run(run).settings(translation.Settings))
    sources = [source for source, _ in splits.test[:4]]
    answers = [text for text, _ in translated(translator, sources)]
    further = {"odd": list(zip(sources, [*answers[:3], "never"], strict=True))}
    splits = dataclasses.replace(splits, further=further)
    monkeypatch.setattr(translation, "load_examples", lambda settings: splits)
    call("evaluate", "--run", run)
    out = capsys.readouterr().out
    found = json.loads((run / "metrics.json").read_text())
    assert found.keys() == {"app", "source", "split", "metrics", "baselines", "signatures"}
    assert (found["app"], found["split"]) == ("translation", "test")
    assert found["source"].endswith("pairs.tsv")
    assert found["baselines"].keys() == {"copy", "word_by_word"}
    names = {"exact_match", "bleu", "chrf"}
    greedy = {f"{name}_greedy" for name in names}
    assert found["metrics"].keys() == names | greedy | {"exact_match_odd"}
    assert found["metrics"]["exact_match_odd"] == 0.75
    for scores in found["baselines"].values():
        assert scores.keys() == names
    assert found["baselines"]["word_by_word"]["chrf"] > found["baselines"]["copy"]["chrf"]
    for name, signature in found["signatures"].items():
        assert "case:mixed" in signature
        assert f"{name}: {signature}" in out
    rows = pd.read_csv(run / "translations.csv", keep_default_na=False)
    assert list(zip(rows["source"], rows["reference"], strict=True)) == splits.test
    assert rows["beam"].tolist() == [text for text, _ in translated(translator, rows["source"])]
    for column, ending in (("beam", ""), ("greedy", "_greedy")):
        scores, _ = translation_scores(rows[column].tolist(), rows["reference"].tolist(), False)
        for name, score in scores.items():
            assert found["metrics"][name + ending] == pytest.approx(score)
    lengths = pd.read_csv(run / "by_length.csv")
    assert lengths["sentences"].sum() == len(splits.test)


# Prediction


def test_a_text_is_translated_and_its_attention_drawn(run, translator, capsys):
    shutil.rmtree(run / "plots")
    (run / "plots").mkdir()
    lines = answered(capsys, run, *TEXTS[:2], "", plot="--plot").out.splitlines()
    assert lines == [*(text for text, _ in translated(translator, TEXTS[:2])), ""]
    pictures = sorted(path.name for path in (run / "plots").iterdir())
    assert pictures == ["attention_1.png", "attention_2.png"]
    assert all((run / "plots" / name).stat().st_size > 3000 for name in pictures)
    answered(capsys, run, TEXTS[0])
    assert len(list((run / "plots").iterdir())) == 2


def test_lines_of_a_file_keep_their_order_and_empty_ones_stay_empty(
    run, translator, tmp_path, capsys
):
    texts = [*TEXTS, "", *TEXTS[::-1], " \t", b"\xff dog\r", "\x01"]
    file = tmp_path / "lines.txt"
    file.write_bytes(b"\n".join(encode(texts).numpy()))
    lines = answered(capsys, run, file, plot="--plot").out.split("\n")
    expected = [text for text, _ in translated(translator, texts)]
    assert lines == [*expected, ""]
    assert (lines[3], lines[7], lines[9]) == ("", "", "")
    assert lines[:3] == lines[6:3:-1]
    assert len(set(lines[:3])) == 3
    file.write_bytes(b"")
    assert answered(capsys, run, file).out == ""


def test_standard_input_is_read_line_by_line(run, translator, tmp_path, capsys, monkeypatch):
    (tmp_path / "stdin").write_bytes("\n".join([TEXTS[0], "", TEXTS[1]]).encode())
    with (tmp_path / "stdin").open("rb") as buffer:
        monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": buffer}))
        lines = answered(capsys, run, "-").out.split("\n")
    first, second = (text for text, _ in translated(translator, TEXTS[:2]))
    assert lines == [first, "", second, ""]


def test_more_than_one_translation_comes_with_scores_the_best_first(
    run, translator, tmp_path, capsys
):
    (tmp_path / "lines.txt").write_text("\n".join([TEXTS[0], "", TEXTS[1]]))
    best = translated(translator, TEXTS[:2])
    count = BEAMS
    lines = answered(capsys, run, tmp_path / "lines.txt", "--n-best", count).out.split("\n")
    assert len(lines) == 2 * count + 2
    assert lines[count] == lines[-1] == ""
    for start, (text, score) in zip((0, count + 1), best, strict=True):
        rows = [line.split("\t") for line in lines[start : start + count]]
        scores = [float(number) for number, _ in rows]
        assert scores == sorted(scores, reverse=True)
        assert rows[0][1] == text
        assert scores[0] == pytest.approx(score, abs=1e-3)


def test_one_beam_is_greedy(run, translator, tmp_path, capsys):
    (tmp_path / "lines.txt").write_text("\n".join(TEXTS))
    lines = answered(capsys, run, tmp_path / "lines.txt", "--num-beams", 1).out.splitlines()
    greedy = translator.greedy(encode(TEXTS))["translation"].numpy()
    assert lines == [text.decode() for text in greedy]


def test_odd_lines_are_answered(run, tmp_path, capsys):
    texts = {name: text for name, text in ODD.items() if "\n" not in str(text)}
    (tmp_path / "lines.txt").write_bytes(b"\n".join(encode(texts.values()).numpy()))
    found = answered(capsys, run, tmp_path / "lines.txt")
    lines = dict(zip(texts, found.out.removesuffix("\n").split("\n"), strict=True))
    assert lines["empty"] == lines["controls"] == ""
    assert all(lines[name] for name in ("long", "a long word", "unknown", "no UTF-8", "one sign"))
    assert found.err.count("of the line above only the first 40 pieces were read") == 2


def test_a_c_program_answers_as_python_does(exported):
    assert set(c_api.check(exported.path)) == set(exported.signatures)


@pytest.mark.slow
def test_other_runtimes_translate_ids(translator, tmp_path):
    numeric = translator.numeric()
    written = other_runtimes.check("translation", translator, numeric, tmp_path, tolerance=1e-4)
    both = {"onnx", "litert"}
    assert written == {"translate_ids": {"onnx"}, "encode": both, "decode_step": both}


@pytest.mark.parametrize("name", ["controls", "unknown", "long"])
def test_an_odd_text_is_answered_and_drawn(run, capsys, name):
    text = ODD[name].replace("\0", "")  # which no argument can hold
    found = answered(capsys, run, text, plot="--plot")
    assert len(found.out.splitlines()) == 1
    assert (found.out == "\n") == (name == "controls")
    assert (str(LONGEST) in found.err) == (name == "long")


def test_a_line_as_long_as_allowed_is_not_said_to_be_longer(run, translator, capsys):
    whole = Subwords(translator.source.pieces, False, 1000)
    texts = ["." * count for count in range(LONGEST + 1)]
    text = next(text for text in texts if len(whole.arrays([text])[0]) == LONGEST)
    assert answered(capsys, run, text).err == ""


# The translator and its export


def test_texts_are_translated_alike_alone_and_beside_others(translator):
    texts = [*TEXTS, *ODD.values()]
    function = tf.function(
        lambda text: translation.Translator.n_best(translator, text),
        input_signature=[tf.TensorSpec([None], tf.string)],
        autograph=False,
    )
    together = function(encode(texts))
    for place, text in enumerate(texts):
        alone = function(encode([text]))
        assert alone["translation"].shape == (1, BEAMS)
        np.testing.assert_allclose(alone["score"][0], together["score"][place], rtol=1e-4)
        assert alone["translation"][0, 0] == together["translation"][place, 0]


def test_the_best_of_all_is_what_is_answered(translator):
    texts = encode([*TEXTS, *ODD.values()])
    answer, n_best = translator(texts), translator.n_best(texts)
    assert answer["translation"].numpy().tolist() == n_best["translation"][:, 0].numpy().tolist()
    np.testing.assert_allclose(answer["score"], n_best["score"][:, 0], rtol=1e-5)
    assert np.all(np.diff(n_best["score"], axis=1) <= 0)


def test_attention_weighs_the_pieces_of_the_source(translator):
    answer = {name: value.numpy() for name, value in translator(encode(TEXTS)).items()}
    present = answer["source_pieces"] != b""
    steps = answer["target_pieces"] != b""
    assert answer["attention"].shape == (*steps.shape, present.shape[1])
    for attention, source, target in zip(answer["attention"], present, steps, strict=True):
        np.testing.assert_allclose(attention[target].sum(-1), 1, rtol=1e-4)
        np.testing.assert_allclose(attention[target][:, ~source], 0, atol=1e-6)
    for text, pieces in zip(TEXTS, answer["source_pieces"], strict=True):
        assert b"".join(pieces).decode().replace("▁", " ").strip() == text


def test_translations_hold_nothing_special_and_are_not_longer_than_allowed(translator):
    texts = [*TEXTS, *ODD.values()]
    ids = translator.source(encode(texts))
    search = dataclasses.replace(translator.search, num_return=BEAMS)
    decoded = translator.decode(ids.to_tensor(), search)
    tokens, lengths = decoded.tokens.numpy(), ids.row_lengths().numpy()
    assert not np.isin(tokens, [UNKNOWN, START]).any()
    for row, length in zip(tokens, lengths, strict=True):
        used = (row != PAD).sum(-1)
        assert used.max() <= min(2 * length + 8, LONGEST)
        assert (used == 0).all() == (length == 0)


@pytest.mark.parametrize("name", ["serving_default", "translate", "translate_greedily", "n_best"])
def test_the_export_answers_as_the_live_model(exported, translator, name):
    texts = encode([*TEXTS, *ODD.values()])
    live = translator.endpoints()[name][0](texts)
    found = exported.signatures[name](text=texts)
    assert found.keys() == live.keys()
    for key, value in live.items():
        if value.dtype == tf.string:
            assert found[key].numpy().tolist() == value.numpy().tolist()
        else:
            np.testing.assert_allclose(found[key], value, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["translate", "translate_greedily", "n_best", "encode"])
def test_the_export_takes_no_texts_at_all(exported, name):
    found = exported.signatures[name](text=encode([]))
    assert all(value.shape[0] == 0 for value in found.values())


@pytest.mark.parametrize("name", ["n_best", "encode", "translate", "translate_greedily"])
def test_the_export_takes_a_batch_of_empty_texts_alone(exported, name):
    found = exported.signatures[name](text=encode(["", "\x01"]))
    assert all(value.shape[0] == 2 for value in found.values())
    if "translation" in found:
        assert set(np.ravel(found["translation"].numpy())) == {b""}


def test_the_exported_steps_are_those_of_the_live_model(exported, translator):
    encoded = exported.signatures["encode"](text=encode(TEXTS))
    for key, value in translator.encode(encode(TEXTS)).items():
        np.testing.assert_allclose(encoded[key], value, rtol=1e-4, atol=1e-5)
    token = tf.constant([START] * len(TEXTS))
    found = exported.signatures["decode_step"](token=token, **encoded)
    for key, value in translator.steps.decode_step(token, **encoded).items():
        np.testing.assert_allclose(found[key], value, rtol=1e-4, atol=1e-5)
    total = tf.reduce_sum(tf.exp(found["log_probability"]), axis=-1)
    np.testing.assert_allclose(total, 1, rtol=1e-5)


def test_a_loop_over_exported_steps_gives_the_greedy_translation(exported, translator):
    texts = encode([*TEXTS, *(text for name, text in ODD.items() if name != "long")])
    state = dict(exported.signatures["encode"](text=texts))
    limits = np.minimum(2 * state["mask"].numpy().sum(1) + 8, LONGEST)
    limits[~state["mask"].numpy().any(1)] = 0  # of nothing the translation is nothing
    token, found = tf.fill([len(texts)], START), np.zeros((len(texts), LONGEST), "int32")
    runs = np.ones(len(texts), bool)
    for step in range(limits.max()):
        after = exported.signatures["decode_step"](token=token, **state)
        state |= {name: value for name, value in after.items() if name in state}
        scores = after["log_probability"].numpy()
        scores[:, [PAD, UNKNOWN, START]] = -np.inf
        runs &= step < limits
        found[:, step] = np.where(runs, scores.argmax(-1), PAD)
        runs &= found[:, step] != STOP
        token = tf.constant(np.where(runs, found[:, step], STOP).astype("int32"))
    greedy = exported.signatures["translate_greedily"](text=texts)
    pieces = greedy["target_pieces"].numpy()
    assert translator.target.spelled(found[:, : pieces.shape[1]]).numpy().tolist() == (
        pieces.tolist()
    )
    assert not found[:, pieces.shape[1] :].any()
    joined = translator.target.joined(tf.constant(found)).numpy().tolist()
    assert greedy["translation"].numpy().tolist() == joined


def test_the_scores_are_those_of_the_steps(exported, translator):
    ids = translator.source(encode(TEXTS[:1]))
    decoded = translator.decode(ids.to_tensor(), Greedy())
    state = dict(exported.signatures["encode"](text=encode(TEXTS[:1])))
    total, token = 0.0, START
    for following in decoded.tokens.numpy()[0, 0]:
        if following == PAD:
            break
        after = exported.signatures["decode_step"](token=tf.constant([token]), **state)
        state |= {name: value for name, value in after.items() if name in state}
        allowed = np.setdiff1d(np.arange(translator.target.size), [PAD, UNKNOWN, START])
        log_probs = after["log_probability"].numpy()[0]
        total += log_probs[following]
        assert following == allowed[log_probs[allowed].argmax()]
        token = int(following)
    assert len(ids[0]) > 0
    assert float(decoded.scores[0, 0]) == pytest.approx(total, rel=1e-3)


# Mistakes


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
        *(("max-length", 0), ("embedding-size", 0), ("encoder-layers", 0), ("batch-size", 0)),
        *(("epochs", 0), ("patience", 0), ("beams", 0), ("units", 0), ("units", 7), ("units", -2)),
        *(("vocabulary-size", 4), ("beams", 6000), ("learning-rate", 0), ("learning-rate", "nan")),
        *(("max-norm", -1), ("length-penalty", -0.1), ("length-penalty", "nan"), ("seed", -1)),
        *(("sampling-rate", -0.1), ("sampling-rate", 1.1), ("dropout", 1), ("dropout", -0.1)),
        *(("smoothing", 1), ("smoothing", -0.1), ("attention", "multiplicative")),
    ],
)
def test_settings_outside_their_range(tmp_path, capsys, option, value):
    err = refused(capsys, "train", "--run", tmp_path / "run", f"--{option}", value)
    assert err.startswith(f"error: {option.replace('-', '_')} must be ")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [("learning-rate", "inf"), ("max-norm", "inf"), ("length-penalty", "inf")],
)
def test_settings_that_are_no_finite_number(option, value):
    settings = translation.Settings(**{option.replace("-", "_"): float(value)})
    with pytest.raises(ValueError, match="must be"):
        settings.check()


def test_data_that_cannot_be_used(table, tmp_path, capsys):
    new = ("train", "--run", tmp_path / "new", "--source")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    (tmp_path / "short").write_text("one\ntwo\n")
    assert "nowhere" in refused(capsys, *new, "nowhere")
    assert "there are no sentences" in refused(capsys, *new, tmp_path / "empty")
    err = refused(capsys, *new, tmp_path / "empty", "--target", tmp_path / "empty")
    assert "there are no sentences" in err
    assert "--source-language" in refused(capsys, *new, tmp_path / "folder")
    languages = ("--source-language", "de", "--target-language", "en")
    assert "has no file train.de" in refused(capsys, *new, tmp_path / "folder", *languages)
    assert "short, line 1: expected source" in refused(capsys, *new, tmp_path / "short")
    err = refused(capsys, *new, table, "--target", tmp_path / "short")
    assert "they have 200 and 2 lines" in err
    assert "absent" in refused(capsys, *new, table, "--target", tmp_path / "absent")
    for language in ("de", "en"):
        for part in ("train", "val", "test"):
            (tmp_path / "folder" / f"{part}.{language}").write_text(f"{part}\n")
    (tmp_path / "folder" / "test.en").write_text("test\nmore\n")
    err = refused(capsys, *new, tmp_path / "folder", *languages)
    assert "test.de" in err
    assert "they have 1 and 2 lines" in err
    err = refused(capsys, *new, table, "--vocabulary-size", 10)
    assert err.startswith("error: vocabulary_size")


def test_beams_that_do_not_fit(run, capsys):
    def err(*options):
        return refused(capsys, "predict", "--run", run, "--no-plot", "x", *options)

    assert "`num_beams` must be a positive integer" in err("--num-beams", 0)
    assert "at most the size of the vocabulary" in err("--num-beams", 121)
    assert "at most `num_beams`, 3" in err("--n-best", BEAMS + 1)
    assert "at most `num_beams`, 1" in err("--n-best", 2, "--num-beams", 1)
    assert "received 0" in err("--n-best", 0)


@pytest.mark.parametrize("name", translation.VOCABULARIES)
def test_a_vocabulary_that_does_not_fit_the_model(damaged, capsys, name):
    pieces = (damaged / name).read_text("utf-8")
    for wrong in (f"{pieces}\nmore", pieces.rpartition("\n")[0], ""):
        (damaged / name).write_text(wrong, "utf-8")
        for command in ("predict", "evaluate", "export"):
            argv = ("x",) if command == "predict" else ()
            err = refused(capsys, command, "--run", damaged, *argv)
            assert f"{name} does not fit" in err
    (damaged / name).unlink()
    assert name in refused(capsys, "predict", "--run", damaged, "x")


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda pieces: pieces[:1] * len(pieces), id="one piece many times"),
        pytest.param(lambda pieces: [*pieces[:-1], b"\xff"], id="no UTF-8"),
    ],
)
def test_a_vocabulary_that_is_damaged(damaged, capsys, damage):
    file = damaged / translation.VOCABULARIES[0]
    file.write_bytes(b"\n".join(damage(file.read_bytes().split(b"\n"))))
    assert file.name in refused(capsys, "predict", "--run", damaged, "x")


def test_runs_that_are_not_there_finished_or_sound(run, table, damaged, tmp_path, capsys):
    assert "finished run" in refused(capsys, "train", "--source", table, "--run", run, *TINY)
    for command in ("evaluate", "predict", "export"):
        assert "there is no run" in refused(capsys, command, "--run", tmp_path / "absent")
    assert "at least one text" in refused(capsys, "predict", "--run", run)
    (damaged / "model.keras").write_bytes(b"")
    assert "model.keras is damaged" in refused(capsys, "predict", "--run", damaged, "x")
