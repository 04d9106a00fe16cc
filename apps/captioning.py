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
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
import tyro

import rnnlayers
from apps.common import images
from apps.common.backbones import build_backbone, check_name
from apps.common.caption_batches import CaptionBatches, ReferenceBatches, Seen
from apps.common.caption_scores import caption_scores, commonest, nearest, truth
from apps.common.cli import check, find_files, is_users_mistake, run_command
from apps.common.exported.captioner import (
    Captioner,
    caption,
    compiled,
    features,
    made_up_images,
)
from apps.common.exports import export_run
from apps.common.image_layers import Coordinates, ForEachCaption
from apps.common.other_runtimes import Format
from apps.common.pixels import load_features, load_pixels
from apps.common.reports import plot_history, plot_looks, report
from apps.common.rewards import bleu_shares
from apps.common.runs import Run
from apps.common.sources import load
from apps.common.sources.captions import SUFFIXES, Example
from apps.common.sources.splits import Splits
from apps.common.subwords import PAD, SPECIAL, START, STOP, UNKNOWN, Subwords
from apps.common.teaching import clipped_adam, compile_taught
from apps.common.text import encode
from rnnlayers.decoding import BeamSearch, Greedy
from rnnlayers.optimizers import ClippingLogger

JUDGED = 256  # validation images of which one BLEU is computed; that of a few is another number
BACKBONE = "backbone.keras"  # the network that sees, where it is not trained
VOCABULARY = "pieces.txt"


@dataclass(frozen=True)
class Settings:
    """What decides a run; it is saved with it."""

    source: str = "sample"  # where the images come from: sample, tfds, or a folder or table
    image_column: str = "image"  # of a table: the column of paths, relative to its folder
    caption_column: str = "caption"  # of a table: the column of captions
    catalogue_name: str = "coco_captions"  # of the catalogue: the data set
    backbone: str = "small"  # what sees: small, or a network of keras.applications
    weights: str = "none"  # of a network of keras.applications: none, imagenet, or a file
    image_size: int = 64  # the side of the square that images are squeezed to, in pixels
    filters: int = 20  # of the first convolutions of the small network; twice as many each level
    levels: int = 4  # of the small network; each halves the side of the grid
    flip: bool = False  # mirror images at random in training; not where left and right are told
    shift: float = 0.0  # move and scale images in training at random, by up to this part
    decoder: Literal["attention", "state"] = "attention"  # what the decoder sees of the image
    vocabulary_size: int = 4000  # pieces of words, at most
    max_length: int = 40  # pieces of a caption; longer ones are cut
    embedding_size: int = 64  # the size of the vector of a piece
    units: int = 128  # of the GRUs
    dropout: float = 0.1  # the part of the features dropped between the layers in training
    word_dropout: float = 0.5  # the part of the words said so far that is hidden in training
    smoothing: float = 0.0  # of the labels
    learning_rate: float = 3e-3  # of Adam, at its highest
    max_norm: float = 1.0  # gradients are scaled down to this global norm
    batch_size: int = 16  # images in a training step
    each: int = 3  # captions of an image in a training step
    epochs: int = 12  # the most epochs to train
    patience: int = 3  # stop after so many epochs without a lower validation loss
    beams: int = 5  # hypotheses of the beam search
    length_penalty: float = 1.0  # of the beam search: 0 favours short captions
    seed: int = 1  # decides the first weights, the order, the captions drawn and the dropout
    refined: tyro.conf.Suppress[str] = ""  # the run that `refine` began with
    samples: tyro.conf.Suppress[int] = 0  # captions of an image that `refine` draws in a step

    def check(self) -> None:
        """Refuses what cannot work."""
        sizes = ["image_size", "filters", "levels", "max_length", "embedding_size", "units"]
        sizes += ["batch_size", "each", "epochs", "patience", "beams"]
        check(self, sizes, lambda size: size >= 1, "at least 1")
        most = int(math.log2(self.image_size))
        check(self, ["levels"], lambda levels: levels <= most, f"at most {most}, a grid of one")
        check(self, ["vocabulary_size"], lambda size: size > len(SPECIAL), "at least 5")
        check(self, ["beams"], lambda beams: beams < self.vocabulary_size, "below vocabulary_size")
        rates = ["learning_rate", "max_norm"]
        check(self, rates, lambda number: 0 < number < math.inf, "above 0, and finite")
        numbers = ["length_penalty", "seed"]
        check(self, numbers, lambda number: 0 <= number < math.inf, "at least 0, and finite")
        parts = ["dropout", "word_dropout", "smoothing", "shift"]
        check(self, parts, lambda part: 0 <= part < 1, "at least 0 and below 1")
        if self.frozen:  # of an image that is moved the features would not be those on disk
            check(self, ["flip", "shift"], lambda chance: not chance, "off with weights")
        if self.backbone != "small":
            check_name(self.backbone)
        else:
            check(self, ["weights"], lambda name: name == "none", "none for the small backbone")

    @property
    def frozen(self) -> bool:
        """Whether what sees is not trained."""
        return self.weights != "none"


# Data


