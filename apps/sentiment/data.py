"""Film reviews, negative (0) or positive (1): the Large Movie Review Dataset, or a small sample.

Examples are `(text, label)`. The layouts that `from_path` reads:

- the original tree, `{train,test}/{neg,pos}/*.txt` (Maas et al., ACL 2011);
- a folder with `train` and `test` as JSON lines or tables, plain or compressed;
- one such file, from which a fixed tenth is kept for testing.
"""

from pathlib import Path
from typing import Any

from tqdm import tqdm

from apps.common.data import catalogue, door, files, review_sample
from apps.common.data.splits import SPLIT_SEED, Splits, check_classes, stratified
from apps.common.refusal import Refusal

Example = tuple[str, int]
CLASSES = ("negative", "positive")  # in the order of their labels
FOLDERS = ("neg", "pos")  # likewise
LABELS = {name: label for label in (0, 1) for name in (str(label), FOLDERS[label], CLASSES[label])}
TEST_PART = 0.1
SAMPLE_TRAIN, SAMPLE_TEST = 4000, 1000


def load(source: str, **options: Any) -> Splits:
    """Load reviews.

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
    """Generates the embedded sample."""
    examples = review_sample.generate(SAMPLE_TRAIN + SAMPLE_TEST)
    origin = "the embedded sample (generated sentences, not real reviews)"
    return Splits(examples[:SAMPLE_TRAIN], examples[SAMPLE_TRAIN:], origin)


def from_catalogue() -> Splits:
    """Reads `imdb_reviews` from the TensorFlow Datasets catalogue."""
    train, test = (
        [(text.decode("utf-8", "replace"), int(label)) for text, label in split]
        for split in catalogue.read("imdb_reviews", ("train", "test"))
    )
    return Splits(train, test, "the TensorFlow Datasets catalogue")


def from_path(path: Path, text_column: str = "text", label_column: str = "label") -> Splits:
    """Reads reviews from a folder or a file in one of the layouts above.

    Args:
        path: The folder or file.
        text_column: The key or column that holds the text.
        label_column: The key or column that holds the label.

    Raises:
        Refusal: If there is nothing to read there, a record is broken (the message names file
            and line), or there are not two classes.
        OSError: If something cannot be read.
    """
    if path.is_file():
        examples = _records(path, text_column, label_column)
        train, test = stratified(examples, TEST_PART, SPLIT_SEED)
        origin = f"{path}, which has no test part: {TEST_PART:.0%} drawn for testing (a fixed draw)"
        return Splits(train, test, origin)
    train, test = (_split(path, stem, text_column, label_column) for stem in ("train", "test"))
    return Splits(train, test, str(path))


def _split(folder: Path, stem: str, text: str, label: str) -> list[Example]:
    if file := files.find(folder, stem):
        return _records(file, text, label)
    if all((folder / stem / name).is_dir() for name in FOLDERS):
        return _tree(folder / stem)
    found = sorted(entry.name for entry in folder.iterdir())[:8]
    raise Refusal(
        f"{folder}: expected {stem}/neg and {stem}/pos, or a file {stem} that ends in "
        f"{files.FORMATS}; found {found or 'nothing'}"
    )


def _records(path: Path, text: str, label: str) -> list[Example]:
    examples = []
    for where, (words, verdict) in files.read(path, (text, label)):
        if not isinstance(words, str):
            raise Refusal(f"{where}: {text!r} must be a string; received {words!r}")
        key = str(verdict).strip().lower()
        if key not in LABELS:
            raise Refusal(
                f"{where}: {label!r} must be one of {', '.join(LABELS)}; received {verdict!r}"
            )
        examples.append((words, LABELS[key]))
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
    """Sorts `9_2.txt` before `10_3.txt`: neighbours are reviews of one film."""
    return len(path.stem.partition("_")[0]), path.name
