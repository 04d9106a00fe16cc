"""Film reviews, negative (0) or positive (1): the Large Movie Review Dataset, or a small sample.

Examples are `(text, label)`. `from_path` reads these layouts:

- the original tree, `{train,test}/{neg,pos}/*.txt` (Maas et al., ACL 2011);
- a folder with `train` and `test` as JSON lines or tables, plain or compressed;
- one such file, a tenth of which is kept for testing.
"""

import functools
from pathlib import Path

from tqdm import tqdm

from apps.common.data import catalogue, door, files, review_sample
from apps.common.data.splits import SPLIT_SEED, Splits, check_classes, stratified_split
from apps.common.refusal import Refusal

Example = tuple[str, int]
CLASSES = ("negative", "positive")  # in the order of their labels
FOLDERS = ("neg", "pos")  # likewise
LABELS = {name: label for label in (0, 1) for name in (str(label), FOLDERS[label], CLASSES[label])}
COLUMNS = ("text", "label")
TEST_PART = 0.1
SAMPLE_TRAIN, SAMPLE_TEST = 10_000, 1000


def from_sample() -> Splits:
    """Generate the embedded sample."""
    examples = review_sample.generate(SAMPLE_TRAIN + SAMPLE_TEST)
    origin = "the embedded sample (generated sentences, not real reviews)"
    return Splits(examples[:SAMPLE_TRAIN], examples[SAMPLE_TRAIN:], origin)


def from_catalogue() -> Splits:
    """Read `imdb_reviews` from the TensorFlow Datasets catalogue."""
    train, test = (
        [(text.decode("utf-8", "replace"), int(label)) for text, label in split]
        for split in catalogue.read("imdb_reviews", ("train", "test"))
    )
    return Splits(train, test, "the TensorFlow Datasets catalogue")


def from_path(path: Path, text_column: str = COLUMNS[0], label_column: str = COLUMNS[1]) -> Splits:
    """Read reviews from a folder or a file in one of the layouts above.

    Args:
        path: The folder or file.
        text_column: The key or column of the text.
        label_column: The key or column of the label.

    Raises:
        Refusal: If the layout is none of these, a record is broken (the message names file and
            line), a class is missing, or an option has no effect with the layout.
        OSError: If something cannot be read.
    """
    columns = (text_column, label_column)
    if path.is_file():
        train, test = stratified_split(_records(path, columns), TEST_PART, SPLIT_SEED)
        origin = f"{path}, without a test part: {TEST_PART:.0%} chosen for testing, always the same"
        return Splits(train, test, origin)
    train, test = (_split(path, stem, columns) for stem in ("train", "test"))
    return Splits(train, test, str(path))


def _split(folder: Path, stem: str, columns: tuple[str, str]) -> list[Example]:
    if file := files.find(folder, stem):
        return _records(file, columns)
    if all((folder / stem / name).is_dir() for name in FOLDERS):
        for option, column, default in zip(
            ("text_column", "label_column"), columns, COLUMNS, strict=True
        ):
            if column != default:
                raise Refusal(
                    f"{option} has no effect with the folders {stem}/neg and {stem}/pos of "
                    f"{folder}, which have no columns: leave it out; received {column!r}"
                )
        return _tree(folder / stem)
    names = sorted(entry.name for entry in folder.iterdir())[:8]
    raise Refusal(
        f"{folder}: expected the folders {stem}/neg and {stem}/pos, or a file {stem} that ends in "
        f"{files.FORMATS}; received {', '.join(names) or 'an empty folder'}"
    )


def _records(path: Path, columns: tuple[str, str]) -> list[Example]:
    text_column, label_column = columns
    examples = []
    for place, (text, label) in files.read(path, columns):
        if not isinstance(text, str):
            raise Refusal(f"{place}: {text_column!r} must be a string; received {text!r}")
        key = str(label).strip().lower()
        if key not in LABELS:
            raise Refusal(
                f"{place}: {label_column!r} must be one of {', '.join(LABELS)}; received {label!r}"
            )
        examples.append((text, LABELS[key]))
    check_classes(examples, str(path))
    return examples


def _tree(folder: Path) -> list[Example]:
    paths = [
        (path, label)
        for label, name in enumerate(FOLDERS)
        for path in sorted((folder / name).glob("*.txt"), key=_number)
    ]
    progress = tqdm(paths, desc=f"Reading {folder}", unit=" reviews", disable=None)
    examples = [(path.read_text("utf-8", "replace"), label) for path, label in progress]
    check_classes(examples, str(folder))
    return examples


def _number(path: Path) -> tuple[int, str]:
    """Sort `9_2.txt` before `10_3.txt`, since neighbours are reviews of one film."""
    return len(path.stem.partition("_")[0]), path.name


# `load(source, **options)` calls the one of these functions that `source` names.
load = functools.partial(
    door.load, from_sample=from_sample, from_catalogue=from_catalogue, from_path=from_path
)
