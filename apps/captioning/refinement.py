"""Refinement: further training on captions that the model samples itself, rewarded by BLEU.

This is self-critical training (Rennie et al. 2017): a sampled caption becomes likelier the more it
adds to the BLEU of the batch than the other samples of the same image.
"""

from dataclasses import replace
from pathlib import Path

import keras

import rnnlayers
from apps.captioning.batches import ReferenceBatches
from apps.captioning.data import load_examples
from apps.captioning.layers import ForEachCaption
from apps.captioning.pixels import BACKBONE, load_images
from apps.captioning.rewards import bleu_shares
from apps.captioning.settings import Settings
from apps.captioning.vocabulary import VOCABULARY, ids_of, load_pieces
from apps.common.runs import Run
from apps.common.seq2seq.special import UNKNOWN
from apps.common.seq2seq.teacher_forcing import clipped_adam
from apps.common.settings import check
from apps.common.training import fit
from rnnlayers.optimizers import ClippingLogger

VALIDATED = 256  # validation images in a batch: the BLEU of a few images is another number


def refine(
    run: Path,
    to: Path,
    epochs: int = 6,
    learning_rate: float = 2e-4,
    samples: int = 5,
    patience: int = 3,
) -> None:
    """Train a finished run further, on captions that it samples itself, rewarded by BLEU.

    Args:
        run: The folder of the run to start from; it is not changed.
        to: The folder of the new run.
        epochs: The largest number of epochs.
        learning_rate: Of Adam, at its highest.
        samples: Captions sampled of each image in a training step.
        patience: Stop after this many epochs without a higher reward of validation images.
    """
    original = Run.open(run)
    settings = replace(
        original.settings(Settings),
        refined=str(run),
        epochs=epochs,
        learning_rate=learning_rate,
        samples=samples,
        patience=patience,
    )
    check(settings, ["epochs", "patience"], lambda number: number >= 1, "at least 1")
    words = "at least 2, since the samples of an image are compared"
    check(settings, ["samples"], lambda number: number >= 2, words)
    check(settings, ["learning_rate"], lambda rate: 0 < rate < float("inf"), "above 0 and finite")
    keras.utils.set_random_seed(settings.seed)
    with Run.begin(to, settings) as folder:
        folder.write_lines(VOCABULARY, original.read_lines(VOCABULARY))
        if settings.frozen:
            folder.write_model(BACKBONE, original.read_model(BACKBONE))
        splits = load_examples(settings)
        pieces = load_pieces(original, settings)
        batches, validation = (
            ReferenceBatches(part.rows, part.places, ids_of(part.captions, pieces), size, seed)
            for part, size, seed in (
                (load_images(splits.train, settings, folder), settings.batch_size, settings.seed),
                (load_images(splits.validation, settings, folder), VALIDATED, None),
            )
        )
        fit(
            folder,
            folder.resumed() or build_self_critical(original.model(), settings, len(batches)),
            batches,
            validation,
            epochs=epochs,
            patience=patience,
            callbacks=[ClippingLogger()],
            finish=lambda trainer: trainer.model,
        )


def build_self_critical(
    model: keras.Model, settings: Settings, steps: int
) -> rnnlayers.SelfCritical:
    """Build and compile the model that trains another one on its own samples.

    Args:
        model: The captioner's model.
        settings: The settings of the refined run.
        steps: Training steps in an epoch.
    """
    for layer in model.encoder.layers:
        if isinstance(layer, ForEachCaption):
            layer.count = 1  # SelfCritical itself repeats the memory for the samples
    trainer = rnnlayers.SelfCritical(
        model,
        bleu_shares,
        max_length=settings.max_length,
        num_samples=settings.samples,
        forbidden_tokens=[UNKNOWN],
        seed=settings.seed,
    )
    trainer.compile(clipped_adam(steps, settings.epochs, settings.learning_rate, settings.max_norm))
    return trainer
