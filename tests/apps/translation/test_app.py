import csv
import dataclasses
import functools
import json
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from apps.common.refusal import Refusal
from apps.common.runs import Run
from apps.common.seq2seq.special import PAD, START, STOP, UNKNOWN
from apps.common.seq2seq.subwords import Subwords
from apps.common.text import encode
from apps.translation import app, inference, sample
from apps.translation.metrics import translation_scores
from apps.translation.settings import Settings
from rnnlayers.decoding import Greedy
from rnnlayers.export import graphs, saved_model
from tests.apps import commands
from tests.apps.common import c_api, other_runtimes

BEAMS = 3
MAX_LENGTH = 14
EPOCHS = 3
# One step an epoch: there is one shape to compile, and more epochs cost little.
TINY = (
    *("--units", "8", "--embedding-size", "8", "--vocabulary-size", "300", "--batch-size", "200"),
    *("--max-length", MAX_LENGTH, "--learning-rate", "0.005"),
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
    app.main([str(argument) for argument in argv])


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "pairs.tsv"
    rows = (f"{english}\t{french}\n" for english, french in sample.generate(200, 1)[0])
    path.write_text("".join(rows), "utf-8")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory, table):
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    tf.config.run_functions_eagerly(True)
    try:
        call("train", "--source", table, "--run", folder, *TINY)
    finally:
        tf.config.run_functions_eagerly(False)
    return folder


@pytest.fixture(scope="module")
def translator(run):
    """The translator of the run with random weights, whose translations differ."""
    translator = inference.load_translator(Run.open(run))
    random = np.random.default_rng(1)
    weights = [random.normal(scale=0.7, size=w.shape) for w in translator.model.get_weights()]
    translator.model.set_weights(weights)
    translator.model.save(run / "model.keras")
    return translator


@pytest.fixture(scope="module")
def compiled():
    """Compiled translators, each made once."""
    return functools.cache(inference.compile_translator)


@pytest.fixture
def quick(translator, compiled, monkeypatch):
    """Let commands use what is loaded and compiled already."""
    monkeypatch.setattr(app, "load_translator", lambda folder: translator)
    monkeypatch.setattr(app, "compile_translator", compiled)


@pytest.fixture(scope="module")
def endpoints(translator):
    return translator.endpoints()


