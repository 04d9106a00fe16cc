"""A captioner of images."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

import rnnlayers
from apps.captioning import images
from apps.captioning.batches import Seen
from apps.common.cards import GENERATED, Card
from apps.common.other_runtimes import NumericEndpoints
from apps.common.seq2seq.endpoints import decoder_endpoints
from apps.common.seq2seq.subwords import SPECIAL, UNKNOWN, Subwords
from rnnlayers.decoding import BeamSearch, Greedy, Sampler

CARD = Card(
    "Describes images in a sentence.",
    {
        "image": "the bytes of a JPEG, PNG or GIF file",
        "caption": "the sentence",
        "score": "the log probability over the length penalty; higher is surer",
        "pieces": "the pieces of the caption, empty behind its end",
        "attention": "where each piece looked, 0 to 1, cells of a square grid row by row",
    },
    "It says what captions of the images it was trained on would say, of other images too, and "
    "says it wrongly without a sign of doubt. Images are squeezed to a small square.",
    {
        "sample": GENERATED,
        "tfds": "coco_captions of the TensorFlow Datasets catalogue (Lin et al. 2014): "
        "annotations CC BY 4.0; the images are under the terms of Flickr.",
    },
)


class Captioner(tf.Module):
    """Image files in, captions out.

    Args:
        model: The network.
        pieces: Spells the ids that it answers.
        search: How it decodes unless told otherwise.
        image_size: The side of the square that images are squeezed to, in pixels.
        backbone: What makes features of pixels, where the network is given these.
    """

    def __init__(
        self,
        model: rnnlayers.EncoderDecoder,
        pieces: Subwords,
        search: BeamSearch,
        image_size: int,
        backbone: keras.Model | None = None,
    ):
        super().__init__()
        self.model = model
        self.pieces = pieces
        self.search = search
        self.image_size = image_size
        self.backbone = backbone

    def answer(self, inputs: tf.Tensor, sampler: Sampler) -> dict[str, tf.Tensor]:
        """Returns captions `(batch,)` of what the encoder is given, scores, pieces, attention."""
        decoded = self.decode(inputs, sampler)
        tokens = decoded.pop("tokens")
        pieces = {"caption": self.pieces.joined(tokens), "pieces": self.pieces.spelled(tokens)}
        return {**decoded, **pieces}

    def decode(self, inputs: tf.Tensor, sampler: Sampler) -> dict[str, tf.Tensor]:
        """Returns ids of pieces `(batch, time)` instead, scores, attention."""
        decoded = self.model.generate(
            inputs, sampler, max_length=self.pieces.max_length, forbidden_tokens=[UNKNOWN]
        )
        found = {"tokens": decoded.tokens, "score": decoded.scores, "attention": decoded.extras}
        return {name: value[:, 0] for name, value in found.items() if value is not None}

    def __call__(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """Captions image files `(batch,)`, given as their bytes, with a beam."""
        return self.answer(self.inputs(image), self.search)

    def greedy(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """Captions image files `(batch,)`, taking the likeliest piece each time."""
        return self.answer(self.inputs(image), Greedy())

    def inputs(self, image: tf.Tensor) -> tf.Tensor:
        """Decodes image files `(batch,)` to what the encoder is given."""
        pixels = images.decode_batch(image, self.image_size)
        return pixels if self.backbone is None else self.backbone(pixels)

    def numeric(self) -> NumericEndpoints:
        """Returns what other runtimes are given; of a network that is not trained, its features."""
        inputs = self.inputs(tf.constant(made_up_images()))
        return decoder_endpoints(
            self.model,
            "caption_inputs",
            lambda inputs: self.decode(inputs, self.search),
            {"pixels" if self.backbone is None else "features": inputs},
            {"pieces.json": [*SPECIAL, *self.pieces.pieces]},
        )

    def endpoints(self) -> dict[str, tuple]:
        """Returns what is exported, with its inputs."""
        image = {"image": tf.TensorSpec([None], tf.string)}
        return {"serving_default": (self, image), "caption_greedily": (self.greedy, image)}


def made_up_images() -> list[bytes]:
    """Returns files that an exported model must answer as the live one does, besides real ones."""
    shades = tf.cast(tf.reshape(tf.range(40 * 30 * 3) % 251, (40, 30, 3)), tf.uint8)
    return [tf.io.encode_jpeg(shades).numpy(), tf.io.encode_png(shades[:1, :1, :1]).numpy()]


def compiled(captioner: Captioner, sampler: Sampler) -> Callable:
    """Returns `Captioner.answer` as a function in a graph, of what the encoder is given."""
    (encoder_input,) = captioner.model.encoder.inputs
    signature = tf.TensorSpec(encoder_input.shape, encoder_input.dtype)
    return tf.function(
        lambda inputs: captioner.answer(inputs, sampler), [signature], autograph=False
    )


def caption(answer: Callable, seen: Seen, batch_size: int = 64) -> list[str]:
    """Captions images in batches.

    Args:
        answer: From `compiled`.
        seen: The images.
        batch_size: Images in a batch.

    Returns:
        A caption for each image, in order.
    """
    captions = []
    for start in tqdm(range(0, len(seen.places), batch_size), desc="Captioning", disable=None):
        rows = seen.rows[seen.places[start : start + batch_size]]
        captions += [text.decode("utf-8") for text in answer(rows)["caption"].numpy()]
    return captions


def features(captioner: Captioner, seen: Seen, batch_size: int = 64) -> np.ndarray:
    """Returns the mean over the cells of each image, `(images, features)`."""
    encoder = captioner.model.encoder
    means = [
        encoder.predict_on_batch(seen.rows[seen.places[start : start + batch_size]]).mean(axis=1)
        for start in range(0, len(seen.places), batch_size)
    ]
    return np.concatenate(means)
