import csv
import dataclasses
import functools
import io
import json
import shutil
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
from apps.captioning import data, images, refinement
from apps.captioning import sample as scene_sample
from apps.captioning.baselines import commonest, nearest
from apps.captioning.inference import (
    caption_images,
    compile_captioner,
    load_captioner,
    mean_features,
)
from apps.captioning.metrics import caption_scores, truth
from apps.captioning.model import build_model
from apps.captioning.pixels import BACKBONE, load_images
from apps.captioning.settings import Settings
from apps.captioning.vocabulary import VOCABULARY
from apps.common.refusal import Refusal
from apps.common.runs import Run
from tests.apps import commands
from tests.apps.common import c_api, other_runtimes

BEAMS = 2
SIDE = 16  # of images
TINY = (
    *("--image-size", SIDE, "--filters", 4, "--levels", 2, "--shift", 0.1),
    *("--units", 8, "--embedding-size", 8, "--vocabulary-size", 120, "--max-length", 5),
    *("--batch-size", 40, "--each", 2, "--learning-rate", 0.03),
    *("--beams", BEAMS, "--epochs", 1, "--word-dropout", 0),
)
FROZEN = (*TINY[:2], *TINY[8:], "--backbone", "MobileNet")


@pytest.fixture(scope="module", autouse=True)
def _eagerly():
    """Run functions eagerly: for a few tiny batches faster than to compile them."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def in_a_graph():
    """Compile functions after all."""
    tf.config.run_functions_eagerly(False)
    yield
    tf.config.run_functions_eagerly(True)


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
]
BROKEN = {
    "cut.jpg": (saved("JPEG", 80, 80)[:-300], "the JPEG is damaged or cut off"),
    "text.png": (b"no image, only words\n", "the content is no image: expected JPEG, PNG or GIF"),
    "empty.png": (b"", "the image is empty: it has no bytes"),
    "huge.png": (huge(), "the image is too large: 10000 x 10000 pixels"),
}


def write_table(folder, count=30):
    scenes, _, _ = scene_sample.generate(count, 1)
    with (folder / "scenes.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "caption"])
        for place, (content, texts) in enumerate(scenes):
            name = f"scene_{place:02}.png"
            (folder / name).write_bytes(content)
            rows.writerows([name, caption] for caption in texts)
    return folder / "scenes.csv"


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A table in which a training image and the first test image are cut off."""
    path = write_table(tmp_path_factory.mktemp("data"))
    splits = data.from_path(path)
    for part in (splits.train, splits.test):
        picture, _ = part[0]
        (path.parent / picture.name).write_bytes(picture.read()[:150])
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory, table):
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    call("train", "--source", table, "--run", folder, *TINY)
    return folder


@pytest.fixture(scope="module")
def captioner(run):
    return load_captioner(Run.open(run))


@pytest.fixture(scope="module")
def function(captioner):
    return compile_captioner(captioner, captioner.search)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for place, content in enumerate(MIXED):
        kind = images.KINDS[int(images._kind(tf.constant(content)))].lower()
        (folder / f"{place}.{kind}").write_bytes(content)
    (folder / "notes.txt").write_text("no image, and not to be read as one")
    return folder


def make_backbone(seed):
    """Return a tiny network in place of one of keras.applications."""
    keras.utils.set_random_seed(seed)
    pixels = keras.Input((SIDE, SIDE, 3), dtype="uint8")
    grid = keras.layers.Rescaling(1 / 255)(pixels)
    return keras.Model(pixels, keras.layers.Conv2D(5, 8, 8)(grid), name="backbone")


@pytest.fixture
def backbones(monkeypatch):
    """Make `--weights N` build the tiny network of seed N."""
    monkeypatch.setattr(
        captioning, "build_backbone", lambda name, size, weights: make_backbone(int(weights))
    )


@pytest.fixture
def frozen(table, tmp_path, backbones):
    call("train", "--source", table, "--run", tmp_path / "frozen", *FROZEN, "--weights", 1)
    return tmp_path / "frozen"


@pytest.fixture
def untrained(monkeypatch):
    """Begin a training that is interrupted before its first epoch; hold what `fit` was given."""
    given = {}

    def fit(run, model, train, validation, **options):
        given.update(train=train, validation=validation, **options)

    monkeypatch.setattr(captioning, "fit", fit)
    return given