@pytest.fixture(scope="module")
def exported(run, translator, endpoints, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved_models")
    with pytest.MonkeyPatch.context() as patch:
        # The tests below compare its answers with the live model's.
        patch.setattr(inference.Translator, "endpoints", lambda translator: endpoints)
        patch.setattr(app, "load_translator", lambda folder: translator)
        patch.setattr(graphs, "answer_live", lambda *arguments: [])
        patch.setattr(saved_model, "verify", lambda *arguments: None)
        call("export", "--run", run, "--to", folder)
    loaded = tf.saved_model.load(str(folder / "translation" / "1"))
    loaded.path = folder / "translation" / "1"
    return loaded


@pytest.fixture
def damaged(run, tmp_path):
    return shutil.copytree(run, tmp_path / "damaged")


@pytest.fixture
def predict(quick, run, capsys):
    """Return what `predict` prints."""

    def predict(*inputs, plot="--no-plot"):
        capsys.readouterr()
        call("predict", "--run", run, plot, *inputs)
        return capsys.readouterr()

    return predict


@pytest.fixture
def translated(translator, compiled):
    """Return the best translations of texts with their scores."""

    def translated(texts):
        function = compiled(translator, translator.search)
        return [row[0] for row in inference.translate_texts(function, list(texts))]

    return translated


# Training


def test_a_run_holds_settings_history_pieces_model_and_pictures(run, translator):
    settings = json.loads((run / "settings.json").read_text())
    assert settings["units"] == 8
    assert settings["source"].endswith("pairs.tsv")
    with (run / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(1, EPOCHS + 1))
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= rows[0].keys()
    assert float(rows[-1]["val_loss"]) < float(rows[0]["val_loss"])
    assert (run / "plots" / "curves.png").stat().st_size > 5000
    assert list((run / "tensorboard").rglob("events*"))
    for name, pieces in zip(
        inference.VOCABULARIES, (translator.source, translator.target), strict=True
    ):
        assert (run / name).read_text("utf-8").split("\n") == list(pieces.pieces)
        assert pieces.size <= 300


def test_pairs_longer_than_allowed_are_not_trained_on(run, capsys):
    settings = dataclasses.replace(Run(run).settings(Settings), max_length=10)
    splits = app.load_examples(settings)
    capsys.readouterr()
    batches, validation, *languages = app.make_datasets(splits, settings)
    kept = len(batches.sequences)
    assert 0 < kept < len(splits.train)
    assert f"{len(splits.train) - kept} pairs longer than max_length are left out" in (
        capsys.readouterr().out
    )
    for pairs in (batches, validation):
        for (sources, targets), labels in pairs:
            assert (sources > 0).sum(1).max() <= 10
            # With the start, or the stop.
            assert (targets > 0).sum(1).max() == (labels > 0).sum(1).max() <= 11
    assert all(pieces.size <= 300 for pieces in languages)
    # A resumed training has the order of an unbroken one.
    assert (batches.seed, validation.seed) == (settings.seed, None)


@pytest.mark.parametrize(("cell", "counts"), [("gru", [1, 1]), ("lstm", [2, 2])])
def test_a_model_of_each_cell_may_be_built_for_one_epoch(cell, counts):
    settings = Settings(cell=cell, epochs=1, units=4, embedding_size=4)
    settings.check()
    assert app.build_model(settings, (20, 20), steps=3).state_counts == counts


# Evaluation


def test_evaluation_writes_the_metrics_and_the_baselines(
    quick, run, translated, capsys, monkeypatch
):
    splits = app.load_examples(Run(run).settings(Settings))
    sources = [source for source, _ in splits.test[:4]]
    answers = [text for text, _ in translated(sources)]
    further = {"odd": list(zip(sources, [*answers[:3], "never"], strict=True))}
    splits = dataclasses.replace(splits, further=further)
    monkeypatch.setattr(app, "load_examples", lambda settings: splits)
    call("evaluate", "--run", run)
    out = capsys.readouterr().out
    written = json.loads((run / "metrics.json").read_text())
    assert written.keys() == {
        *(
            "app",
            "source",
            "split",
            "metrics",
            "baselines",
            "lower_is_better",
            "unordered",
            "signatures",
        ),
    }
    assert (written["app"], written["split"]) == ("translation", "test")
    assert written["source"].endswith("pairs.tsv")
    assert written["baselines"].keys() == {"copy", "word_by_word"}
    names = {"exact_match", "bleu", "chrf"}
    greedy = {f"{name}_greedy" for name in names}
    assert written["metrics"].keys() == names | greedy | {"exact_match_odd"}
    assert written["metrics"]["exact_match_odd"] == 0.75
    for scores in written["baselines"].values():
        assert scores.keys() == names
    assert written["baselines"]["word_by_word"]["chrf"] > written["baselines"]["copy"]["chrf"]
    for name, signature in written["signatures"].items():
        assert "case:mixed" in signature
        assert f"{name}: {signature}" in out
    rows = pd.read_csv(run / "translations.csv", keep_default_na=False)
    assert list(zip(rows["source"], rows["reference"], strict=True)) == splits.test
    assert rows["beam"].tolist() == [text for text, _ in translated(rows["source"])]
    for column, ending in (("beam", ""), ("greedy", "_greedy")):
        scores, _ = translation_scores(rows[column].tolist(), rows["reference"].tolist(), False)
        for name, score in scores.items():
            assert written["metrics"][name + ending] == pytest.approx(score)
    lengths = pd.read_csv(run / "by_length.csv")
    assert lengths["sentences"].sum() == len(splits.test)


# Prediction


def test_a_text_is_translated_and_its_attention_drawn(run, predict, translated):
    shutil.rmtree(run / "plots")
    (run / "plots").mkdir()
    lines = predict(*TEXTS[:2], "", plot="--plot").out.splitlines()
    assert lines == [*(text for text, _ in translated(TEXTS[:2])), ""]
    pictures = sorted(path.name for path in (run / "plots").iterdir())
    assert pictures == ["attention_1.png", "attention_2.png"]
    assert all((run / "plots" / name).stat().st_size > 3000 for name in pictures)
    predict(TEXTS[0])
    assert len(list((run / "plots").iterdir())) == 2


@pytest.mark.slow
def test_the_attention_is_that_of_the_printed_translation(predict, monkeypatch):
    plots = []
    monkeypatch.setattr(app, "plot_attention", lambda *arguments: plots.append(arguments))
    printed = predict(TEXTS[2], "--num-beams", 1, plot="--plot").out.strip()
    ((_, name, attention, source, target),) = plots
    assert name == "attention_1"
    assert attention.shape == (len(target), len(source))
    assert b"".join(target).decode().replace("[stop]", "").replace("▁", " ").strip() == printed


def test_lines_of_a_file_keep_their_order_and_empty_ones_stay_empty(predict, translated, tmp_path):
    texts = [*TEXTS, "", *TEXTS[::-1], " \t", b"\xff dog\r", "\x01"]
    file = tmp_path / "lines.txt"
    file.write_bytes(b"\n".join(encode(texts).numpy()))
    lines = predict(file, plot="--plot").out.split("\n")
    expected = [text for text, _ in translated(texts)]
    assert lines == [*expected, ""]
    assert (lines[3], lines[7], lines[9]) == ("", "", "")
    assert lines[:3] == lines[6:3:-1]
    assert len(set(lines[:3])) == 3
    file.write_text("\n")
    printed = predict(file)
    assert printed.out == "\n"
    assert "The line above is empty: there is no text to translate." in printed.err
    file.write_bytes("\n".join(TEXTS).encode("utf-16"))
    assert predict(file).out.split("\n") == [*expected[:3], ""]
    file.write_bytes(b"")
    with pytest.raises(SystemExit):
        predict(file)


def test_standard_input_is_read_line_by_line(predict, translated, tmp_path, monkeypatch):
    (tmp_path / "stdin").write_bytes("\n".join([TEXTS[0], "", TEXTS[1]]).encode())
    with (tmp_path / "stdin").open("rb") as buffer:
        monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": buffer}))
        lines = predict("-").out.split("\n")
    first, second = (text for text, _ in translated(TEXTS[:2]))
    assert lines == [first, "", second, ""]


@pytest.mark.slow
def test_several_translations_come_with_scores_the_best_first(predict, translated, tmp_path):
    (tmp_path / "lines.txt").write_text("\n".join([TEXTS[0], "", TEXTS[1]]))
    best = translated(TEXTS[:2])
    lines = predict(tmp_path / "lines.txt", "--n-best", BEAMS).out.split("\n")
    assert len(lines) == 2 * BEAMS + 2
    assert lines[BEAMS] == lines[-1] == ""
    for start, (text, score) in zip((0, BEAMS + 1), best, strict=True):
        rows = [line.split("\t") for line in lines[start : start + BEAMS]]
        scores = [float(number) for number, _ in rows]
        assert scores == sorted(scores, reverse=True)
        assert rows[0][1] == text
        assert scores[0] == pytest.approx(score, abs=1e-3)


def test_one_beam_is_greedy(predict, translator, compiled, tmp_path):
    (tmp_path / "lines.txt").write_text("\n".join(TEXTS))
    lines = predict(tmp_path / "lines.txt", "--num-beams", 1).out.splitlines()
    greedy = inference.translate_texts(compiled(translator, Greedy()), TEXTS)
    assert lines == [text for ((text, _),) in greedy]


def test_odd_lines_are_answered(predict, translator, tmp_path):
    texts = {name: text for name, text in ODD.items() if "\n" not in str(text)}
    (tmp_path / "lines.txt").write_bytes(b"\n".join(encode(texts.values()).numpy()))
    printed = predict(tmp_path / "lines.txt")
    lines = dict(zip(texts, printed.out.removesuffix("\n").split("\n"), strict=True))
    assert lines["empty"] == lines["controls"] == ""
    assert all(lines[name] for name in ("long", "a long word", "unknown", "no UTF-8", "one sign"))
    note = f"Only the first {MAX_LENGTH} pieces of the line above were read."
    assert printed.err.count(note) == 2 + (
        len(translator.source.arrays([ODD["special"]], 99)[0]) > MAX_LENGTH
    )


@pytest.mark.slow
def test_odd_texts_are_answered_and_drawn(predict):
    texts = [ODD[name].replace("\0", "") for name in ("controls", "unknown", "long")]
    printed = predict(*texts, plot="--plot")  # no argument can hold a zero
    lines = printed.out.splitlines()
    assert [bool(line) for line in lines] == [False, True, True]
    assert printed.err.count("pieces of the line above") == 1


def test_a_line_of_exactly_max_length_is_not_reported_as_longer(predict, translator):
    whole = Subwords(translator.source.pieces, False, 1000)
    texts = ["." * count for count in range(MAX_LENGTH + 1)]
    text = next(text for text in texts if len(whole.arrays([text])[0]) == MAX_LENGTH)
    assert predict(text).err == ""


# The translator and its export


def test_texts_are_translated_alike_alone_and_in_a_batch(translator, compiled):
    texts = [*TEXTS, *ODD.values()]
    search = dataclasses.replace(translator.search, num_return=BEAMS)
    rows = [*inference.translate_texts(compiled(translator, search), texts)]
    alone = [*inference.translate_texts(compiled(translator, search), texts, batch_size=1)]
    for row, other in zip(rows, alone, strict=True):
        assert len(row) == BEAMS
        np.testing.assert_allclose(
            [score for _, score in other], [score for _, score in row], rtol=1e-4
        )
        assert other[0][0] == row[0][0]


@pytest.mark.slow
def test_the_answer_is_the_best_of_the_beam(exported):
    texts = encode([*TEXTS, *ODD.values()])
    answer, n_best = (exported.signatures[name](text=texts) for name in ("translate", "n_best"))
    assert answer["translation"].numpy().tolist() == n_best["translation"][:, 0].numpy().tolist()
    np.testing.assert_allclose(answer["score"], n_best["score"][:, 0], rtol=1e-5)
    assert np.all(np.diff(n_best["score"], axis=1) <= 0)


def test_attention_weights_the_pieces_of_the_source(exported):
    answer = exported.signatures["translate"](text=encode(TEXTS))
    answer = {name: value.numpy() for name, value in answer.items()}
    present = answer["source_pieces"] != b""
    steps = answer["target_pieces"] != b""
    assert answer["attention"].shape == (*steps.shape, present.shape[1])
    for attention, source, target in zip(answer["attention"], present, steps, strict=True):
        np.testing.assert_allclose(attention[target].sum(-1), 1, rtol=1e-4)
        np.testing.assert_allclose(attention[target][:, ~source], 0, atol=1e-6)
    for text, pieces in zip(TEXTS, answer["source_pieces"], strict=True):
        assert b"".join(pieces).decode().replace("▁", " ").strip() == text


def test_translations_hold_no_special_tokens_and_are_not_longer_than_allowed(translator):
    texts = [*TEXTS, *ODD.values()]
    ids = translator.source(encode(texts))
    search = dataclasses.replace(translator.search, num_return=BEAMS)
    decoded = translator.decode(ids.to_tensor(), search)
    tokens, lengths = decoded.tokens.numpy(), ids.row_lengths().numpy()
    assert not np.isin(tokens, [UNKNOWN, START]).any()
    for row, length in zip(tokens, lengths, strict=True):
        used = (row != PAD).sum(-1)
        assert used.max() <= min(2 * length + 8, MAX_LENGTH)
        assert (used == 0).all() == (length == 0)


@pytest.mark.slow
def test_a_c_program_answers_as_python_does(exported):
    assert set(c_api.check(exported.path)) == set(exported.signatures)


@pytest.mark.slow
def test_other_runtimes_translate_ids(translator, tmp_path):
    numeric = translator.numeric()
    written = other_runtimes.check("translation", translator, numeric, tmp_path, tolerance=1e-4)
    both = {"onnx", "litert"}
    assert written == {"translate_ids": {"onnx"}, "encode": both, "decode_step": both}


def test_the_signatures_and_what_the_card_says_of_them(exported):
    assert set(exported.signatures) == {
        *("serving_default", "translate", "translate_greedily", "n_best"),
        *("encode", "decode_step"),
    }
    card = (exported.path / "model_card.md").read_text("utf-8")
    assert f"the id of the previous piece, {START} at first" in card
    assert f"id {STOP} is the end" in card


@pytest.mark.parametrize("name", ["translate", "translate_greedily", "n_best"])
def test_the_export_answers_as_the_live_model(exported, endpoints, name):
    texts = encode([*TEXTS, *ODD.values()])
    live = endpoints[name][0](texts)
    outputs = exported.signatures[name](text=texts)
    assert outputs.keys() == live.keys()
    for key, value in live.items():
        if value.dtype == tf.string:
            assert outputs[key].numpy().tolist() == value.numpy().tolist()
        else:
            np.testing.assert_allclose(outputs[key], value, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["translate", "translate_greedily", "n_best", "encode"])
def test_the_export_takes_no_texts_at_all(exported, name):
    outputs = exported.signatures[name](text=encode([]))
    assert all(value.shape[0] == 0 for value in outputs.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["n_best", "encode", "translate", "translate_greedily"])
def test_the_export_takes_a_batch_of_empty_texts_alone(exported, name):
    outputs = exported.signatures[name](text=encode(["", "\x01"]))
    assert all(value.shape[0] == 2 for value in outputs.values())
    if "translation" in outputs:
        assert set(np.ravel(outputs["translation"].numpy())) == {b""}


def test_the_exported_steps_are_those_of_the_live_model(exported, translator):
    encoded = exported.signatures["encode"](text=encode(TEXTS))
    for key, value in translator.encode(encode(TEXTS)).items():
        np.testing.assert_allclose(encoded[key], value, rtol=1e-4, atol=1e-5)
    token = tf.constant([START] * len(TEXTS))
    outputs = exported.signatures["decode_step"](token=token, **encoded)
    for key, value in translator.steps.decode_step(token, **encoded).items():
        np.testing.assert_allclose(outputs[key], value, rtol=1e-4, atol=1e-5)
    total = tf.reduce_sum(tf.exp(outputs["log_probability"]), axis=-1)
    np.testing.assert_allclose(total, 1, rtol=1e-5)


def test_a_loop_over_exported_steps_gives_the_greedy_translation(exported, translator):
    texts = encode([*TEXTS, *(text for name, text in ODD.items() if name != "long")])
    state = dict(exported.signatures["encode"](text=texts))
    limits = np.minimum(2 * state["mask"].numpy().sum(1) + 8, MAX_LENGTH)
    limits[~state["mask"].numpy().any(1)] = 0  # of nothing the translation is nothing
    token, tokens = tf.fill([len(texts)], START), np.zeros((len(texts), MAX_LENGTH), "int32")
    runs = np.ones(len(texts), bool)
    for step in range(limits.max()):
        after = exported.signatures["decode_step"](token=token, **state)
        state |= {name: value for name, value in after.items() if name in state}
        scores = after["log_probability"].numpy()
        scores[:, [PAD, UNKNOWN, START]] = -np.inf
        runs &= step < limits
        tokens[:, step] = np.where(runs, scores.argmax(-1), PAD)
        runs &= tokens[:, step] != STOP
        token = tf.constant(np.where(runs, tokens[:, step], STOP).astype("int32"))
    greedy = exported.signatures["translate_greedily"](text=texts)
    pieces = greedy["target_pieces"].numpy()
    assert translator.target.to_pieces(tokens[:, : pieces.shape[1]]).numpy().tolist() == (
        pieces.tolist()
    )
    assert not tokens[:, pieces.shape[1] :].any()
    joined = translator.target.detokenize(tf.constant(tokens)).numpy().tolist()
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


refused = functools.partial(commands.refused, call)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        *((name, 0, "at least 1") for name in ("max_length", "embedding_size", "encoder_layers")),
        *((name, 0, "at least 1") for name in ("batch_size", "epochs", "patience", "beams")),
        *(("units", units, "even and at least 2") for units in (0, 7, -2)),
        ("vocabulary_size", 4, "at least 5"),
        ("beams", 6000, "below vocabulary_size, 6000"),
        *(("learning_rate", rate, "above 0, and finite") for rate in (0, np.nan, np.inf)),
        *(("max_norm", norm, "above 0, and finite") for norm in (-1, np.inf)),
        *(("length_penalty", x, "at least 0, and finite") for x in (-0.1, np.nan, np.inf)),
        *(("seed", seed, "from 0 to 4,294,967,295") for seed in (-1, 2**32)),
        *(("sampling_rate", part, "from 0 to 1") for part in (-0.1, 1.1)),
        *(("dropout", part, "at least 0 and below 1") for part in (-0.1, 1)),
        *(("smoothing", part, "at least 0 and below 1") for part in (-0.1, 1)),
        ("attention", "multiplicative", "general, dot or additive"),
    ],
)
def test_settings_outside_their_range(name, value, expected):
    with pytest.raises(Refusal, match=rf"^{name} must be {expected}.*; received {value!r}$"):
        Settings(**{name: value}).check()


