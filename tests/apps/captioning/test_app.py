import contextlib
import csv
import dataclasses
import io
import json
import shutil
import signal
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from PIL import Image

from apps.captioning import app as captioning
from apps.captioning import data as captions
from apps.captioning import images
from apps.captioning import sample as scene_sample
from apps.captioning.baselines import commonest, nearest
from apps.captioning.batches import ReferenceBatches
from apps.captioning.metrics import caption_scores, truth
from apps.common.runs import Run
from tests.apps.common import c_api, other_runtimes

BEAMS = 2
EPOCHS = 4
SIDE = 32  # of images for a network of Keras, the smallest that it takes
# One step an epoch, in which images are also moved: there is one shape to compile.
TINY = (
    *("--image-size", 16, "--filters", 4, "--levels", 2, "--shift", 0.1),
    *("--units", 8, "--embedding-size", 8, "--vocabulary-size", 120, "--max-length", 24),
    *("--batch-size", 40, "--each", 2, "--learning-rate", 0.03),
    *("--beams", BEAMS, "--epochs", EPOCHS, "--patience", EPOCHS),
)
# What is not trained sees images as they are.
FROZEN = ("--backbone", "MobileNet", "--image-size", SIDE, "--shift", 0)


def call(*argv):
    captioning.main([str(argument) for argument in argv])


def saved(kind, width, height, seed=0):
    """An image file of squares of chance, so that it can be compressed and differs from others."""
    grid = np.random.default_rng((seed, width, height)).integers(0, 256, (4, 4, 3), "uint8")
    image = Image.fromarray(grid).resize((width, height), Image.Resampling.NEAREST)
    file = io.BytesIO()
    (image.quantize(64) if kind == "GIF" else image).save(file, kind)
    return file.getvalue()


def huge():
    """The beginning of a PNG that claims more pixels than are decoded."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 10_000, 10_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + header
        + struct.pack(">I", zlib.crc32(header))
    )


MIXED = [
    *(saved("PNG", 64, 64), saved("JPEG", 40, 30), saved("GIF", 20, 50), saved("PNG", 1, 1)),
    *(saved("PNG", 300, 20, seed=1), saved("JPEG", 8, 8), saved("GIF", 90, 90)),
]
BROKEN = {
    "cut.jpg": (saved("JPEG", 80, 80)[:-300], "the JPEG is damaged or cut off"),
    "text.png": (b"no image, only words\n", "the content is no image: expected JPEG, PNG or GIF"),
    "empty.png": (b"", "the image is empty: it has no bytes"),
    "huge.png": (huge(), "the image is too large: 10000 x 10000 pixels"),
}


def write_table(folder, count=40):
    scenes, _, _ = scene_sample.generate(count, 1)
    with (folder / "scenes.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "caption"])
        for place, (content, said) in enumerate(scenes):
            name = f"scene_{place:02}.png"
            (folder / name).write_bytes(content)
            rows.writerows([name, caption] for caption in said)
    return folder / "scenes.csv"


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A table in which an image to train on and the first one to test on are cut off."""
    path = write_table(tmp_path_factory.mktemp("data"))
    splits = captions.from_path(path)
    for part in (splits.train, splits.test):
        picture, _ = part[0]
        (path.parent / picture.name).write_bytes(picture.read()[:150])
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory, table):
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    with contextlib.redirect_stdout(io.StringIO()) as out:
        call("train", "--source", table, "--run", folder, *TINY)
    return folder, out.getvalue()


@pytest.fixture(scope="module")
def run(trained):
    return trained[0]


@pytest.fixture(scope="module")
def captioner(run):
    return captioning.load_captioner(Run.finished(run))


