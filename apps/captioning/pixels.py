"""What a network sees of images, kept on disk: pixels, and features of a network not trained."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from apps.captioning import images
from apps.captioning.data import Picture
from apps.captioning.row_cache import cached_rows
from apps.common.refusal import Refusal


def load_pixels(
    pictures: Sequence[Picture], size: int, folder: Path
) -> tuple[np.ndarray, list[int]]:
    """Decodes images, once, and names on standard output those that cannot be used.

    Args:
        pictures: The images.
        size: The side of the squares that they are squeezed to.
        folder: Where the pixels are kept.

    Returns:
        The pixels `(images, size, size, 3)`, uint8, mapped from disk, and the places of those that
        can be used.

    Raises:
        Refusal: If there are none.
        OSError: If an image file cannot be read.
    """

    def decode(places: range) -> tuple[np.ndarray, dict[int, str]]:
        rows = np.zeros((len(places), size, size, 3), "uint8")
        said = {}
        for row, place in enumerate(places):
            content = pictures[place].read()
            try:
                rows[row] = images.decode(tf.constant(content, tf.string), size)
            except tf.errors.InvalidArgumentError:
                said[place] = f"{pictures[place].name}: {images.check(content)}"
        return rows, said

    names = "\n".join(picture.name for picture in pictures)
    path = folder / f"pixels_{size}_{hashlib.sha256(names.encode()).hexdigest()[:16]}.npy"
    rows, broken = cached_rows(
        path, len(pictures), (size, size, 3), "uint8", decode, "Decoding images"
    )
    for note in broken.values():
        print(f"Left out: {note}")
    if len(broken) == len(pictures):
        raise Refusal(f"source: none of the {len(pictures):,} images can be used")
    return rows, [place for place in range(len(pictures)) if place not in broken]


def load_features(backbone: keras.Model, pixels: np.memmap, folder: Path) -> np.ndarray:
    """Computes what a network that is not trained makes of images, once.

    Args:
        backbone: The network.
        pixels: From `load_pixels`.
        folder: Where the features are kept.

    Returns:
        The features, `(images, ...)`, float32, mapped from disk.
    """

    def compute(places: range) -> tuple[np.ndarray, dict[int, str]]:
        return backbone.predict_on_batch(pixels[places.start : places.stop]), {}

    weights = hashlib.sha256()
    for weight in backbone.get_weights():
        weights.update(weight.tobytes())
    stem = Path(pixels.filename).stem.replace("pixels", "features")
    path = folder / f"{stem}_{weights.hexdigest()[:16]}.npy"
    shape = backbone.output_shape[1:]
    features, _ = cached_rows(path, len(pixels), shape, "float32", compute, "Computing features")
    return features
