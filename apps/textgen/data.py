"""One long text, to be gone on with: a text file, or a small sample."""

from pathlib import Path
from typing import Any

import numpy as np

from apps.common.data import catalogue, door, files, review_sample
from apps.common.data.splits import Splits
from apps.common.refusal import Refusal

HELD_OUT = 0.05  # at the end, for validation and testing each
SAMPLE = 4000  # reviews
LEAST = 2000  # characters


def load(source: str, **options: Any) -> Splits:
    """Load a text.

    Args:
        source: `"sample"`, `"tfds"`, or a path; see `apps.common.data.door.load`.
        **options: Arguments of `from_sample`, `from_catalogue` and `from_path`.
    """
    return door.load(
        source,
        from_sample=from_sample,
        from_catalogue=from_catalogue,
        from_path=from_path,
        **options,
    )


def from_sample() -> Splits:
    """Joins the reviews of the embedded sample to one text."""
    reviews = [text for text, _ in review_sample.generate(SAMPLE)]
    return _cut("\n".join(reviews), "the embedded sample (generated sentences, no real text)")


def from_catalogue() -> Splits:
    """Reads `tiny_shakespeare` from the TensorFlow Datasets catalogue."""
    parts = catalogue.read_texts("tiny_shakespeare", ("train", "validation", "test"))
    return _splits(*parts, "tiny_shakespeare of the TensorFlow Datasets catalogue")


def from_path(path: Path) -> Splits:
    """Reads a text file, plain or with `.gz`; its last tenth is held out.

    Raises:
        Refusal: If it is no text in UTF-8 or too short.
        OSError: If it cannot be read.
    """
    if path.is_dir():
        raise Refusal(f"source must be a text file; {path} is a folder")
    with files.damage_named(path), files.opened(path) as file:
        content = file.read()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refusal(f"{path} is not text in UTF-8: {error}") from error
    return _cut(text, str(path))


def _cut(text: str, origin: str) -> Splits:
    if len(text) < LEAST:
        raise Refusal(
            f"{origin}: {len(text):,} characters are too few to learn from; at least {LEAST:,} "
            f"are needed"
        )
    ends = np.round(len(text) * np.array([1 - 2 * HELD_OUT, 1 - HELD_OUT])).astype(int)
    return _splits(text[: ends[0]], text[ends[0] : ends[1]], text[ends[1] :], origin)


def _splits(train: str, validation: str, test: str, origin: str) -> Splits:
    return Splits(train, test, origin, validation, unit="characters")
