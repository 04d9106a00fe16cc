"""The captioner as it is exported, with its model card."""

from collections.abc import Iterable

import keras
import tensorflow as tf

import rnnlayers
from apps.captioning import images
from apps.common.cards import GENERATED, Card
from apps.common.endpoint_checks import Requirement, Tensors, checked, sentence
from apps.common.other_runtimes import NumericEndpoints
from apps.common.seq2seq.endpoints import decoder_endpoints
from apps.common.seq2seq.special import SPECIAL, UNKNOWN
from apps.common.seq2seq.subwords import Subwords
from rnnlayers.decoding import BeamSearch, Greedy, Sampler

# The names of the inputs and outputs.
IMAGE, CAPTION, SCORE, PIECES, ATTENTION = "image", "caption", "score", "pieces", "attention"
MAX_IMAGES = 256  # in a request
MAX_PIXELS = 100_000_000  # of the images of a request
CARD = Card(
    "Describes images in a sentence.",
    {
        IMAGE: "the bytes of a JPEG, PNG or GIF file",
        CAPTION: "the sentence",
        SCORE: "the log probability over the length penalty; higher is more certain",
        PIECES: "the pieces of the caption, empty after its end",
        ATTENTION: "the attention of each piece, 0 to 1, over the cells of a square grid, by rows",
    },
    "It describes every image in the manner of the captions it was trained on, also images of "
    "other kinds, and gives no sign of doubt when it is wrong. Images are resized to a small "
    f"square. A request may have {MAX_IMAGES} images, with {MAX_PIXELS:,} pixels together.",
    {
        "sample": GENERATED,
        "tfds": "coco_captions of the TensorFlow Datasets catalogue (Lin et al. 2014): "
        "annotations CC BY 4.0; the images are under the terms of Flickr.",
    },
    "image-to-text",
    {
        "sample": "the embedded sample (generated drawings of coloured shapes, no photographs)",
        "tfds": "coco_captions (photographs, with captions that people wrote)",
    },
)


class Captioner(tf.Module):
    """Returns captions of image files.

    Args:
        model: The network.
        pieces: The vocabulary of its ids.
        search: The beam search that `__call__` decodes with.
        image_size: The side of the square that images are resized to, in pixels.
        backbone: The frozen image network, if the model takes its features.
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

    def __call__(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """Caption image files `(batch,)`, given as their bytes, by beam search."""
        return self.caption(self.encoder_inputs(image), self.search)

    def greedy(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """Caption image files `(batch,)`, taking the likeliest piece at each step."""
        return self.caption(self.encoder_inputs(image), Greedy())

    def encoder_inputs(self, image: tf.Tensor) -> tf.Tensor:
        """Decode image files `(batch,)` to the encoder's inputs."""
        pixels = images.decode_batch(image, self.image_size)
        return pixels if self.backbone is None else self.backbone(pixels)

    def caption(self, inputs: tf.Tensor, sampler: Sampler) -> dict[str, tf.Tensor]:
        """Return captions `(batch,)`, scores, pieces and attention, given encoder inputs."""
        decoded = self.decode(inputs, sampler)
        tokens = decoded.pop("tokens")
        texts = {CAPTION: self.pieces.detokenize(tokens), PIECES: self.pieces.to_pieces(tokens)}
        return {**decoded, **texts}

    def decode(self, inputs: tf.Tensor, sampler: Sampler) -> dict[str, tf.Tensor]:
        """Return ids of pieces `(batch, time)`, scores and attention, given encoder inputs."""
        decoded = self.model.generate(
            inputs, sampler, max_length=self.pieces.max_length, forbidden_tokens=[UNKNOWN]
        )
        outputs = {"tokens": decoded.tokens, SCORE: decoded.scores, ATTENTION: decoded.extras}
        return {name: value[:, 0] for name, value in outputs.items() if value is not None}

    def endpoints(self) -> dict[str, tuple]:
        """Return the exported functions with their signatures."""
        image = {IMAGE: tf.TensorSpec([None], tf.string)}
        functions = {"serving_default": self, "caption_greedily": self.greedy}
        return {
            name: (checked(function, image, not_too_large), image)
            for name, function in functions.items()
        }

    def numeric(self) -> NumericEndpoints:
        """Return the endpoints for other runtimes, which take pixels or features."""
        inputs = self.encoder_inputs(tf.constant(example_images()))
        return decoder_endpoints(
            self.model,
            "caption_inputs",
            lambda inputs: self.decode(inputs, self.search),
            {"pixels" if self.backbone is None else "features": inputs},
            {"pieces.json": [*SPECIAL, *self.pieces.pieces]},
        )


def not_too_large(inputs: Tensors) -> Iterable[Requirement]:
    """Yield what must hold of image files, before any is decoded."""
    count = tf.size(inputs[IMAGE])
    said = f"{IMAGE} may have at most {MAX_IMAGES} rows in a request; received "
    yield Requirement(count <= MAX_IMAGES, sentence(said, count))
    pixels = images.count_pixels(inputs[IMAGE])
    said = f"{IMAGE} may have at most {MAX_PIXELS:,} pixels in a request; received "
    yield Requirement(pixels <= MAX_PIXELS, sentence(said, pixels))


def example_images() -> list[bytes]:
    """Return made-up image files, on which an export is verified in addition to real ones."""
    shades = tf.cast(tf.reshape(tf.range(40 * 30 * 3) % 251, (40, 30, 3)), tf.uint8)
    return [tf.io.encode_jpeg(shades).numpy(), tf.io.encode_png(shades[:1, :1, :1]).numpy()]
