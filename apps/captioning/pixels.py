"""The encoder's inputs, kept on disk: pixels, or the features of a frozen network."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from apps.captioning import images
from apps.captioning.batches import Images
from apps.captioning.data import Example, Picture
from apps.captioning.row_cache import cached_rows
from apps.captioning.settings import Settings
from apps.common.refusal import Refusal
from apps.common.runs import Run

BACKBONE = "backbone.keras"  # the frozen network, in the folder of the run
DECODING = "png turned"  # changes when `images.decode` gives other pixels than before
THREADS = 2  # that decode images; more would hold more large images in memory


def load_images(examples: Sequence[Example], settings: Settings, run: Run) -> Images:
    """Decode images, and compute their features if the image network is frozen.

    Args:
        examples: The images with their captions.
        settings: The settings of the run.
        run: The run, which keeps both on disk.
    """
    pictures, captions = zip(*examples, strict=True)
    origin: tuple = (settings.source, settings.image_column, settings.catalogue_name)
    origin += (settings.backbone, settings.weights)
    cache = run.inside(f"cache/{hashlib.sha256(repr(origin).encode()).hexdigest()[:8]}")
    rows, places = load_pixels(pictures, settings.image_size, cache)
    if settings.frozen:
        rows = load_features(run.read_model(BACKBONE), rows, cache)
    return Images(rows, places, [captions[place] for place in places])


def load_pixels(
    pictures: Sequence[Picture], size: int, folder: Path
) -> tuple[np.ndarray, list[int]]:
    """Decode images once, and print which ones cannot be decoded.

    Args:
        pictures: The images.
        size: The side of the squares that they are resized to.
        folder: The folder that keeps the pixels.

    Returns:
        The pixels `(images, size, size, 3)`, uint8, mapped from disk, and the places of the images
        that could be decoded.

    Raises:
        Refusal: If none could be decoded.
        OSError: If an image file cannot be read.
    """

    def decode_one(picture: Picture) -> tuple[np.ndarray, str | None]:
        content = picture.read()
        try:
            return images.decode(tf.constant(content, tf.string), size).numpy(), None
        except tf.errors.InvalidArgumentError:
            empty = np.zeros((size, size, 3), "uint8")
            return empty, f"{picture.name}: {images.check(content)}"

    def decode(places: range) -> tuple[np.ndarray, dict[int, str]]:
        wanted = pictures[places.start : places.stop]
        with ThreadPoolExecutor(THREADS) as pool:
            rows, faults = zip(*pool.map(decode_one, wanted), strict=True)
        notes = {place: fault for place, fault in zip(places, faults, strict=True) if fault}
        return np.stack(rows), notes

    names = "\n".join([DECODING, *(picture.name for picture in pictures)])
    path = folder / f"pixels_{size}_{hashlib.sha256(names.encode()).hexdigest()[:16]}.npy"
    rows, broken = cached_rows(
        path, len(pictures), (size, size, 3), "uint8", decode, "Decoding images"
    )
    for fault in broken.values():
        print(f"Left out: {fault}")
    if len(broken) == len(pictures):
        raise Refusal(
            f"source must have images that can be decoded, and none of these {len(pictures):,} "
            f"can; the lines above say why"
        )
    return rows, [place for place in range(len(pictures)) if place not in broken]


def load_features(backbone: keras.Model, pixels: np.memmap, folder: Path) -> np.ndarray:
    """Compute the features of a frozen network once.

    Args:
        backbone: The network.
        pixels: From `load_pixels`.
        folder: The folder that keeps the features.

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
