"""Captions and features of many images, by the model of a finished run."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from apps.captioning.batches import Images
from apps.captioning.exported import CAPTION, Captioner
from apps.captioning.pixels import BACKBONE
from apps.captioning.settings import Settings
from apps.captioning.vocabulary import load_pieces
from apps.common.runs import Run
from rnnlayers.decoding import BeamSearch, Sampler


def load_captioner(run: Run) -> Captioner:
    """Load the captioner of a finished run."""
    settings = run.settings(Settings)
    return Captioner(
        run.model(),
        load_pieces(run, settings),
        BeamSearch(settings.beams, length_penalty=settings.length_penalty),
        settings.image_size,
        run.read_model(BACKBONE) if settings.frozen else None,
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