def load_examples(settings: Settings) -> Splits:
    """Loads images with their captions, `(picture, captions)`."""
    options = ("image_column", "caption_column", "catalogue_name")
    return load(
        "captions", settings.source, **{name: getattr(settings, name) for name in options}
    ).with_validation(settings.seed)


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


# Model


def build_model(
    settings: Settings, size: int, steps: int, backbone: keras.Model | None = None
) -> keras.Model:
    """Builds and compiles the model.

    Args:
        settings: What decides the run.
        size: How many pieces there are.
        steps: Training steps in an epoch.
        backbone: The network that sees, where it is not trained.
    """
    encoder = build_encoder(settings, backbone)
    # With words hidden, the next one has to be seen in the image rather than guessed from them:
    # what was never said in one sentence can be said then.
    hidden = keras.layers.Dropout(settings.word_dropout, noise_shape=(None, None, 1))
    decoder = [hidden, keras.layers.Dropout(settings.dropout)]
    if settings.decoder == "attention":
        cell = rnnlayers.AttentionCell(rnnlayers.GRUCell(settings.units), "additive")
        decoder += [rnnlayers.AttentiveDecoder(cell), keras.layers.Dropout(settings.dropout)]
    model = rnnlayers.EncoderDecoder(
        encoder=encoder,
        # Read the other way round it says the next piece: as small as Keras begins, it says little.
        embedding=keras.layers.ReversibleEmbedding(
            size,
            settings.embedding_size,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=0.3),
            name="pieces",
        ),
        decoder=[
            *decoder,
            rnnlayers.GRU(settings.units, return_sequences=True),
            keras.layers.Dropout(settings.dropout),
            keras.layers.Dense(settings.embedding_size, name="outputs"),
        ],
        start_token_id=START,
        stop_token_id=STOP,
        pad_token_id=PAD,
        name="captioning",
    )
    model.build((encoder.input_shape, (None, None)))
    names = ("epochs", "learning_rate", "max_norm", "smoothing")
    compile_taught(model, steps=steps, **{name: getattr(settings, name) for name in names})
    return model


def build_encoder(settings: Settings, backbone: keras.Model | None) -> keras.Model:
    """Builds the encoder: the cells of a grid, each with where it is, `(batch, cells, features)`.

    Args:
        settings: What decides the run.
        backbone: The network that is not trained, whose features are given; None for pixels.
    """
    if backbone is None:
        size = settings.image_size
        inputs = keras.Input((size, size, 3), dtype="uint8", name="pixels")
        grid = see(moved(inputs, settings), settings)
    else:
        inputs = keras.Input(backbone.output_shape[1:], name="features")
        grid = keras.layers.Dense(settings.units, activation="relu")(inputs)
    grid = Coordinates()(grid)
    memory = keras.layers.Reshape((-1, grid.shape[-1]))(grid)
    memory = keras.layers.Dropout(settings.dropout)(memory)
    memory = ForEachCaption(settings.each)(memory)
    return keras.Model(inputs, memory, name="encoder")


def see(pixels, settings: Settings):
    """Makes a grid `(batch, height, width, features)` of pixels, by convolutions to be trained."""
    if settings.backbone != "small":
        return build_backbone(settings.backbone, settings.image_size)(pixels)
    grid = keras.layers.Rescaling(1 / 127.5, offset=-1)(pixels)
    for level in range(settings.levels):
        filters = settings.filters * 2**level
        for strides in (2, 1):
            convolve = keras.layers.Conv2D(filters, 3, strides, padding="same", use_bias=False)
            grid = keras.layers.BatchNormalization()(convolve(grid))
            grid = keras.layers.ReLU()(grid)
    return grid


def moved(pixels, settings: Settings):
    """Mirrors, moves and scales images at random in training."""
    if settings.flip:
        pixels = keras.layers.RandomFlip("horizontal")(pixels)
    if settings.shift:
        shift = settings.shift
        pixels = keras.layers.RandomTranslation(shift, shift, fill_mode="nearest")(pixels)
        pixels = keras.layers.RandomZoom((-shift, shift), fill_mode="nearest")(pixels)
    return pixels


# Training


def train(run: Path, settings: Settings) -> None:
    """Train, or go on with a training that was broken off: give the same command again.

    Args:
        run: The folder of the run.
        settings: What decides the run.
    """
    settings.check()
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
    folder.fit(
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
    folder.fit(
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
        raise ValueError(f"inputs: {broken} of {len(paths)} images cannot be used, see above")


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
        also=also,
        tolerance=1e-4,
    )


def real_images(settings: Settings, most: int = 3) -> list[bytes]:
    """Returns files of test images; none where the source is out of reach."""
    try:
        contents = (picture.read() for picture, _ in load_examples(settings).test)
        sound = (content for content in contents if images.check(content) is None)
        return [*itertools.islice(sound, most)]
    except Exception as error:
        if not is_users_mistake(error):
            raise
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


def main(argv: Sequence[str] | None = None) -> None:
    """Runs a command."""
    commands = {"train": train, "refine": refine, "evaluate": evaluate}
    commands |= {"predict": predict, "export": export}
    run_command(commands, argv, "apps.captioning", __doc__)


if __name__ == "__main__":
    main()