def settings_of(run):
    return Run(run).settings(Settings)


def images_of(run, examples):
    return load_images(examples, settings_of(run), Run(run))


def examples_of(run):
    return data.load_examples(settings_of(run)).train


def predicted(capsys, run, *inputs, plot="--no-plot"):
    capsys.readouterr()
    call("predict", "--run", run, plot, *inputs)
    return [line.split("\t") for line in capsys.readouterr().out.splitlines()]


def captioned(captioner, function, contents):
    """Scores and captions of image files, one by one, as they are printed."""
    rows = [function(captioner.encoder_inputs(tf.constant([content]))) for content in contents]
    return [[f"{float(row['score'][0]):.3f}", row["caption"].numpy()[0].decode()] for row in rows]


# Training


def test_a_run_holds_settings_history_pieces_model_and_pictures(run, captioner):
    settings = json.loads((run / "settings.json").read_text())
    assert (settings["units"], settings["decoder"]) == (8, "attention")
    assert settings["source"].endswith("scenes.csv")
    history = Run(run).history()
    assert history["epoch"].tolist() == [1]
    assert {"loss", "accuracy", "val_loss", "val_accuracy", "gradient_norm"} <= {*history}
    assert (run / "plots" / "curves.png").stat().st_size > 5000
    assert list((run / "tensorboard").rglob("events*"))
    assert (run / "model.keras").exists()
    assert not (run / BACKBONE).exists()
    assert (run / VOCABULARY).read_text().split("\n") == list(captioner.pieces.pieces)
    assert captioner.pieces.size <= 120
    cached = np.load(next((run / "cache").rglob("pixels_16_*.npy")))
    assert cached.shape[1:] == (16, 16, 3)


def test_training_has_the_seed_of_the_run_and_validation_has_none(
    table, tmp_path, untrained, capsys
):
    call("train", "--source", table, "--run", tmp_path / "run", *TINY, "--seed", 7)
    train, validation = untrained["train"], untrained["validation"]
    assert (train.seed, validation.seed) == (7, None)
    assert (train.batch_size, train.each, untrained["epochs"]) == (40, 2, 1)
    out = capsys.readouterr().out
    examples = examples_of(tmp_path / "run")
    name = examples[0][0].name
    assert f"Left out: {name}: the PNG is damaged or cut off" in out.splitlines()
    assert out.count("Left out: ") == 1  # of the training and validation images
    assert train.places == list(range(1, len(examples)))
    picture = images.decode(examples[1][0].read(), 16)
    np.testing.assert_array_equal(train.rows[train.places[0]], picture)
    assert f"Training on {3 * len(train.places)} captions" in out


@pytest.mark.slow
def test_new_runs_have_small_scenes_and_a_resumed_run_those_it_has(
    tmp_path, monkeypatch, untrained
):
    monkeypatch.setattr(data, "SAMPLE_TRAIN", {48: 20, 64: 20})
    monkeypatch.setattr(data, "SAMPLE_TEST", 1)
    run = tmp_path / "run"
    call("train", "--run", run, *TINY)
    assert settings_of(run).scene_size == 48
    settings = json.loads((run / "settings.json").read_text())
    del settings["scene_size"]  # as an earlier version wrote it
    (run / "settings.json").write_text(json.dumps(settings))
    monkeypatch.setattr(Run, "epochs_done", lambda self: 1)
    monkeypatch.setattr(Run, "resumed", lambda self: build_model(settings_of(run), 99, 1))
    call("train", "--run", run, *TINY)
    picture = data.load_examples(settings_of(run)).train[0][0]
    assert Image.open(io.BytesIO(picture.read())).size == (64, 64)


def test_a_source_of_broken_images_alone(table, tmp_path, capsys):
    path = shutil.copytree(table.parent, tmp_path / "data") / "scenes.csv"
    for file in path.parent.glob("*.png"):
        file.write_bytes(b"")
    err = refused(capsys, "train", "--source", path, "--run", tmp_path / "run", *TINY)
    assert "source must have images that can be decoded, and none of these 24 can" in err