def test_settings_are_checked_before_anything_is_written(tmp_path, capsys):
    err = refused(capsys, "train", "--run", tmp_path / "run", "--units", 7)
    assert err.startswith("error: units must be even and at least 2; received 7")
    assert not (tmp_path / "run").exists()


def test_data_that_cannot_be_used(table, tmp_path, capsys):
    new = ("train", "--run", tmp_path / "new", "--source")
    assert "nowhere" in refused(capsys, *new, "nowhere")
    err = refused(capsys, *new, table, "--target", tmp_path / "absent")
    assert "absent" in err
    err = refused(capsys, *new, table, "--vocabulary-size", 10)
    assert err.startswith("error: vocabulary_size must be at least")
    err = refused(capsys, *new, table, *TINY, "--max-length", 3)
    assert err.startswith("error: max_length must be large enough")
    assert "received 3" in err
    err = refused(capsys, *new, table, "--beams", 5000)
    assert "the number of target pieces that were learned" in err


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--num-beams", 0), "num_beams must be at least 1 and at most"),
        (("--num-beams", 301), "num_beams must be at least 1 and at most"),
        (("--n-best", BEAMS + 1), f"n_best must be at least 1 and at most num_beams, {BEAMS};"),
        (("--n-best", 2, "--num-beams", 1), "n_best must be at least 1 and at most num_beams, 1;"),
        (("--n-best", 0), "n_best must be at least 1"),
    ],
)
def test_beams_that_do_not_fit(quick, run, capsys, options, expected):
    err = refused(capsys, "predict", "--run", run, "--no-plot", "x", *options)
    assert expected in err