@pytest.fixture(scope="module")
def answer(captioner):
    return captioning.compiled(captioner, captioner.search)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for place, content in enumerate(MIXED):
        kind = images.KINDS[int(images._kind(tf.constant(content)))].lower()
        (folder / f"{place}.{kind}").write_bytes(content)
    (folder / "notes.txt").write_text("no image, and not to be read as one")
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    keras.utils.set_random_seed(5)
    network = keras.applications.MobileNet(
        weights=None, include_top=False, input_shape=(SIDE, SIDE, 3)
    )
    # With weights of chance hardly anything is left at the end: make it large enough to matter.
    last = network.layers[-2]
    before = keras.Model(network.inputs, last.input)
    values = before.predict_on_batch(np.random.default_rng(0).uniform(-1, 1, (64, SIDE, SIDE, 3)))
    last.moving_mean.assign(values.mean((0, 1, 2)))
    last.gamma.assign(1 / values.std((0, 1, 2)))
    path = tmp_path_factory.mktemp("weights") / "mobile.weights.h5"
    network.save_weights(path)
    return path


@pytest.fixture(scope="module")
def frozen(tmp_path_factory, table, weights):
    folder = tmp_path_factory.mktemp("runs") / "frozen"
    options = (*FROZEN, "--weights", weights, "--epochs", 2)
    call("train", "--source", table, "--run", folder, *TINY, *options)
    return folder


def settings_of(run):
    return Run(run).settings(captioning.Settings)


def seen_of(run, examples):
    return captioning.look(examples, settings_of(run), Run(run))


def examples_of(run):
    return captioning.load_examples(settings_of(run)).train


def predicted(capsys, run, *inputs, plot="--no-plot"):
    capsys.readouterr()
    call("predict", "--run", run, plot, *inputs)
    return [line.split("\t") for line in capsys.readouterr().out.splitlines()]


def captioned(captioner, answer, contents):
    """Scores and captions of image files, one by one, as they are printed."""
    found = [answer(captioner.inputs(tf.constant([content]))) for content in contents]
    return [[f"{float(one['score'][0]):.3f}", one["caption"].numpy()[0].decode()] for one in found]


# Training


def test_a_run_holds_settings_history_pieces_model_and_pictures(run, captioner):
    settings = json.loads((run / "settings.json").read_text())
    assert (settings["units"], settings["decoder"]) == (8, "attention")
    assert settings["source"].endswith("scenes.csv")
    with (run / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(1, EPOCHS + 1))
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= rows[0].keys()
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
    assert (run / "plots" / "curves.png").stat().st_size > 5000
    assert list((run / "tensorboard").rglob("events*"))
    assert (run / "model.keras").exists()
    assert not (run / captioning.BACKBONE).exists()
    assert (run / captioning.VOCABULARY).read_text().split("\n") == list(captioner.pieces.pieces)
    assert captioner.pieces.size <= 120
    cached = np.load(next((run / "cache").rglob("pixels_16_*.npy")))
    assert cached.shape[1:] == (16, 16, 3)


def test_a_broken_image_is_named_and_left_out(trained, captioner):
    run, out = trained
    examples = examples_of(run)
    name = examples[0][0].name
    assert f"Left out: {name}: the PNG is damaged or cut off" in out.splitlines()
    assert out.count("Left out: ") == 1  # of those to train on and to validate on
    seen = seen_of(run, examples)
    assert seen.places == list(range(1, len(examples)))
    assert seen.captions == [said for _, said in examples[1:]]
    picture = images.decode(examples[1][0].read(), 16)
    np.testing.assert_array_equal(seen.rows[seen.places[0]], picture)
    assert f"Training on {3 * len(seen.places)} captions" in out


def test_a_source_of_broken_images_alone(table, tmp_path, capsys):
    path = shutil.copytree(table.parent, tmp_path / "data") / "scenes.csv"
    for file in path.parent.glob("*.png"):
        file.write_bytes(b"")
    err = refused(capsys, "train", "--source", path, "--run", tmp_path / "run", *TINY)
    assert "none of the 32 images can be used" in err


