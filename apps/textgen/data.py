"""One long text to learn from and continue: a text file, or a small sample."""

import functools
from pathlib import Path

import numpy as np

from apps.common.data import catalogue, door, files, review_sample
from apps.common.data.splits import Splits
from apps.common.refusal import Refusal

HELD_OUT = 0.05  # at the end, for validation and testing each
SAMPLE_REVIEWS = 4000
MIN_CHARACTERS = 2000


def from_sample() -> Splits:
    """Join the reviews of the embedded sample to one text."""
    reviews = [text for text, _ in review_sample.generate(SAMPLE_REVIEWS)]
    return _split("\n".join(reviews), "the embedded sample (generated sentences, no real text)")


def from_catalogue() -> Splits:
    """Read `tiny_shakespeare` from the TensorFlow Datasets catalogue."""
    parts = catalogue.read_texts("tiny_shakespeare", ("train", "validation", "test"))
    return _splits(*parts, "tiny_shakespeare of the TensorFlow Datasets catalogue")


def from_path(path: Path) -> Splits:
    """Read a text file, plain or with `.gz`, and hold out its last tenth.

    Raises:
        Refusal: If it is a folder, not text in UTF-8, or too short.
        OSError: If it cannot be read.
    """
    if path.is_dir():
        raise Refusal(f"source must be a text file; {path} is a folder")
    with files.damage_named(path), files.opened(path) as file:
        content = file.read()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refusal(f"source must be text in UTF-8; {path} is not: {error}") from error
    return _split(text, str(path))


def _split(text: str, origin: str) -> Splits:
    if len(text) < MIN_CHARACTERS:
        raise Refusal(
            f"source must have at least {MIN_CHARACTERS:,} characters; {origin} has {len(text):,}"
        )
    ends = np.round(len(text) * np.array([1 - 2 * HELD_OUT, 1 - HELD_OUT])).astype(int)
    return _splits(text[: ends[0]], text[ends[0] : ends[1]], text[ends[1] :], origin)


def _splits(train: str, validation: str, test: str, origin: str) -> Splits:
    return Splits(train, test, origin, validation, unit="characters")


# `load(source, **options)` calls the one of these functions that `source` names.
load = functools.partial(
    door.load, from_sample=from_sample, from_catalogue=from_catalogue, from_path=from_path
)
