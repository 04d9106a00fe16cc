"""One long text to learn from and continue: text files, or a small sample."""

import functools
import re
from pathlib import Path

import numpy as np

from apps.common.data import catalogue, door, encodings, files, review_sample
from apps.common.data.splits import Splits, check_parts
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


def from_path(
    path: Path,
    test_part: float | None = None,
    validation_part: float | None = None,
    encoding: str | None = None,
) -> Splits:
    """Read a text file, or all text files below a folder, and hold out the end.

    Args:
        path: A text, plain or with `.gz`, or a folder of files `*.txt`, which are joined in the
            order of their names.
        test_part: The part at the end that tests; a twentieth if None.
        validation_part: The part before it that validates; likewise.
        encoding: The encoding of the files; found if None.

    Raises:
        Refusal: If something is not text, or it is too short.
        OSError: If it cannot be read.
    """
    paths = _text_files(path) if path.is_dir() else [path]
    contents = [files.read_bytes(file) for file in paths]
    decoded = encodings.decode_all(contents, paths, encoding)
    texts = [_with_newlines(*pair) for pair in zip(decoded, paths, strict=True)]
    if len(texts) == 1:
        return _split(texts[0], str(path), test_part, validation_part)
    text = "".join(text if text.endswith("\n") else f"{text}\n" for text in texts)
    return _split(text, f"{path}, {len(paths):,} files", test_part, validation_part)


def _text_files(folder: Path) -> list[Path]:
    paths = [path for path in folder.rglob("*") if files.kind(path) == ".txt" and path.is_file()]
    if not paths:
        raise Refusal(
            f"source must be a text file or a folder with files that end in .txt; {folder} has none"
        )
    return sorted(paths, key=_by_numbers)


def _by_numbers(path: Path) -> list[tuple[int, str]]:
    """Sort `chapter 9.txt` before `chapter 10.txt`."""
    parts = re.findall(r"\d+|\D+", str(path))
    return [(int(part) if part.isdecimal() else -1, part) for part in parts]


def _with_newlines(text: str, path: Path) -> str:
    if count := text.count("\r"):
        print(f"{path}: {count:,} carriage returns are read as the ends of lines")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _split(
    text: str,
    origin: str,
    test_part: float | None = None,
    validation_part: float | None = None,
) -> Splits:
    check_parts(test_part, validation_part)
    if len(text) < MIN_CHARACTERS:
        raise Refusal(
            f"source must have at least {MIN_CHARACTERS:,} characters; {origin} has {len(text):,}"
        )
    tests, validates = (HELD_OUT if part is None else part for part in (test_part, validation_part))
    if tests + validates >= 1:
        raise Refusal(
            f"test_part and validation_part must be below 1 together; received {tests} and "
            f"{validates}"
        )
    ends = np.round(len(text) * np.array([1 - tests - validates, 1 - tests])).astype(int)
    return _splits(text[: ends[0]], text[ends[0] : ends[1]], text[ends[1] :], origin)


def _splits(train: str, validation: str, test: str, origin: str) -> Splits:
    return Splits(train, test, origin, validation, unit="characters")


# `load(source, **options)` calls the one of these functions that `source` names.
load = functools.partial(
    door.load, from_sample=from_sample, from_catalogue=from_catalogue, from_path=from_path
)
