"""Captioning: what can be seen in an image?  One to many.

    image ── convolutions ── a grid of cells ──┬── memory ──┐
                                               │            │ attention
    the pieces before ── embedding ── GRU ── state h ───────┤
                                               │            │
                          next piece ── softmax ── GRU ── [c; h]

A convolutional network makes a grid of an image, and the mean of its cells begins the decoder. With
`--decoder attention` the decoder then looks back: at each step attention weighs the cells by how
well they fit its state (Show, Attend and Tell, Xu et al. 2015). With `--decoder state` all that it
knows of the image is its first state (Show and Tell, Vinyals et al. 2015). The rest is the decoder
of `apps/translation.py`: teacher forcing in training, a beam afterwards. `refine` trains a network
further on captions that it makes itself, which become likelier the more they add to the BLEU of the
step than others of the same image do (self-critical training, Rennie et al. 2017).

The network that sees is a small one, trained from the start with the decoder, or one of
`keras.applications` (`--backbone MobileNetV2`); with `--weights imagenet`, or a file of weights, it
is not trained, and its features are computed once.

Data: `sample` (drawn scenes of coloured shapes), `tfds` (the catalogue's `coco_captions`), a folder
in Flickr8k's layout, or a table of image paths and captions.

    python -m apps.captioning train --source sample --run runs/captioning
    python -m apps.captioning refine --run runs/captioning --to runs/refined
    python -m apps.captioning evaluate --run runs/captioning
    python -m apps.captioning predict --run runs/captioning photo.jpg folder 'more/*.png'
    python -m apps.captioning export --run runs/captioning --to saved_models

On two cores the sample takes seven minutes, for 98 % of captions that are true in every word.
Flickr8k takes an hour and a half, for 14.8 BLEU-4 without any pretrained network, 12.4 before it is
refined; README.md has the commands.
"""

import hashlib
import itertools
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
import tyro

import rnnlayers
from apps.captioning import images
from apps.captioning.backbones import build_backbone, check_name
from apps.captioning.baselines import commonest, nearest
from apps.captioning.batches import CaptionBatches, ReferenceBatches, Seen
from apps.captioning.data import SUFFIXES, Example, load
from apps.captioning.exported import CARD, Captioner, caption, compiled, features, made_up_images
from apps.captioning.layers import ForEachCaption
from apps.captioning.metrics import caption_scores, truth
from apps.captioning.model import build_model
from apps.captioning.pixels import load_features, load_pixels
from apps.captioning.plots import plot_looks
from apps.captioning.rewards import bleu_shares
from apps.captioning.settings import Settings
from apps.common.applications import Demo
from apps.common.cli import check, find_files, run_command
from apps.common.data.splits import Splits
from apps.common.exports import export_run
from apps.common.other_runtimes import Format
from apps.common.refusal import Refusal
from apps.common.reports import plot_history, report
from apps.common.runs import Run
from apps.common.seq2seq.subwords import START, STOP, UNKNOWN, Subwords
from apps.common.seq2seq.teacher_forcing import clipped_adam
from apps.common.text import encode
from apps.common.training import fit
from rnnlayers.decoding import BeamSearch, Greedy
from rnnlayers.optimizers import ClippingLogger

JUDGED = 256  # validation images of which one BLEU is computed; that of a few is another number
BACKBONE = "backbone.keras"  # the network that sees, where it is not trained
VOCABULARY = "pieces.txt"

# Data


def load_examples(settings: Settings) -> Splits:
    """Loads images with their captions, `(picture, captions)`."""
    options = ("image_column", "caption_column", "catalogue_name")
    splits = load(settings.source, **{name: getattr(settings, name) for name in options})
    return splits.with_validation(settings.seed)


def look(examples: Sequence[Example], settings: Settings, run: Run) -> Seen:
    """Decodes images, and computes their features where what sees is not trained."""
    pictures, captions = zip(*examples, strict=True)
    decides = (settings.source, settings.image_column, settings.catalogue_name)
    decides += (settings.backbone, settings.weights)
    cache = run.folder / "cache" / hashlib.sha256(repr(decides).encode()).hexdigest()[:8]
    rows, places = load_pixels(pictures, settings.image_size, cache)
    if settings.frozen:
        rows = load_features(run.read_model(BACKBONE), rows, cache)
    return Seen(rows, places, [captions[place] for place in places])


def make_datasets(
    train: Seen, validation: Seen, settings: Settings
) -> tuple[CaptionBatches, CaptionBatches, Subwords]:
    """Makes training and validation batches, and the pieces of captions."""
    texts = [caption for said in train.captions for caption in said]
    pieces = Subwords.learned(
        texts, settings.vocabulary_size, lowercase=True, max_length=settings.max_length
    )
    batches = [
        CaptionBatches(
            seen.rows,
            seen.places,
            ids_of(seen.captions, pieces),
            settings.batch_size,
            settings.each,
            seed,
            start=START,
            stop=STOP,
        )
        for seen, seed in ((train, settings.seed), (validation, None))
    ]
    print(f"Training on {len(texts):,} captions with {pieces.size:,} different pieces")
    return (*batches, pieces)


