"""Images as sequences: a step is a row, or a pixel."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from apps.common.refusal import Refusal

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif")
MAX_SIDE = 512  # pixels


def read_image(content: bytes, place: Path | str, size: int | None) -> np.ndarray:
    """Decode an image in shades of grey, `(height, width)`, from 0 to 1.

    Args:
        content: The bytes of the file.
        place: The file, for messages.
        size: The side of a square to which it is scaled; its own sides if None.

    Raises:
        Refusal: If it is no image, or too large.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            grey = image.convert("L")
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise Refusal(f"{place} is no sound image ({error}): remove it") from error
    if size is not None:
        grey = grey.resize((size, size), Image.Resampling.BILINEAR)
    if max(grey.size) > MAX_SIDE:
        raise Refusal(
            f"{place}: images may have at most {MAX_SIDE} pixels a side; it has {max(grey.size)}: "
            f"choose a size by --image-size"
        )
    return np.asarray(grey, "float32") / 255


def as_steps(image: np.ndarray, pixels: bool) -> np.ndarray:
    """Return an image `(height, width)` as a series of its pixels or of its rows."""
    return image.reshape(-1, 1) if pixels else image