@pytest.mark.slow
def test_a_run_begun_again_in_its_first_epoch_takes_the_images_it_is_given(
    table, tmp_path, untrained
):
    other = shutil.copytree(table.parent, tmp_path / "data") / table.name
    for file in other.parent.glob("*.png"):  # of the same names
        file.write_bytes(saved("PNG", 20, 20, seed=int(file.stem[-2:])))
    run = tmp_path / "run"
    for source in (table, other):
        call("train", "--source", source, "--run", run, *TINY)
    contents = [picture.read() for picture, _ in examples_of(run)]
    np.testing.assert_array_equal(untrained["train"].rows, images.decode_batch(contents, 16))


@pytest.mark.slow
def test_a_run_begun_again_in_its_first_epoch_takes_the_weights_it_is_given(
    table, tmp_path, untrained, backbones
):
    run = tmp_path / "run"
    for seed in (1, 2):
        call("train", "--source", table, "--run", run, *FROZEN, "--weights", seed)
    kept = Run(run).read_model(BACKBONE).get_weights()
    for ours, theirs in zip(kept, make_backbone(2).get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


# Refinement


def refine(run, to):
    call("refine", "--run", run, "--to", to, "--epochs", 1, "--samples", 2)


@pytest.fixture(scope="module")
def refined(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "refined"
    before = (run / "model.keras").read_bytes()
    refine(run, folder)
    assert (run / "model.keras").read_bytes() == before
    return folder


@pytest.mark.slow
def test_a_refined_run_is_one_like_any_other(run, refined, pictures, capsys):
    settings = settings_of(refined)
    assert (settings.refined, settings.samples, settings.units) == (str(run), 2, 8)
    history = Run(refined).history()
    np.testing.assert_allclose(history["reward"], -history["loss"])
    assert history["val_reward"].between(0, 1).all()
    assert (refined / "plots" / "curves.png").stat().st_size > 5000
    folder = Run.open(refined)
    checkpoint = keras.saving.load_model(folder.checkpoint(1), compile=False).model
    kept, before = folder.model().get_weights(), Run.open(run).model().get_weights()
    for ours, theirs in zip(kept, checkpoint.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert any(not np.array_equal(one, two) for one, two in zip(kept, before, strict=True))
    assert len(predicted(capsys, refined, pictures / "0.png")) == 1


def test_refinement_passes_its_batches_the_seed(run, tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(refinement, "fit", lambda *arguments, **options: given.extend(arguments))
    refine(run, tmp_path / "run")
    _, _, batches, validation = given
    assert (batches.seed, validation.seed) == (1, None)


@pytest.mark.slow
def test_a_frozen_network_is_kept_in_refinement(frozen, tmp_path):
    refine(frozen, tmp_path / "run")
    kept, given = (Run(run).read_model(BACKBONE) for run in (tmp_path / "run", frozen))
    for ours, theirs in zip(kept.get_weights(), given.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


# The image network


@pytest.mark.slow
def test_features_of_a_frozen_network_are_computed_once(frozen, pictures, monkeypatch, capsys):
    captioner = load_captioner(Run.open(frozen))
    assert captioner.model.encoder.input_shape == (None, 2, 2, 5)
    for kept, given in zip(
        captioner.backbone.get_weights(), make_backbone(1).get_weights(), strict=True
    ):
        np.testing.assert_array_equal(kept, given)
    examples = examples_of(frozen)
    first = images_of(frozen, examples)
    contents = [picture.read() for picture, _ in examples[1:4]]
    rows = first.rows[first.places[:3]]
    inputs = captioner.encoder_inputs(tf.constant(contents))
    np.testing.assert_allclose(inputs, rows, rtol=1e-3, atol=1e-3)
    assert np.ptp(rows, axis=0).max() > 0.1
    assert len(predicted(capsys, frozen, pictures / "0.png", pictures / "1.jpeg")) == 2

    def computed(*_, **__):
        raise AssertionError("computed twice")

    monkeypatch.setattr(images, "decode", computed)
    monkeypatch.setattr(keras.Model, "predict_on_batch", computed)
    again = images_of(frozen, examples)
    np.testing.assert_array_equal(again.rows, first.rows)
    assert again.places == first.places


def test_a_network_without_given_weights_is_trained_with_the_rest():
    settings = Settings(
        backbone="MobileNet", image_size=SIDE, units=4, embedding_size=4, epochs=1, shift=0.1
    )
    settings.check()
    backbone = make_backbone(1)
    model = build_model(settings, 20, 1, backbone)
    assert model.encoder.input_shape == (None, SIDE, SIDE, 3)
    trained = {id(weight) for weight in model.encoder.trainable_weights}
    assert trained == {id(weight) for weight in backbone.trainable_weights}


# The decoder without attention


def test_a_decoder_without_attention_sees_the_image_and_draws_nothing(
    run, captioner, pictures, tmp_path, capsys
):
    folder = tmp_path / "state"
    (folder / "checkpoints").mkdir(parents=True)
    settings = dataclasses.replace(settings_of(run), decoder="state")
    (folder / "settings.json").write_text(json.dumps(dataclasses.asdict(settings)))
    shutil.copy(run / VOCABULARY, folder)
    build_model(settings, captioner.pieces.size, 1).save(folder / "model.keras")
    rows = predicted(capsys, folder, pictures / "0.png", pictures / "1.jpeg", plot="--plot")
    assert rows[0][1] != rows[1][1]
    assert not list(folder.rglob("looks_*"))
    outputs = load_captioner(Run.open(folder))(tf.constant(MIXED[:1]))
    assert outputs.keys() == {"caption", "score", "pieces"}


# Prediction


def test_a_file_a_folder_and_a_glob_are_captioned(run, captioner, function, pictures, capsys):
    files = sorted(path for path in pictures.iterdir() if path.suffix != ".txt")
    expected = captioned(captioner, function, [path.read_bytes() for path in files])
    assert len({score for score, _ in expected}) > 2
    rows = predicted(capsys, run, pictures)
    assert rows == [[str(path), *row] for path, row in zip(files, expected, strict=True)]
    assert predicted(capsys, run, files[3]) == [rows[3]]  # of a single pixel
    assert predicted(capsys, run, pictures / "*.gif", files[0]) == [rows[2], rows[0]]


@pytest.mark.slow
def test_the_attention_of_each_word_is_drawn(run, pictures, capsys):
    for path in (run / "plots").glob("looks_*"):
        path.unlink()
    rows = predicted(capsys, run, pictures / "0.png", pictures / "3.png", plot="--plot")
    assert len(rows) == 2
    drawn = sorted((run / "plots").glob("looks_*"))
    assert [path.name for path in drawn] == ["looks_1.png", "looks_2.png"]
    assert all(path.stat().st_size > 3000 for path in drawn)
    predicted(capsys, run, pictures / "0.png", pictures / "1.jpeg", pictures / "2.gif")
    assert sorted((run / "plots").glob("looks_*")) == drawn


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_new_process_captions_alike(run, pictures, capsys):
    expected = predicted(capsys, run, pictures / "0.png", pictures / "2.gif")
    command = [sys.executable, "-m", "apps.captioning", "predict", "--run", run, "--no-plot"]
    process = subprocess.run(
        [*command, pictures / "0.png", pictures / "2.gif"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert [line.split("\t") for line in process.stdout.splitlines()] == expected


# The captioner and its export


@pytest.mark.slow
def test_images_are_captioned_alike_alone_and_next_to_others(captioner, function, run):
    together = {name: value.numpy() for name, value in captioner(tf.constant(MIXED)).items()}
    assert np.ptp(together["score"]) > 0.01
    for place, content in enumerate(MIXED[:3]):
        alone = function(captioner.encoder_inputs(tf.constant([content])))
        assert alone["caption"][0] == together["caption"][place]
        np.testing.assert_allclose(alone["score"][0], together["score"][place], rtol=1e-4)
        steps = int(lengths(alone)[0]) - 1
        np.testing.assert_allclose(
            alone["attention"][0][:steps], together["attention"][place][:steps], atol=1e-4
        )
    part = images_of(run, examples_of(run)[:9])
    whole = caption_images(function, part)
    assert len(whole) == len(part.places) == 8
    assert caption_images(function, part, batch_size=3) == whole


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


def test_an_export_is_verified_on_images_that_can_be_decoded(run, table, capsys):
    settings = settings_of(run)
    contents = [picture.read() for picture, _ in data.load_examples(settings).test]
    assert captioning.real_images(settings) == contents[1:4]  # the first one is cut off
    capsys.readouterr()
    nowhere = dataclasses.replace(settings, source=str(table) + ".moved")
    assert captioning.real_images(nowhere) == []
    assert "verified on made-up images only: source must be" in capsys.readouterr().out


@pytest.mark.slow
def test_each_endpoint_of_the_export_answers_as_the_captioner(
    run, captioner, tmp_path, in_process, in_a_graph
):
    call("export", "--run", run, "--to", tmp_path)
    loaded = tf.saved_model.load(str(tmp_path / "captioning" / "1"))
    exported = {
        name: loaded.signatures[name](image=tf.constant(MIXED))
        for name in ("serving_default", "caption_greedily")
    }
    tf.config.run_functions_eagerly(True)
    assert (tmp_path / "captioning" / "1" / "model_card.md").exists()
    for name, (live, _) in captioner.endpoints().items():
        outputs = live(tf.constant(MIXED))
        assert (
            exported[name].keys()
            == outputs.keys()
            == {*("caption", "score", "pieces", "attention")}
        )
        assert exported[name]["caption"].numpy().tolist() == outputs["caption"].numpy().tolist()
        np.testing.assert_allclose(exported[name]["score"], outputs["score"], rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_the_export_answers_bytes_without_this_project_and_without_keras(
    run, captioner, tmp_path, in_a_graph
):
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
def test_other_runtimes_caption_pixels(captioner, tmp_path, in_a_graph):
    numeric = captioner.numeric()
    written = other_runtimes.check("captioning", captioner, numeric, tmp_path, tolerance=1e-4)
    both = {"onnx", "litert"}
    assert written == {"caption_inputs": {"onnx"}, "encode": both, "decode_step": both}


# Evaluation


def test_evaluation_writes_the_metrics_next_to_the_baselines(
    run, captioner, function, tmp_path, capsys, monkeypatch
):
    folder = shutil.copytree(run, tmp_path / "run")
    splits = data.load_examples(settings_of(run))
    splits = dataclasses.replace(splits, further={"more": splits.train[1:5]})
    monkeypatch.setattr(captioning, "load_examples", lambda settings: splits)
    call("evaluate", "--run", folder)
    assert f"Left out: {splits.test[0][0].name}: " in capsys.readouterr().out
    written = json.loads((folder / "metrics.json").read_text())
    assert (written["app"], written["split"]) == ("captioning", "test")
    assert written["source"].endswith("scenes.csv")
    references = [texts for _, texts in splits.test[1:]]
    rows = pd.read_csv(folder / "captions.csv", keep_default_na=False)
    assert rows["references"].tolist() == [" | ".join(texts) for texts in references]
    contents = [picture.read() for picture, _ in splits.test[1:]]
    assert rows["beam"].tolist() == [text for _, text in captioned(captioner, function, contents)]
    greedy = captioner.greedy(tf.constant(contents))["caption"].numpy()
    assert rows["greedy"].tolist() == [text.decode() for text in greedy]
    train, test, more = (
        images_of(run, part) for part in (splits.train, splits.test, splits.further["more"])
    )
    expected = caption_scores(rows["beam"], references)
    scores = caption_scores(rows["greedy"], references)
    expected |= {f"{name}_greedy": score for name, score in scores.items()}
    parts = truth(caption_images(function, more), more.captions)
    expected |= {f"{name}_more": score for name, score in parts.items()}
    assert written["metrics"] == pytest.approx(expected)
    similar = nearest(
        mean_features(captioner, train), train.captions, mean_features(captioner, test)
    )
    common = [commonest(train.captions)] * len(references)
    assert written["baselines"] == {
        "commonest_caption": pytest.approx(caption_scores(common, references)),
        "nearest_image": pytest.approx(caption_scores(similar, references)),
    }

    # Scenes of the sample are also scored by what is true.
    settings = json.loads((folder / "settings.json").read_text())
    (folder / "settings.json").write_text(json.dumps({**settings, "source": "sample"}))
    said = {len(references): rows["beam"].tolist(), 4: [""] * 4}
    monkeypatch.setattr(captioning, "caption_images", lambda _, part: said[len(part.places)])
    call("evaluate", "--run", folder)
    written = json.loads((folder / "metrics.json").read_text())
    parts = truth(rows["beam"], references)
    assert {name: written["metrics"][name] for name in parts} == pytest.approx(parts)
    assert {*parts} <= written["baselines"]["nearest_image"].keys()


# Mistakes


refused = functools.partial(commands.refused, call)


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
    assert "inputs must be images that can be decoded, and 1 of 1 cannot; " in err[1]


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
    assert "inputs must be images that can be decoded, and 4 of 6 cannot; " in err[-1]


def test_inputs_without_an_image(run, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("no image")
    for given in (tmp_path, tmp_path / "*.png", tmp_path / "absent.png"):
        err = refused(capsys, "predict", "--run", run, given)
        assert err.startswith(f"error: inputs: {str(given)!r} is no file, and no folder or glob")
    assert "give at least one file" in refused(capsys, "predict", "--run", run)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("image_size", 0), ("filters", 0), ("levels", 0), ("levels", 7), ("max_length", 0)),
        *(("units", 0), ("embedding_size", 0), ("batch_size", 0), ("each", 0), ("epochs", 0)),
        *(("patience", 0), ("beams", 0), ("beams", 4000), ("vocabulary_size", 4), ("seed", -1)),
        *(("learning_rate", 0), ("learning_rate", float("nan")), ("max_norm", -1), ("dropout", 1)),
        *(("length_penalty", -0.1), ("smoothing", 1), ("shift", 1), ("shift", -0.1)),
        *(("weights", "imagenet"), ("word_dropout", 1)),
    ],
)
def test_settings_outside_their_range(option, value):
    with pytest.raises(Refusal, match=rf"^{option} must be .*; received {value!r}$"):
        Settings(**{option: value}).check()


def test_settings_are_checked_before_any_work(tmp_path, capsys):
    err = refused(capsys, "train", "--run", tmp_path / "run", "--levels", 99)
    assert "levels must be at most" in err
    err = refused(capsys, "train", "--run", tmp_path / "run", "--backbone", "nothing")
    assert "backbone must be small, or one of ConvNeXt" in err
    options = ("--backbone", "MobileNet", "--weights", tmp_path / "absent.weights.h5")
    err = refused(capsys, "train", "--run", tmp_path / "run", *options)
    assert "weights must be none, imagenet, or the path of a file of weights; received" in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": "VGG16", "weights": "x", "flip": True}, "flip must be off with weights, "),
        ({"backbone": "VGG16", "weights": "x", "shift": 0.1}, "shift must be off with weights, "),
        ({"backbone": "VGG16", "filters": 3}, "filters has no effect with backbone VGG16: leave"),
        ({"backbone": "VGG16", "levels": 2}, "levels has no effect with backbone VGG16: leave"),
        ({"weights": "x"}, "weights must be none with the small image network: choose another"),
    ],
)
def test_settings_that_have_no_effect(options, message):
    with pytest.raises(Refusal, match=f"^{message}"):
        Settings(**options).check()


def test_beams_beyond_the_vocabulary(table, run, captioner, pictures, tmp_path, capsys):
    new = ("train", "--source", table, "--run", tmp_path / "new", *TINY)
    many = ("--vocabulary-size", 4000, "--beams", 3999)
    assert "beams must be at most " in refused(capsys, *new, *many)
    assert "beams must be below vocabulary_size" in refused(capsys, *new, "--beams", 120)
    size = captioner.pieces.size
    for beams in (0, size + 1):
        err = refused(capsys, "predict", "--run", run, pictures / "0.png", "--num-beams", beams)
        assert f"num_beams must be at least 1 and at most {size}, " in err
        assert err.endswith(f"; received {beams}")


def test_refinements_that_cannot_be(run, tmp_path, capsys):
    assert "finished run" in refused(capsys, "refine", "--run", run, "--to", run)
    err = refused(capsys, "refine", "--run", tmp_path / "none", "--to", tmp_path / "run")
    assert "there is no run at" in err
    options = ("refine", "--run", run, "--to", tmp_path / "run")
    assert "samples must be at least 2, " in refused(capsys, *options, "--samples", 1)
    for name in ("epochs", "patience"):
        assert f"{name} must be at least 1" in refused(capsys, *options, f"--{name}", 0)
    assert "learning_rate must be above 0" in refused(capsys, *options, "--learning-rate", 0)
    assert not (tmp_path / "run").exists()


def test_runs_that_are_not_there_or_finished(run, table, pictures, tmp_path, capsys):
    assert "finished run" in refused(capsys, "train", "--source", table, "--run", run, *TINY)
    for command in ("evaluate", "predict", "export"):
        inputs = (pictures,) if command == "predict" else ()
        err = refused(capsys, command, "--run", tmp_path / "absent", *inputs)
        assert "there is no run" in err