def ids_of(captions: Sequence[Sequence[str]], pieces: Subwords) -> list[list[np.ndarray]]:
    """Returns the ids of the pieces of each caption of each image."""
    ids = iter(pieces.arrays([caption for said in captions for caption in said]))
    return [[next(ids) for _ in said] for said in captions]


# Training


def train(run: Path, settings: Settings) -> None:
    """Train, or go on with a training that was broken off: give the same command again.

    Args:
        run: The folder of the run.
        settings: What decides the run.
    """
    settings.check()
    if settings.backbone != "small":
        check_name(settings.backbone)
    keras.utils.set_random_seed(settings.seed)
    folder = Run.begin(run, settings)
    splits = load_examples(settings)
    backbone = None
    if settings.frozen:
        if not folder.epochs_done():  # one that is there may be of other settings
            size = settings.image_size
            folder.write_model(BACKBONE, build_backbone(settings.backbone, size, settings.weights))
        backbone = folder.read_model(BACKBONE)
    train, validation = (look(part, settings, folder) for part in (splits.train, splits.validation))
    batches, held, pieces = make_datasets(train, validation, settings)
    folder.write_lines(VOCABULARY, pieces.pieces)
    check(settings, ["beams"], lambda beams: beams <= pieces.size, f"at most {pieces.size}")
    model = folder.resumed() or build_model(settings, pieces.size, len(batches), backbone)
    print(f"Training {model.count_params():,} weights")
    fit(
        folder,
        model,
        batches,
        held,
        epochs=settings.epochs,
        patience=settings.patience,
        callbacks=[ClippingLogger()],
    )
    plot_history(folder, "accuracy")


def refine(
    run: Path,
    to: Path,
    epochs: int = 6,
    learning_rate: float = 2e-4,
    samples: int = 5,
    patience: int = 3,
) -> None:
    """Train a finished run further, on captions that it makes itself, rewarded by BLEU.

    Args:
        run: The folder of the run to begin with; it stays as it is.
        to: The folder of the new run.
        epochs: The most epochs to train.
        learning_rate: Of Adam, at its highest.
        samples: Captions drawn of an image in a training step.
        patience: Stop after so many epochs without a higher reward of validation images.
    """
    taught = Run.finished(run)
    settings = replace(
        taught.settings(Settings),
        refined=str(run),
        epochs=epochs,
        learning_rate=learning_rate,
        samples=samples,
        patience=patience,
    )
    settings.check()
    check(settings, ["samples"], lambda count: count >= 2, "at least 2")
    keras.utils.set_random_seed(settings.seed)
    folder = Run.begin(to, settings)
    folder.write_lines(VOCABULARY, taught.read_lines(VOCABULARY))
    if settings.frozen:
        folder.write_model(BACKBONE, taught.read_model(BACKBONE))
    splits = load_examples(settings)
    parts = [look(part, settings, folder) for part in (splits.train, splits.validation)]
    pieces = load_pieces(taught, settings)
    batches, held = (
        ReferenceBatches(seen.rows, seen.places, ids_of(seen.captions, pieces), size, seed)
        for seen, size, seed in zip(
            parts, (settings.batch_size, JUDGED), (settings.seed, None), strict=True
        )
    )
    fit(
        folder,
        folder.resumed() or rewarded(taught.model(), settings, len(batches)),
        batches,
        held,
        epochs=epochs,
        patience=patience,
        callbacks=[ClippingLogger()],
        finish=lambda tuned: tuned.model,
    )
    plot_history(folder, "reward")


def rewarded(model: keras.Model, settings: Settings, steps: int) -> rnnlayers.SelfCritical:
    """Makes what trains a model by what captions that are drawn from it add to BLEU.

    Args:
        model: The model.
        settings: What decides the run.
        steps: Training steps in an epoch.
    """
    for layer in model.encoder.layers:
        if isinstance(layer, ForEachCaption):
            layer.count = 1  # those that are drawn of an image stand side by side by themselves
    tuned = rnnlayers.SelfCritical(
        model,
        bleu_shares,
        max_length=settings.max_length,
        num_samples=settings.samples,
        forbidden_tokens=[UNKNOWN],
        seed=settings.seed,
    )
    adam = clipped_adam(steps, settings.epochs, settings.learning_rate, settings.max_norm)
    tuned.compile(adam)
    return tuned


# Inference


def load_pieces(folder: Run, settings: Settings) -> Subwords:
    """Loads the pieces of captions that a run knows."""
    return Subwords(folder.read_lines(VOCABULARY), True, settings.max_length)


def load_captioner(folder: Run) -> Captioner:
    """Loads what a finished run has trained."""
    settings = folder.settings(Settings)
    return Captioner(
        folder.model(),
        load_pieces(folder, settings),
        BeamSearch(settings.beams, length_penalty=settings.length_penalty),
        settings.image_size,
        folder.read_model(BACKBONE) if settings.frozen else None,
    )