@pytest.mark.parametrize("name", inference.VOCABULARIES)
def test_a_vocabulary_that_does_not_fit_the_model(damaged, capsys, name):
    pieces = (damaged / name).read_text("utf-8")
    first, *_ = lines = pieces.split("\n")
    for wrong in ([*lines, "more"], lines[:-1], [""], [first] * len(lines), [first, *lines]):
        (damaged / name).write_text("\n".join(wrong), "utf-8")
        err = refused(capsys, "predict", "--run", damaged, "x")
        assert f"{name} does not fit" in err
        assert "train again" in err
    (damaged / name).write_bytes(b"\xff")
    assert f"{name} is damaged" in refused(capsys, "evaluate", "--run", damaged)
    (damaged / name).unlink()
    assert name in refused(capsys, "export", "--run", damaged)


def test_runs_that_are_absent_finished_or_damaged(run, table, damaged, tmp_path, capsys, quick):
    assert "finished run" in refused(capsys, "train", "--source", table, "--run", run, *TINY)
    for command in ("evaluate", "predict", "export"):
        assert "there is no run" in refused(capsys, command, "--run", tmp_path / "absent")
    assert "at least one text" in refused(capsys, "predict", "--run", run)


def test_a_damaged_model_is_named(damaged, capsys):
    (damaged / "model.keras").write_bytes(b"")
    assert "model.keras is damaged" in refused(capsys, "predict", "--run", damaged, "x")
