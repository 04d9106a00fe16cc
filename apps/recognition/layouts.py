"""Series in the layouts of the time-series community, as examples.

- `.ts` of aeon and sktime: after `@data` a case a line, its channels separated by colons, the label
  last;
- `.arff` of Weka: a case a line, the label last; of several channels as one text in quotes;
- `.tsv` of the UCR archive: the label first, then the values;
- NumPy: `.npz` with `X` (cases, timesteps, channels) and `y` (cases);
- UCI's Japanese Vowels: `ae.train` and `ae.test`, blocks of rows, each closed by a row of 1.0.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from apps.common.data import files
from apps.common.refusal import Refusal
from apps.recognition.examples import Example

MISSING = ("?", "", "nan", "na")
# Blocks of each speaker, as the description of the data set has them.
VOWELS = {"ae.train": (30,) * 9, "ae.test": (31, 35, 88, 44, 29, 24, 40, 50, 29)}
END = 1.0  # of a block, in each column


def read_ts(path: Path) -> list[Example]:
    """Read a `.ts` file.

    Raises:
        Refusal: If it is none, has no labels, or a line is broken.
        OSError: If it cannot be read.
    """
    lines = enumerate(files.lines(path), start=1)
    for _, line in lines:
        words = line.lower().split()
        if words[:2] == ["@timestamps", "true"]:
            raise Refusal(f"{path}: series with time stamps of their own are not read: remove them")
        if words[:2] == ["@classlabel", "false"] or words[:2] == ["@targetlabel", "true"]:
            raise Refusal(f"{path}: each case needs a class; the file says that there is none")
        if words[:1] == ["@data"]:
            break
    else:
        raise Refusal(f"{path}: expected a line @data, as files of aeon and sktime have")
    examples = []
    for number, line in lines:
        if line.strip() and not line.startswith(("#", "%")):
            place = f"{path}, line {number}"
            *channels, label = line.split(":")
            values = [as_numbers(channel.split(","), place) for channel in channels]
            examples.append(Example(place, stacked(values, place), "", label.strip()))
    return with_labels(examples, path)


def read_arff(path: Path) -> list[Example]:
    """Read an `.arff` file. See `read_ts`."""
    lines = enumerate(files.lines(path), start=1)
    for _, line in lines:
        if line.lower().strip() == "@data":
            break
    else:
        raise Refusal(f"{path}: expected a line @data, as files of Weka have")
    examples = []
    for number, line in lines:
        if not line.strip() or line.startswith("%"):
            continue
        place = f"{path}, line {number}"
        if found := re.fullmatch(r"""\s*(['"])(.*)\1\s*,\s*(.*)""", line):
            channels = found[2].split("\\n")
            label = found[3]
        else:
            values, _, label = line.rpartition(",")
            channels = [values]
        numbers = [as_numbers(channel.split(","), place) for channel in channels]
        examples.append(Example(place, stacked(numbers, place), "", label.strip(" '\"")))
    return with_labels(examples, path)


def read_tsv(path: Path) -> list[Example]:
    """Read a `.tsv` file of the UCR archive. See `read_ts`."""
    examples = []
    for number, line in enumerate(files.lines(path), start=1):
        place = f"{path}, line {number}"
        label, *values = line.split("\t")
        channel = as_numbers(values, place)
        known = np.flatnonzero(~np.isnan(channel))  # shorter series end with missing values
        channel = channel[: known[-1] + 1] if len(known) else channel
        examples.append(Example(place, channel[:, None], "", label.strip()))
    return with_labels(examples, path)


def read_npz(path: Path) -> list[Example]:
    """Read an `.npz` file with `X` and `y`. Steps at the end without any value are cut off.

    Raises:
        Refusal: If it holds something else.
        OSError: If it cannot be read.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            held = dict(arrays)
    except ValueError as error:
        raise Refusal(f"{path} holds no arrays of numbers that can be read: {error}") from error
    if not {"X", "y"} <= held.keys():
        raise Refusal(
            f"{path} must hold X (cases, timesteps, channels) and y (cases); it holds "
            f"{', '.join(held) or 'nothing'}"
        )
    values, labels = held["X"], held["y"]
    values = values[:, :, None] if values.ndim == 2 else values
    if values.ndim != 3 or values.dtype.kind not in "fiub" or labels.shape != values.shape[:1]:
        raise Refusal(
            f"{path}: X must be numbers (cases, timesteps, channels), and y have a label for each "
            f"case; received the shapes {held['X'].shape} and {labels.shape}"
        )
    examples = []
    for number, (case, label) in enumerate(zip(values.astype("float32"), labels, strict=True)):
        known = np.flatnonzero(~np.isnan(case).all(axis=1))
        case = case[: known[-1] + 1] if len(known) else case
        examples.append(Example(f"{path}, case {number}", case, "", str(label)))
    return with_labels(examples, path)


def read_vowels(path: Path) -> list[Example]:
    """Read `ae.train` or `ae.test` of UCI's Japanese Vowels; the class is the speaker.

    Raises:
        Refusal: If the number of blocks differs from that of the data set.
        OSError: If it cannot be read.
    """
    blocks: list[list[np.ndarray]] = [[]]
    for number, line in enumerate(files.lines(path), start=1):
        if not line.strip():
            continue
        row = as_numbers(line.split(), f"{path}, line {number}")
        if np.all(row == END):
            blocks.append([])
        else:
            blocks[-1].append(row)
    found = [np.stack(block) for block in blocks if block]
    counts = VOWELS[path.name]
    if len(found) != sum(counts):
        raise Refusal(
            f"{path} must hold {sum(counts)} blocks of rows, each closed by a row of 1.0; it holds "
            f"{len(found)}: take the original file"
        )
    speakers = np.repeat(np.arange(1, len(counts) + 1), counts)
    return [
        Example(f"{path}, block {number + 1}", block, "", str(speaker))
        for number, (block, speaker) in enumerate(zip(found, speakers, strict=True))
    ]


READERS: dict[str, Callable[[Path], list[Example]]] = {
    ".ts": read_ts,
    ".arff": read_arff,
    ".tsv": read_tsv,
    ".npz": read_npz,
}


def find_parts(path: Path) -> tuple[Path, Path | None] | None:
    """Find the training and the test file of series.

    Args:
        path: A folder, or a training file; `X_TEST.ts` next to `X_TRAIN.ts` is its test file.

    Returns:
        The files, the second one None if there is no test part, or None if there are no series.

    Raises:
        Refusal: If a folder holds several training files.
    """
    if path.is_file():
        other = path.with_name(re.sub("TRAIN", "TEST", path.name))
        known = is_series(path)
        if path.name == "ae.train":
            other = path.with_name("ae.test")
        return (path, other if other != path and other.is_file() else None) if known else None
    if all((path / name).is_file() for name in VOWELS):
        train, test = (path / name for name in VOWELS)
        return train, test
    pairs = {}
    for suffix in READERS:
        for train in sorted(path.glob(f"*TRAIN{suffix}")) + sorted(path.glob(f"train{suffix}")):
            other = re.sub("TRAIN$", "TEST", re.sub("^train$", "test", train.stem))
            if (test := train.with_name(f"{other}{suffix}")).is_file():
                pairs.setdefault(train.stem, (train, test))
    if len(pairs) > 1:
        named = [pair for stem, pair in pairs.items() if stem == f"{path.name}_TRAIN"]
        if not named:
            raise Refusal(
                f"{path} holds several training files, {', '.join(pairs)}: name the one to read as "
                f"the source"
            )
        return named[0]
    return next(iter(pairs.values()), None)


def is_series(path: Path) -> bool:
    """Return whether the name of a file says that `read_series` reads it."""
    return path.suffix.lower() in READERS or path.name in VOWELS


def read_series(path: Path) -> list[Example]:
    """Read a file that `find_parts` has found."""
    return read_vowels(path) if path.name in VOWELS else READERS[path.suffix.lower()](path)


def as_numbers(words: Sequence[str], place: str) -> np.ndarray:
    """Return words as numbers, those that are missing as NaN, `(words,)`."""
    return np.array([as_number(word, place) for word in words], "float32")


def as_number(word: str, place: str) -> float:
    """Return a word as a number, NaN if it is missing."""
    word = word.strip()
    if word.lower() in MISSING:
        return np.nan
    try:
        return float(word)
    except ValueError:
        raise Refusal(f"{place}: expected numbers; received {word!r:.40}") from None


def stacked(channels: Sequence[np.ndarray], place: str) -> np.ndarray:
    """Return channels `(timesteps,)` as a series `(timesteps, channels)`."""
    lengths = sorted({len(channel) for channel in channels})
    if len(lengths) != 1:
        raise Refusal(
            f"{place}: the channels of a series must have the same number of steps; received "
            f"{', '.join(map(str, lengths)) or 'no channel'}: complete them"
        )
    return np.stack(channels, axis=1)


def with_labels(examples: list[Example], path: Path) -> list[Example]:
    """Return the examples of a file, or refuse them if there are none, or one has no label."""
    if not examples:
        raise Refusal(f"{path}: the file holds no cases")
    if empty := next((example for example in examples if not example.answer), None):
        raise Refusal(f"{empty.place}: the label is empty; give each case a label")
    return examples