def predict(
    inputs: tyro.conf.Positional[tuple[str, ...]],
    run: Path,
    num_beams: int | None = None,
    plot: bool = True,
) -> None:
    """Print captions of images with their scores, and draw where each word looked.

    Args:
        inputs: Image files, folders of them, or globs.
        run: The folder of the run.
        num_beams: Hypotheses of the beam search, 1 for greedy; as in training if not given.
        plot: Draw a picture for each image, in the folder of the run.
    """
    folder = Run.finished(run)
    captioner = load_captioner(folder)
    beams = captioner.search.num_beams if num_beams is None else num_beams
    answer = compiled(captioner, replace(captioner.search, num_beams=beams))
    paths = find_files(inputs, SUFFIXES)
    broken = 0
    for place, path in enumerate(paths):
        content = path.read_bytes()
        if (fault := images.check(content)) is not None:
            print(f"{path}: {fault}", file=sys.stderr)
            broken += 1
            continue
        found = answer(captioner.inputs(encode([content])))
        found = {name: value[0].numpy() for name, value in found.items()}
        print(f"{path}\t{found['score']:.3f}\t{found['caption'].decode('utf-8')}")
        if plot and "attention" in found:
            pixels = images.decode(tf.constant(content), 224).numpy()
            plot_looks(folder, f"looks_{place + 1}", pixels, found["attention"], found["pieces"])
    if broken:
        raise Refusal(f"inputs: {broken} of {len(paths)} images cannot be used, see above")


def export(run: Path, to: Path = Path("saved_models"), also: tuple[Format, ...] = ()) -> None:
    """Export the run as a SavedModel that takes image files and needs none of this code.

    Args:
        run: The folder of the run.
        to: The folder of all exports; this one becomes its captioning/<version>.
        also: Write it for other runtimes too, which take pixels.
    """
    folder = Run.finished(run)
    captioner = load_captioner(folder)
    endpoints = captioner.endpoints()
    probes = [*made_up_images(), *real_images(folder.settings(Settings))]
    export_run(
        captioner,
        folder,
        "captioning",
        to,
        endpoints=endpoints,
        probes={name: {"image": probes} for name in endpoints},
        numeric=captioner.numeric,
        card=CARD,
        also=also,
        tolerance=1e-4,
    )


def real_images(settings: Settings, most: int = 3) -> list[bytes]:
    """Returns files of test images; none where the source is out of reach."""
    try:
        contents = (picture.read() for picture, _ in load_examples(settings).test)
        sound = (content for content in contents if images.check(content) is None)
        return [*itertools.islice(sound, most)]
    except (Refusal, OSError) as error:
        print(f"The export is tried on made-up images alone: {error}")
        return []


# Evaluation


def evaluate(run: Path) -> None:
    """Score the run on the test images, beside the commonest caption and the nearest image's.

    Args:
        run: The folder of the run.
    """
    folder = Run.finished(run)
    captioner, settings = load_captioner(folder), folder.settings(Settings)
    splits = load_examples(settings)
    train, test = (look(part, settings, folder) for part in (splits.train, splits.test))
    scenes = settings.source == "sample"
    found = {"beam": captioner.search, "greedy": Greedy()}
    answers = {name: compiled(captioner, sampler) for name, sampler in found.items()}
    captions = {name: caption(answer, test) for name, answer in answers.items()}
    similar = nearest(features(captioner, train), train.captions, features(captioner, test))
    baselines = {
        "commonest_caption": [commonest(train.captions)] * len(test.captions),
        "nearest_image": similar,
    }

    def scored(said: Sequence[str], seen: Seen) -> dict[str, float]:
        told = truth(said, seen.captions) if scenes else {}
        return {**told, **caption_scores(said, seen.captions)}

    metrics = scored(captions["beam"], test)
    greedy = scored(captions["greedy"], test)
    metrics |= {f"{name}_greedy": score for name, score in greedy.items()}
    for name, part in splits.further.items():
        seen = look(part, settings, folder)
        further = truth(caption(answers["beam"], seen), seen.captions)
        metrics |= {f"{metric}_{name}": score for metric, score in further.items()}
    report(
        folder,
        "captioning",
        settings.source,
        metrics,
        {name: scored(said, test) for name, said in baselines.items()},
    )
    table = pd.DataFrame(captions)
    table.insert(0, "references", [" | ".join(said) for said in test.captions])
    folder.write_table("captions.csv", table)


# Demonstration


def write_pictures(folder: Path, count: int = 3) -> Sequence[str]:
    """Write some test images of the embedded sample as files and return their folder."""
    for picture, _ in load("sample").test[:count]:
        (folder / f"{picture.name}.png").write_bytes(picture.read())
    return (str(folder),)


DEMO = Demo(seconds=90, inputs=write_pictures)


def main(argv: Sequence[str] | None = None) -> None:
    """Runs a command."""
    commands = {"train": train, "refine": refine, "evaluate": evaluate}
    commands |= {"predict": predict, "export": export}
    run_command(commands, argv, "apps.captioning", __doc__)