@pytest.mark.slow
def test_a_killed_training_goes_on_and_ends_as_an_unbroken_one(run, table, tmp_path, capsys):
    folder = tmp_path / "killed"
    argv = [str(argument) for argument in ("train", "--source", table, "--run", folder, *TINY)]
    program = f"""
import os, signal
from apps.captioning import app as captioning
from apps.captioning.batches import CaptionBatches
batches = CaptionBatches.__iter__
def killed(self):
    if self.seed is not None and self.epoch >= {EPOCHS // 2}:
        os.kill(os.getpid(), signal.SIGKILL)
    return batches(self)
CaptionBatches.__iter__ = killed
captioning.main({argv!r})
"""
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert process.returncode == -signal.SIGKILL, process.stderr
    done = Run(folder).epochs_done()
    assert 1 <= done < EPOCHS
    captioning.main(argv)
    assert f"goes on after epoch {done}" in capsys.readouterr().out
    found, expected = Run(folder).history(), Run(run).history()
    assert found["epoch"].tolist() == expected["epoch"].tolist()
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-3)
    vocabulary = captioning.VOCABULARY
    assert (folder / vocabulary).read_bytes() == (run / vocabulary).read_bytes()


# Refinement


def refine(run, to):
    call("refine", "--run", run, "--to", to, "--epochs", 3, "--samples", 2, "--patience", 3)


