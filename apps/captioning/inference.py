"""Captions and features of many images, by the model of a finished run."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from tqdm import tqdm

import rnnlayers
from apps.captioning.batches import Images
from apps.captioning.exported import CAPTION, Captioner
from apps.captioning.pixels import BACKBONE
from apps.captioning.settings import Settings
from apps.captioning.vocabulary import VOCABULARY, load_pieces
from apps.common.refusal import Refusal
from apps.common.runs import Run
from apps.common.seq2seq.special import SPECIAL
from apps.common.settings import RESTORE
from rnnlayers.decoding import BeamSearch, Sampler


def load_captioner(run: Run) -> Captioner:
    """Load the captioner of a run.

    Raises:
        Refusal: If the files of the run are damaged or do not fit together.
    """
    settings, model = run.settings(Settings), run.model()
    if isinstance(model, rnnlayers.SelfCritical):  # of a refinement that has not finished
        model = model.model
    pieces, size = load_pieces(run, settings), model.embedding.input_dim
    if pieces.size != size:
        raise Refusal(
            f"{run.inside(VOCABULARY)} must hold the {size - len(SPECIAL):,} pieces of the model; "
            f"received {len(pieces.pieces):,}: {RESTORE}"
        )
    backbone = run.read_model(BACKBONE) if settings.frozen else None
    run.check_fits(settings, image_size=(backbone or model.encoder).input_shape[1])
    return Captioner(
        model,
        pieces,
        BeamSearch(settings.beams, length_penalty=settings.length_penalty),
        settings.image_size,
        backbone,
    )


def compile_captioner(captioner: Captioner, sampler: Sampler) -> Callable:
    """Return `Captioner.caption` with a sampler as a compiled function of encoder inputs."""
    (encoder_input,) = captioner.model.encoder.inputs
    signature = tf.TensorSpec(encoder_input.shape, encoder_input.dtype)
    return tf.function(
        lambda inputs: captioner.caption(inputs, sampler), [signature], autograph=False
    )


def caption_images(function: Callable, images: Images, batch_size: int = 64) -> list[str]:
    """Return a caption for each image.

    Args:
        function: From `compile_captioner`.
        images: The images.
        batch_size: Images in a batch.
    """
    captions = []
    for start in tqdm(range(0, len(images.places), batch_size), desc="Captioning", disable=None):
        rows = images.rows[images.places[start : start + batch_size]]
        captions += [text.decode("utf-8") for text in function(rows)[CAPTION].numpy()]
    return captions


def mean_features(captioner: Captioner, images: Images, batch_size: int = 64) -> np.ndarray:
    """Return the mean over the cells of the encoder's output, `(images, features)`."""
    encoder = captioner.model.encoder
    means = [
        encoder.predict_on_batch(images.rows[images.places[start : start + batch_size]]).mean(1)
        for start in range(0, len(images.places), batch_size)
    ]
    return np.concatenate(means)
