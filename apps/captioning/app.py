"""Captioning: what is in an image?  One to many.

A convolutional encoder turns an image into a grid of cells, and a GRU with attention over the cells
writes the caption. `--source` is `sample` (drawn scenes of coloured shapes), `tfds`
(`coco_captions`), a folder in Flickr8k's layout, or a table of image paths and captions.

    python -m apps.captioning train --source sample --run runs/captioning
    python -m apps.captioning refine --run runs/captioning --to runs/refined
    python -m apps.captioning evaluate --run runs/captioning
    python -m apps.captioning predict --run runs/captioning photo.jpg folder 'more/*.png'
    python -m apps.captioning export --run runs/captioning --to saved_models

apps/captioning/README.md has the network, the options and the results.
"""

import itertools
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras
import pandas as pd
import tensorflow as tf
import tyro

from apps.captioning import images
from apps.captioning.backbones import build_backbone
from apps.captioning.baselines import commonest, nearest
from apps.captioning.batches import CaptionBatches, Images
from apps.captioning.data import SUFFIXES, load, load_examples
from apps.captioning.exported import ATTENTION, CAPTION, CARD, IMAGE, PIECES, SCORE, example_images
from apps.captioning.inference import (
    caption_images,
    compile_captioner,
    load_captioner,
    mean_features,
)
from apps.captioning.metrics import caption_scores, truth
from apps.captioning.model import build_model
from apps.captioning.pixels import BACKBONE, load_images
from apps.captioning.plots import plot_attention
from apps.captioning.refinement import refine
from apps.captioning.search import tune
from apps.captioning.settings import Settings
from apps.captioning.vocabulary import VOCABULARY, ids_of, learn_pieces
from apps.common.applications import Demo
from apps.common.cli import find_files, run_command
from apps.common.diagnosis import diagnose_run
from apps.common.exports import export_run
from apps.common.refusal import Refusal
from apps.common.reports import report
from apps.common.runs import Run
from apps.common.seq2seq.special import START, STOP
from apps.common.settings import Format, check
from apps.common.text import encode
from apps.common.together import join_workers
from apps.common.training import fit, load_callbacks
from rnnlayers.decoding import Greedy
from rnnlayers.optimizers import ClippingLogger

SCENE_SIZE = 48  # of the sample, in pixels

# Training


def train(run: Path, settings: Settings, callbacks: tuple[str, ...] = (), workers: int = 1) -> None:
    """Train, or resume a training that was interrupted: give the same command again.

    Args:
        run: The folder of the run.
        settings: The settings of the run.
        callbacks: More Keras callbacks, as module:name of classes or of functions that return one.
        workers: Train in this many processes on this machine, each with a share of every batch.
    """
    settings.check()
    run = join_workers(run, settings, workers)
    hooks = load_callbacks(callbacks)
    if settings.source == "sample" and settings.scene_size is None:
        resumed = Run(run).epochs_done()
        size = Run(run).settings(Settings).scene_size if resumed else SCENE_SIZE
        settings = replace(settings, scene_size=size)
    keras.utils.set_random_seed(settings.seed)
    backbone = None
    if settings.backbone != "small" and not Run(run).epochs_done():
        backbone = build_backbone(settings.backbone, settings.image_size, settings.weights)
    with Run.begin(run, settings) as folder:
        if settings.frozen and backbone is not None:  # an existing file may be of other settings
            folder.write_model(BACKBONE, backbone)
        splits = load_examples(settings)
        training, validation = (
            load_images(part, settings, folder) for part in (splits.train, splits.validation)
        )
        pieces = learn_pieces(training.captions, settings)
        words = f"at most {pieces.size}, the number of pieces that were learned"
        check(settings, ["beams"], lambda beams: beams <= pieces.size, words)
        folder.write_lines(VOCABULARY, pieces.pieces)
        batches, held_out = (
            CaptionBatches(
                part.rows,
                part.places,
                ids_of(part.captions, pieces),
                settings.batch_size,
                settings.each,
                seed,
                start=START,
                stop=STOP,
            )
            for part, seed in ((training, settings.seed), (validation, None))
        )
        model = folder.resumed() or build_model(settings, pieces.size, len(batches), backbone)
        print(f"Training {model.count_params():,} weights")
        fit(
            folder,
            model,
            batches,
            held_out,
            epochs=settings.epochs,
            patience=settings.patience,
            callbacks=[ClippingLogger(), *hooks],
        )


# Inference