@pytest.fixture(scope="module")
def refined(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "refined"
    before = (run / "model.keras").read_bytes()
    refine(run, folder)
    assert (run / "model.keras").read_bytes() == before
    return folder


def test_a_refined_run_is_one_like_any_other(run, refined, pictures, capsys):
    settings = settings_of(refined)
    assert (settings.refined, settings.samples, settings.units) == (str(run), 2, 8)
    history = Run(refined).history()
    assert history["epoch"].tolist() == [1, 2, 3]
    np.testing.assert_allclose(history["reward"], -history["loss"])
    assert history["val_reward"].between(0, 1).all()
    assert (refined / "plots" / "curves.png").stat().st_size > 5000
    folder = Run.finished(refined)
    taught, kept = Run.finished(run).model().get_weights(), folder.model().get_weights()
    best, last = (
        keras.saving.load_model(folder.checkpoint(epoch), compile=False).model.get_weights()
        for epoch in (folder.best_epoch(), 3)
    )
    for ours, theirs in zip(kept, best, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for ours, theirs in zip(last, taught, strict=True):
        assert not np.array_equal(ours, theirs)
    captioner = captioning.load_captioner(Run.finished(refined))
    answer = captioning.compiled(captioner, captioner.search)
    rows = predicted(capsys, refined, pictures / "0.png")
    assert [row[1:] for row in rows] == captioned(captioner, answer, MIXED[:1])


def test_a_refinement_that_was_broken_off_goes_on(run, refined, tmp_path, capsys, monkeypatch):
    batches = ReferenceBatches.__iter__

    def broken(self):
        if self.seed is not None and self.epoch == 1:
            raise RuntimeError("the power is out")
        return batches(self)

    with monkeypatch.context() as patch:
        patch.setattr(ReferenceBatches, "__iter__", broken)
        with pytest.raises(Exception, match="the power is out"):
            refine(run, tmp_path / "run")
    refine(run, tmp_path / "run")
    assert "goes on after epoch 1" in capsys.readouterr().out
    found, expected = (Run(folder).history() for folder in (tmp_path / "run", refined))
    for name in ("reward", "val_reward"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-3)


def test_a_frozen_network_is_kept_in_refinement(frozen, tmp_path):
    refine(frozen, tmp_path / "run")
    kept, given = (Run(run).read_model(captioning.BACKBONE) for run in (tmp_path / "run", frozen))
    for ours, theirs in zip(kept.get_weights(), given.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_refinements_that_cannot_be(run, refined, tmp_path, capsys):
    assert "finished run" in refused(capsys, "refine", "--run", run, "--to", refined)
    err = refused(capsys, "refine", "--run", tmp_path / "none", "--to", tmp_path / "run")
    assert "there is no run at" in err
    options = ("--run", run, "--to", tmp_path / "run")
    assert "samples must be at least 2" in refused(capsys, "refine", *options, "--samples", 1)
    assert "epochs must be at least 1" in refused(capsys, "refine", *options, "--epochs", 0)
    assert not (tmp_path / "run").exists()


# What sees


def test_features_of_a_frozen_network_are_computed_once(frozen, weights, monkeypatch):
    folder = Run.finished(frozen)
    captioner = captioning.load_captioner(folder)
    assert captioner.model.encoder.input_shape == (None, 1, 1, 1024)
    network = keras.applications.MobileNet(
        weights=str(weights), include_top=False, input_shape=(SIDE, SIDE, 3)
    )
    for kept, given in zip(captioner.backbone.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, given)
    examples = examples_of(frozen)
    first = seen_of(frozen, examples)
    contents = [picture.read() for picture, _ in examples[1:4]]
    rows = first.rows[first.places[:3]]
    np.testing.assert_allclose(captioner.inputs(tf.constant(contents)), rows, rtol=1e-3, atol=1e-3)
    assert np.ptp(rows, axis=0).max() > 0.1

    def computed(*_, **__):
        raise AssertionError("computed once more")

    monkeypatch.setattr(images, "decode", computed)
    monkeypatch.setattr(keras.Model, "predict_on_batch", computed)
    again = seen_of(frozen, examples)
    np.testing.assert_array_equal(again.rows, first.rows)
    assert again.places == first.places


@pytest.mark.slow
def test_a_run_with_a_frozen_network_captions_and_is_exported(frozen, pictures, tmp_path, capsys):
    captioner = captioning.load_captioner(Run.finished(frozen))
    answer = captioning.compiled(captioner, captioner.search)
    rows = predicted(capsys, frozen, pictures / "0.png", pictures / "1.jpeg")
    assert [row[1:] for row in rows] == captioned(captioner, answer, MIXED[:2])
    assert rows[0][1] != rows[1][1]
    call("export", "--run", frozen, "--to", tmp_path)
    loaded = tf.saved_model.load(str(tmp_path / "captioning" / "1"))
    found = loaded.signatures["serving_default"](image=tf.constant(MIXED))
    live = captioner(tf.constant(MIXED))
    np.testing.assert_allclose(found["score"], live["score"], rtol=1e-3, atol=1e-4)
    assert found["caption"].numpy().tolist() == live["caption"].numpy().tolist()


@pytest.fixture
def begun(monkeypatch):
    """Begins a training that is broken off before its first epoch."""
    monkeypatch.setattr(Run, "fit", lambda *_, **__: None)
    monkeypatch.setattr(captioning, "plot_history", lambda *_: None)
    return lambda *argv: call("train", *argv)


def test_a_run_begun_again_in_its_first_epoch_takes_the_images_it_is_given(table, tmp_path, begun):
    other = shutil.copytree(table.parent, tmp_path / "data") / table.name
    for file in other.parent.glob("*.png"):  # of the same names
        file.write_bytes(saved("PNG", 20, 20, seed=int(file.stem[-2:])))
    run = tmp_path / "run"
    for source in (table, other):
        begun("--source", source, "--run", run, *TINY)
    examples = examples_of(run)
    seen = seen_of(run, examples)
    contents = [picture.read() for picture, _ in examples]
    np.testing.assert_array_equal(seen.rows, images.decode_batch(contents, 16))


def test_a_run_begun_again_in_its_first_epoch_takes_the_weights_it_is_given(
    table, weights, tmp_path, begun
):
    keras.utils.set_random_seed(6)
    other = tmp_path / "other.weights.h5"
    network = keras.applications.MobileNet(
        weights=None, include_top=False, input_shape=(SIDE, SIDE, 3)
    )
    network.save_weights(other)
    for file in (weights, other):
        begun("--source", table, "--run", tmp_path / "run", *TINY, *FROZEN, "--weights", file)
    kept = Run(tmp_path / "run").read_model(captioning.BACKBONE).get_weights()
    for found, expected in zip(kept, network.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_network_without_given_weights_is_trained_with_the_rest():
    settings = captioning.Settings(
        backbone="MobileNet", image_size=SIDE, units=4, embedding_size=4, epochs=1
    )
    settings.check()
    model = captioning.build_model(settings, 20, steps=1)
    assert model.encoder.input_shape == (None, SIDE, SIDE, 3)
    network = keras.applications.MobileNet(
        weights=None, include_top=False, input_shape=(SIDE, SIDE, 3)
    )
    trained, whole = (
        sum(weight.shape.num_elements() for weight in one.trainable_weights)
        for one in (model.encoder, network)
    )
    assert trained == whole


# The decoder that looks once


@pytest.fixture(scope="module")
def blind(tmp_path_factory, table):
    folder = tmp_path_factory.mktemp("runs") / "state"
    call("train", "--source", table, "--run", folder, *TINY, "--decoder", "state", "--epochs", 2)
    return folder


@pytest.mark.slow
def test_a_decoder_of_a_state_captions_is_exported_and_has_no_attention(
    blind, pictures, tmp_path, capsys
):
    captioner = captioning.load_captioner(Run.finished(blind))
    answer = captioning.compiled(captioner, captioner.search)
    rows = predicted(capsys, blind, pictures / "0.png", pictures / "1.jpeg", plot="--plot")
    assert [row[1:] for row in rows] == captioned(captioner, answer, MIXED[:2])
    assert rows[0][1] != rows[1][1]  # it saw them all the same
    assert not list((blind / "plots").glob("looks_*"))
    call("export", "--run", blind, "--to", tmp_path)
    loaded = tf.saved_model.load(str(tmp_path / "captioning" / "1"))
    live = captioner(tf.constant(MIXED))
    assert live.keys() == {"caption", "score", "pieces"}
    found = loaded.signatures["serving_default"](image=tf.constant(MIXED))
    assert found.keys() == live.keys()
    np.testing.assert_allclose(found["score"], live["score"], rtol=1e-3, atol=1e-4)
    assert found["pieces"].numpy().tolist() == live["pieces"].numpy().tolist()


# Prediction


def test_a_file_a_folder_and_a_glob_are_captioned(run, captioner, answer, pictures, capsys):
    files = sorted(path for path in pictures.iterdir() if path.suffix != ".txt")
    expected = captioned(captioner, answer, [path.read_bytes() for path in files])
    assert len({score for score, _ in expected}) > 3
    rows = predicted(capsys, run, pictures)
    assert rows == [[str(path), *row] for path, row in zip(files, expected, strict=True)]
    assert predicted(capsys, run, files[3]) == [rows[3]]  # of a single pixel
    assert predicted(capsys, run, pictures / "*.gif", files[0]) == [rows[2], rows[6], rows[0]]


def test_where_each_word_looked_is_drawn(run, pictures, capsys):
    for path in (run / "plots").glob("looks_*"):
        path.unlink()
    rows = predicted(capsys, run, pictures / "0.png", pictures / "3.png", plot="--plot")
    assert len(rows) == 2
    drawn = sorted((run / "plots").glob("looks_*"))
    assert [path.name for path in drawn] == ["looks_1.png", "looks_2.png"]
    assert all(path.stat().st_size > 3000 for path in drawn)
    predicted(capsys, run, pictures / "0.png", pictures / "1.jpeg", pictures / "2.gif")
    assert sorted((run / "plots").glob("looks_*")) == drawn


def test_one_beam_is_greedy(run, captioner, pictures, capsys):
    rows = predicted(capsys, run, pictures / "0.png", pictures / "1.jpeg", "--num-beams", 1)
    greedy = captioner.greedy(tf.constant(MIXED[:2]))
    assert [row[2] for row in rows] == [text.decode() for text in greedy["caption"].numpy()]
    penalties = (5 + np.minimum(lengths(greedy), captioner.pieces.max_length)) / 6
    scores = [float(row[1]) for row in rows]
    np.testing.assert_allclose(scores, greedy["score"] / penalties, atol=2e-3)


def lengths(answer):
    """How many pieces there are in each caption, with the stop."""
    return (np.asarray(answer["pieces"]) != b"").sum(-1) + 1


def test_a_new_process_captions_alike(run, pictures, capsys):
    expected = predicted(capsys, run, pictures / "0.png", pictures / "2.gif")
    command = [sys.executable, "-m", "apps.captioning", "predict", "--run", run, "--no-plot"]
    process = subprocess.run(
        [*command, pictures / "0.png", pictures / "2.gif"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert [line.split("\t") for line in process.stdout.splitlines()] == expected


# The captioner and its export


def test_images_are_captioned_alike_alone_and_beside_others(captioner, answer, run):
    together = {name: value.numpy() for name, value in captioner(tf.constant(MIXED)).items()}
    assert np.ptp(together["score"]) > 0.01
    for place, content in enumerate(MIXED):
        alone = answer(captioner.inputs(tf.constant([content])))
        assert alone["caption"][0] == together["caption"][place]
        np.testing.assert_allclose(alone["score"][0], together["score"][place], rtol=1e-4)
        steps = int(lengths(alone)[0]) - 1
        np.testing.assert_allclose(
            alone["attention"][0][:steps], together["attention"][place][:steps], atol=1e-4
        )
    seen = seen_of(run, examples_of(run))
    whole = captioning.caption(answer, seen)
    assert len(whole) == len(seen.places)
    for size in (1, 7):
        assert captioning.caption(answer, seen, batch_size=size) == whole


def test_attention_weighs_the_cells_of_the_grid(captioner):
    found = {name: value.numpy() for name, value in captioner(tf.constant(MIXED)).items()}
    assert found["attention"].shape == (*found["pieces"].shape, 4 * 4)
    for weights, steps in zip(found["attention"], lengths(found) - 1, strict=True):
        np.testing.assert_allclose(weights[:steps].sum(-1), 1, rtol=1e-4)
    assert np.ptp(found["attention"][0, 0]) > 1e-4
    for pieces, text in zip(found["pieces"], found["caption"], strict=True):
        assert b"".join(pieces).decode().replace("▁", " ").strip() == text.decode()


FRESH = """
import sys
sys.modules.update(dict.fromkeys(("keras", "rnnlayers", "apps")))
import numpy as np, tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
contents = np.load(sys.argv[2], allow_pickle=True).tolist()
for name in ("serving_default", "caption_greedily"):
    answer = loaded.signatures[name](image=tf.constant(contents))
    answer = {key: value.numpy() for key, value in answer.items()}
    np.savez(f"{sys.argv[3]}/{name}.npz", **answer)
    try:
        loaded.signatures[name](image=tf.constant([contents[0], contents[1][:-100]]))
    except tf.errors.InvalidArgumentError:
        print("refused")
"""


def test_an_export_is_tried_on_sound_images_where_there_are_some(run, table, capsys):
    settings = settings_of(run)
    contents = [picture.read() for picture, _ in captioning.load_examples(settings).test]
    assert captioning.real_images(settings) == contents[1:4]  # the first one is cut off
    capsys.readouterr()
    nowhere = dataclasses.replace(settings, source=str(table) + ".moved")
    assert captioning.real_images(nowhere) == []
    assert "tried on made-up images alone: source must be" in capsys.readouterr().out


@pytest.mark.slow
def test_the_export_answers_bytes_without_this_project_and_without_keras(run, captioner, tmp_path):
    # Those that the table has to test on, one of them broken, are what it is tried on first.
    call("export", "--run", run, "--to", tmp_path)
    assert "serving_default" in c_api.check(tmp_path / "captioning" / "1")
    np.save(tmp_path / "images.npy", np.array(MIXED, object), allow_pickle=True)
    files = (tmp_path / "captioning" / "1", tmp_path / "images.npy", tmp_path)
    command = [sys.executable, "-I", "-c", FRESH, *files]
    process = subprocess.run(command, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert process.stdout.split() == ["refused", "refused"]
    for name, (function, _) in captioner.endpoints().items():
        live = function(tf.constant(MIXED))
        assert live.keys() == {"caption", "score", "pieces", "attention"}
        found = np.load(tmp_path / f"{name}.npz", allow_pickle=True)
        assert set(found) == live.keys()
        for key, value in live.items():
            if value.dtype == tf.string:
                assert found[key].tolist() == value.numpy().tolist()
            else:
                np.testing.assert_allclose(found[key], value, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_other_runtimes_caption_pixels(captioner, tmp_path):
    numeric = captioner.numeric()
    written = other_runtimes.check("captioning", captioner, numeric, tmp_path, tolerance=1e-4)
    both = {"onnx", "litert"}
    assert written == {"caption_inputs": {"onnx"}, "encode": both, "decode_step": both}


# Evaluation


def test_evaluation_writes_the_metrics_beside_the_baselines(
    run, captioner, answer, capsys, monkeypatch
):
    splits = captioning.load_examples(settings_of(run))
    splits = dataclasses.replace(splits, further={"more": splits.train[1:9]})
    monkeypatch.setattr(captioning, "load_examples", lambda settings: splits)
    call("evaluate", "--run", run)
    assert f"Left out: {splits.test[0][0].name}: " in capsys.readouterr().out
    found = json.loads((run / "metrics.json").read_text())
    assert (found["app"], found["split"]) == ("captioning", "test")
    assert found["source"].endswith("scenes.csv")
    references = [said for _, said in splits.test[1:]]
    rows = pd.read_csv(run / "captions.csv", keep_default_na=False)
    assert rows["references"].tolist() == [" | ".join(said) for said in references]
    contents = [picture.read() for picture, _ in splits.test[1:]]
    assert rows["beam"].tolist() == [text for _, text in captioned(captioner, answer, contents)]
    greedy = captioner.greedy(tf.constant(contents))["caption"].numpy()
    assert rows["greedy"].tolist() == [text.decode() for text in greedy]
    train, test, more = (
        seen_of(run, part) for part in (splits.train, splits.test, splits.further["more"])
    )
    expected = caption_scores(rows["beam"], references)
    scores = caption_scores(rows["greedy"], references)
    expected |= {f"{name}_greedy": score for name, score in scores.items()}
    told = truth(captioning.caption(answer, more), more.captions)
    expected |= {f"{name}_more": score for name, score in told.items()}
    assert found["metrics"] == pytest.approx(expected)
    assert found["metrics"]["bleu_1"] > 0
    vectors = (captioning.features(captioner, seen) for seen in (train, test))
    similar = nearest(next(vectors), train.captions, next(vectors))
    common = [commonest(train.captions)] * len(references)
    assert found["baselines"] == {
        "commonest_caption": pytest.approx(caption_scores(common, references)),
        "nearest_image": pytest.approx(caption_scores(similar, references)),
    }


def test_scenes_of_the_sample_are_also_scored_by_what_is_true(
    run, captioner, tmp_path, monkeypatch
):
    folder = shutil.copytree(run, tmp_path / "run")
    splits = captioning.load_examples(settings_of(run))
    monkeypatch.setattr(captioning, "load_examples", lambda settings: splits)
    settings = json.loads((folder / "settings.json").read_text())
    (folder / "settings.json").write_text(json.dumps({**settings, "source": "sample"}))
    call("evaluate", "--run", folder)
    found = json.loads((folder / "metrics.json").read_text())
    rows = pd.read_csv(folder / "captions.csv", keep_default_na=False)
    told = truth(rows["beam"], [said for _, said in splits.test[1:]])
    assert {name: found["metrics"][name] for name in told} == pytest.approx(told)
    assert {*told} <= found["baselines"]["nearest_image"].keys()


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


def complaints(capsys, run, *inputs):
    """What is printed, and what is said of images that cannot be used."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        call("predict", "--run", run, "--no-plot", *inputs)
    assert stop.value.code == 2
    found = capsys.readouterr()
    return found.out.splitlines(), found.err.splitlines()


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_image_is_one_line(run, tmp_path, capsys, name):
    content, said = BROKEN[name]
    (tmp_path / name).write_bytes(content)
    out, err = complaints(capsys, run, tmp_path / name)
    assert out == []
    assert len(err) == 2
    assert err[0].startswith(f"{tmp_path / name}: {said}")
    assert err[1] == "error: inputs: 1 of 1 images cannot be used, see above"


def test_broken_images_among_good_ones_do_not_stop_the_others(run, pictures, tmp_path, capsys):
    for place in (0, 3):
        shutil.copy(pictures / f"{place}.png", tmp_path / f"good_{place}.png")
    for name, (content, _) in BROKEN.items():
        (tmp_path / name).write_bytes(content)
    expected = predicted(capsys, run, tmp_path / "good_*")
    out, err = complaints(capsys, run, tmp_path)
    assert [line.split("\t") for line in out] == expected
    assert len(out) == 2
    names = sorted(BROKEN)
    assert [line.partition(": ")[0] for line in err[:-1]] == [str(tmp_path / n) for n in names]
    assert err[-1] == "error: inputs: 4 of 6 images cannot be used, see above"


def test_inputs_without_an_image(run, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("no image")
    for given in (tmp_path, tmp_path / "*.png", tmp_path / "absent.png"):
        err = refused(capsys, "predict", "--run", run, given)
        assert err.startswith(f"error: inputs: {str(given)!r} is no file, and no folder or glob")
    assert "give at least one file" in refused(capsys, "predict", "--run", run)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("image-size", 0), ("filters", 0), ("levels", 0), ("levels", 7), ("max-length", 0)),
        *(("units", 0), ("embedding-size", 0), ("batch-size", 0), ("each", 0), ("epochs", 0)),
        *(("patience", 0), ("beams", 0), ("beams", 4000), ("vocabulary-size", 4), ("seed", -1)),
        *(("learning-rate", 0), ("learning-rate", "nan"), ("max-norm", -1), ("dropout", 1)),
        *(("length-penalty", -0.1), ("smoothing", 1), ("shift", 1), ("shift", -0.1)),
        *(("weights", "imagenet"), ("backbone", "nothing")),
    ],
)
def test_settings_outside_their_range(tmp_path, capsys, option, value):
    err = refused(capsys, "train", "--run", tmp_path / "run", f"--{option}", value)
    assert err.startswith(f"error: {option.replace('-', '_')} must be ")
    assert not (tmp_path / "run").exists()


def test_networks_and_weights_that_cannot_be_used(table, weights, tmp_path, capsys):
    def err(*options):
        new = ("train", "--source", table, "--run", tmp_path / "new", *TINY)
        return refused(capsys, *new, *options)

    assert "'small', or one of ConvNeXt" in err("--backbone", "mobilenet")
    for option in (("--flip",), ("--shift", 0.1)):
        said = err(*FROZEN, "--weights", weights, *option)
        assert f"{option[0][2:]} must be off with weights" in said
    assert not (tmp_path / "new").exists()
    assert "backbone MobileNet: Input size" in err("--backbone", "MobileNet")
    absent = tmp_path / "absent.weights.h5"
    assert "backbone MobileNet: " in err(*FROZEN, "--weights", absent)
    damaged = tmp_path / "damaged.weights.h5"
    damaged.write_bytes(weights.read_bytes()[:1000])
    err(*FROZEN, "--weights", damaged)


def test_beams_beyond_the_vocabulary(table, run, captioner, pictures, tmp_path, capsys):
    new = ("train", "--source", table, "--run", tmp_path / "new", *TINY)
    size = captioner.pieces.size
    many = ("--vocabulary-size", 4000, "--beams", 3999)
    assert "beams must be at most " in refused(capsys, *new, *many)
    assert "beams must be below vocabulary_size" in refused(capsys, *new, "--beams", 120)
    predict = ("predict", "--run", run, pictures / "0.png", "--num-beams")
    assert "at most the size of the vocabulary" in refused(capsys, *predict, size + 1)
    assert "`num_beams` must be a positive integer" in refused(capsys, *predict, 0)


def test_runs_that_are_not_there_or_finished(run, table, pictures, tmp_path, capsys):
    assert "finished run" in refused(capsys, "train", "--source", table, "--run", run, *TINY)
    for command in ("evaluate", "predict", "export"):
        inputs = (pictures,) if command == "predict" else ()
        err = refused(capsys, command, "--run", tmp_path / "absent", *inputs)
        assert "there is no run" in err
