"""Texts with a label: the Large Movie Review Dataset, data of your own, or a small sample.

Examples are `(text, class)`; the names of the classes are found in the labels (`labels.py`).
`from_path` reads these layouts:

- folders of texts by class, `{train,test}/{neg,pos}/*.txt` (Maas et al., ACL 2011), or with other
  names of classes;
- the same without `train` and `test`, a tenth of which is kept for testing;
- a folder with `train` and `test` as JSON lines or tables, plain or compressed;
- one such file, a tenth of which is kept for testing.
"""

import functools
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from apps.common.data import catalogue, door, files, review_sample
from apps.common.data.records import Reading
from apps.common.data.splits import SPLIT_SEED, Splits, stratified_split
from apps.common.refusal import Refusal
from apps.sentiment.columns import NAMES, find_columns
from apps.sentiment.labels import CLASSES, Labelled, classify_labels

Example = tuple[str, int]
Columns = tuple[str | None, str | None]  # of the text and of the label
FOLDERS = ("neg", "pos")  # of `CLASSES` in the Large Movie Review Dataset
PEEK = 200  # records that tell which column is which
TEST_PART = 0.1
SAMPLE_TRAIN, SAMPLE_TEST = 10_000, 1000


@dataclass(frozen=True)
class Reviews(Splits):
    """Examples `(text, class)` with the names of their classes."""

    classes: tuple[str, ...] = CLASSES
    unit: str = "texts"

    def counts(self) -> str:
        """Return in words how many examples there are, of each class if they are not the usual."""
        if self.classes == CLASSES:
            return super().counts()
        counts = Counter(label for _, label in (*self.train, *self.test))
        each = ", ".join(f"{counts[label]:,} {name}" for label, name in enumerate(self.classes))
        return f"{super().counts()} of {len(self.classes)} classes ({each})"


def from_sample() -> Reviews:
    """Generate the embedded sample."""
    examples = review_sample.generate(SAMPLE_TRAIN + SAMPLE_TEST)
    origin = "the embedded sample (generated sentences, not real reviews)"
    return Reviews(examples[:SAMPLE_TRAIN], examples[SAMPLE_TRAIN:], origin)


def from_catalogue() -> Reviews:
    """Read `imdb_reviews` from the TensorFlow Datasets catalogue."""
    train, test = (
        [(text.decode("utf-8", "replace"), int(label)) for text, label in split]
        for split in catalogue.read("imdb_reviews", ("train", "test"))
    )
    return Reviews(train, test, "imdb_reviews of the TensorFlow Datasets catalogue")


def from_path(
    path: Path,
    text_column: str | None = None,
    label_column: str | None = None,
    test_part: float = TEST_PART,
    encoding: str | None = None,
    separator: str | None = None,
    no_header: bool = False,
) -> Reviews:
    """Read texts from a folder or a file in one of the layouts above.

    Args:
        path: The folder or file.
        text_column: The key or column of the text; by default it is found.
        label_column: The key or column of the label; by default it is found.
        test_part: The part that tests, if there is no test part.
        encoding: The encoding of the files; by default it is found.
        separator: What separates the columns of a table; by default it is found.
        no_header: Whether tables begin without the names of their columns.

    Raises:
        Refusal: If the layout is none of these, a record is broken (the message names file and
            line), a class is missing, or an option has no effect with the layout.
        OSError: If something cannot be read.
    """
    columns = (text_column, label_column)
    reading = Reading(encoding, separator, no_header)
    if path.is_file():
        parts = [_records(path, columns, reading)]
    elif any((path / stem).is_dir() or files.find(path, stem) for stem in ("train", "test")):
        parts = [_part(path, stem, columns, reading) for stem in ("train", "test")]
    else:
        parts = [_tree(path, columns, reading)]
    examples, classes = classify_labels(parts, str(path))
    if len(examples) == 2:
        if test_part != TEST_PART:
            raise Refusal(
                f"test_part has no effect with {path}, which has a test part: leave it out; "
                f"received {test_part}"
            )
        return Reviews(*examples, str(path), classes=classes)
    train, test = stratified_split(examples[0], test_part, SPLIT_SEED)
    origin = (
        f"{path}, without a test part: {test_part:.0%} chosen for testing, always the same "
        f"(--test-part says otherwise)"
    )
    return Reviews(train, test, origin, classes=classes)


def _part(folder: Path, stem: str, columns: Columns, reading: Reading) -> list[Labelled]:
    if file := files.find(folder, stem):
        return _records(file, columns, reading)
    if (folder / stem).is_dir():
        return _tree(folder / stem, columns, reading)
    raise _no_layout(folder, f"folders of texts by class in {stem}, such as {stem}/neg", stem)


def _no_layout(folder: Path, folders: str, stem: str) -> Refusal:
    names = sorted(entry.name for entry in folder.iterdir())[:8]
    return Refusal(
        f"{folder}: expected {folders}, or a file {stem} that ends in {files.FORMATS}; received "
        f"{', '.join(names) or 'an empty folder'}"
    )


def _records(path: Path, columns: Columns, reading: Reading) -> list[Labelled]:
    usual = [name for names in (columns, NAMES, *NAMES.values()) for name in names if name]
    records = files.load(path, reading, usual)
    text_column, label_column = find_columns(records.head(PEEK), path, *columns)
    examples = []
    fields = (text_column, label_column)
    # Commas without quotes can be put together again, as a label holds none.
    for place, (text, label) in records.select(fields, free=text_column, filled=(text_column,)):
        if not isinstance(text, str):
            raise Refusal(f"{place}: {text_column!r} must be a string; received {text!r}")
        examples.append(Labelled(place, text, label, label_column))
    return examples


def _tree(folder: Path, columns: Columns, reading: Reading) -> list[Labelled]:
    """Read folders of texts by class. Where there are `neg` and `pos`, others do not count."""
    names = [name for name in FOLDERS if (folder / name).is_dir()]
    if len(names) < len(FOLDERS):
        names = sorted(path.name for path in folder.iterdir() if any(path.glob("*.txt")))
    if len(names) < 2:
        raise _no_layout(folder, "folders of texts by class, such as neg and pos", "train")
    options = dict(zip(("--text-column", "--label-column"), columns, strict=True))
    options |= {"--separator": reading.separator, "--no-header": reading.no_header or None}
    for option, value in options.items():
        if value is not None:
            raise Refusal(
                f"{option} has no effect with the folders {names[0]} and {names[1]} of {folder}, "
                f"which have no columns: leave it out; received {value!r}"
            )
    paths = [
        (path, name)
        for name in names
        for path in sorted((folder / name).glob("*.txt"), key=_number)
    ]
    progress = tqdm(paths, desc=f"Reading {folder}", unit=" texts", disable=None)
    texts = files.texts((path for path, _ in progress), reading.encoding)
    read = [
        Labelled(str(path), text, name) for (path, name), text in zip(paths, texts, strict=True)
    ]
    kept = [example for example in read if example.text.strip()]
    if len(kept) < len(read):
        empty = next(example for example in read if not example.text.strip())
        print(
            f"{folder}: {len(read) - len(kept):,} empty texts are left out, such as {empty.place}"
        )
    return kept


def _number(path: Path) -> tuple[int, str]:
    """Sort `9_2.txt` before `10_3.txt`, since neighbours are reviews of one film."""
    return len(path.stem.partition("_")[0]), path.name


# `load(source, **options)` calls the one of these functions that `source` names.
load = functools.partial(
    door.load, from_sample=from_sample, from_catalogue=from_catalogue, from_path=from_path
)