def predict(
    inputs: tyro.conf.Positional[tuple[str, ...]],
    run: Path,
    num_beams: int | None = None,
    plot: bool = True,
) -> None:
    """Print captions of images with their scores, and draw the attention of each word.

    Args:
        inputs: Image files, folders of them, or globs.
        run: The folder of the run.
        num_beams: Hypotheses of the beam search, 1 for greedy; as in training if not given.
        plot: Draw a picture for each image, in the folder of the run; only with `attention`.
    """
    folder = Run.open(run)
    captioner = load_captioner(folder)
    beams = captioner.search.num_beams if num_beams is None else num_beams
    if not 1 <= beams <= captioner.pieces.size:
        raise Refusal(
            f"num_beams must be at least 1 and at most {captioner.pieces.size}, the size of the "
            f"vocabulary; received {beams}"
        )
    function = compile_captioner(captioner, replace(captioner.search, num_beams=beams))
    paths = find_files(inputs, SUFFIXES)
    broken = 0
    for number, path in enumerate(paths, start=1):
        content = path.read_bytes()
        if (fault := images.check(content)) is not None:
            print(f"{path}: {fault}", file=sys.stderr)
            broken += 1
            continue
        outputs = function(captioner.encoder_inputs(encode([content])))
        outputs = {name: value[0].numpy() for name, value in outputs.items()}
        print(f"{path}\t{outputs[SCORE]:.3f}\t{outputs[CAPTION].decode('utf-8')}")
        if plot and ATTENTION in outputs:
            pixels = images.decode(tf.constant(content), 224).numpy()
            plot_attention(folder, f"looks_{number}", pixels, outputs[ATTENTION], outputs[PIECES])
    if broken:
        raise Refusal(
            f"inputs must be images that can be decoded, and {broken} of {len(paths)} cannot; the "
            f"lines above say why"
        )


def export(run: Path, to: Path = Path("saved_models"), also: tuple[Format, ...] = ()) -> None:
    """Export the run as a SavedModel that takes image files and needs none of this code.

    Args:
        run: The folder of the run.
        to: The folder of all exports; this one becomes its captioning/<version>.
        also: Write it for other runtimes too, which take pixels.
    """
    folder = Run.open(run)
    captioner = load_captioner(folder)
    endpoints = captioner.endpoints()
    probes = [*real_images(folder.settings(Settings)), *example_images()]
    export_run(
        captioner,
        folder,
        "captioning",
        to,
        endpoints=endpoints,
        probes={name: {IMAGE: probes} for name in endpoints},
        numeric=captioner.numeric,
        card=CARD,
        also=also,
        tolerance=1e-4,
    )


def real_images(settings: Settings, count: int = 3) -> list[bytes]:
    """Return the first test images that can be decoded, none if the source cannot be loaded."""
    try:
        contents = (picture.read() for picture, _ in load_examples(settings).test)
        sound = (content for content in contents if images.check(content) is None)
        return [*itertools.islice(sound, count)]
    except (Refusal, OSError) as error:
        print(f"The export is verified on made-up images only: {error}")
        return []


# Evaluation


def evaluate(run: Path) -> None:
    """Score the run on the test images, next to the commonest and the nearest image's caption.

    Args:
        run: The folder of the run.
    """
    folder = Run.open(run)
    captioner, settings = load_captioner(folder), folder.settings(Settings)
    splits = load_examples(settings)
    training, test = (load_images(part, settings, folder) for part in (splits.train, splits.test))
    scenes = settings.source == "sample"
    samplers = {"beam": captioner.search, "greedy": Greedy()}
    functions = {name: compile_captioner(captioner, each) for name, each in samplers.items()}
    captions = {name: caption_images(each, test) for name, each in functions.items()}
    train_features, test_features = (mean_features(captioner, part) for part in (training, test))
    baselines = {
        "commonest_caption": [commonest(training.captions)] * len(test.captions),
        "nearest_image": nearest(train_features, training.captions, test_features),
    }

    def score(texts: Sequence[str], part: Images) -> dict[str, float]:
        by_attribute = truth(texts, part.captions) if scenes else {}
        return {**by_attribute, **caption_scores(texts, part.captions)}

    metrics = score(captions["beam"], test)
    greedy = score(captions["greedy"], test)
    metrics |= {f"{name}_greedy": value for name, value in greedy.items()}
    for name, examples in splits.further.items():
        part = load_images(examples, settings, folder)
        by_attribute = truth(caption_images(functions["beam"], part), part.captions)
        metrics |= {f"{metric}_{name}": value for metric, value in by_attribute.items()}
    report(
        folder,
        "captioning",
        settings.source,
        metrics,
        {name: score(texts, test) for name, texts in baselines.items()},
    )
    table = pd.DataFrame(captions)
    table.insert(0, "references", [" | ".join(texts) for texts in test.captions])
    folder.write_table("captions.csv", table)


def diagnose(run: Path) -> None:
    """Draw how far gradients reach and what gates do on a batch of test captions, with advice.

    Args:
        run: The folder of the run.
    """
    folder = Run.open(run)
    settings, pieces = folder.settings(Settings), load_captioner(folder).pieces
    test = load_images(load_examples(settings).test, settings, folder)
    batches = CaptionBatches(
        test.rows,
        test.places,
        ids_of(test.captions, pieces),
        settings.batch_size,
        settings.each,
        start=START,
        stop=STOP,
    )
    diagnose_run(folder, batches)


# Demonstration


def write_pictures(folder: Path, count: int = 3) -> Sequence[str]:
    """Write some test images of the embedded sample as files and return their folder."""
    for picture, _ in load("sample", scene_size=SCENE_SIZE).test[:count]:
        (folder / f"{picture.name}.png").write_bytes(picture.read())
    return (str(folder),)


DEMO = Demo(inputs=write_pictures)


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command."""
    commands = {"train": train, "tune": tune, "refine": refine, "evaluate": evaluate}
    commands |= {"predict": predict, "export": export, "diagnose": diagnose}
    run_command(commands, argv, "apps.captioning", __doc__)
