"""The classes of a data set, found in its labels."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from apps.common.refusal import Refusal

CLASSES = ("negative", "positive")  # of labels 0 and 1
MIN_EXAMPLES = 10  # of a class
MAX_CLASSES = 100
SPELLINGS = {"neg": "negative", "neu": "neutral", "pos": "positive"}
ORDER = ("negative", "neutral", "positive")  # of the classes, if they are some of these
NUMBER = re.compile(r"([-+]?\d+(?:\.\d+)?)\s*(?:stars?|★|⭐|(?:/|out of)\s*\d+)?", re.IGNORECASE)
STARS = re.compile(r"([★⭐]+)☆*")

Key = float | str

STANDARD: dict[Key, int] = {0.0: 0, 1.0: 1, CLASSES[0]: 0, CLASSES[1]: 1}


class Labelled(NamedTuple):
    """An example as a file has it."""

    place: str  # for messages: the file and the line or row
    text: str
    label: Any
    column: str = "label"  # where the label stands, for messages


def read_label(label: Any) -> Key:
    """Return what a label says, however it is spelled: a number, or words in lower case.

    `5`, `"5.0"`, `"5 stars"`, `"5/5"` and `"★★★★★"` are the number 5, and `"Pos"` is `"positive"`.
    """
    if isinstance(label, bool):
        return str(label).lower()
    text = " ".join(str(label).split())
    if found := NUMBER.fullmatch(text):
        return float(found[1])
    if found := STARS.fullmatch(text):
        return float(len(found[1]))
    return SPELLINGS.get(text.casefold(), text.casefold())


def classify_labels(
    parts: Sequence[Sequence[Labelled]], where: str
) -> tuple[list[list[tuple[str, int]]], tuple[str, ...]]:
    """Find the classes of examples, and number them.

    Labels 0 and 1 (or neg and pos, negative and positive) are the classes `CLASSES`. Other labels
    are classes under their own names: numbers in their order, words in that of the alphabet.

    Args:
        parts: The training examples, and perhaps test examples.
        where: The file or folder, for messages.

    Returns:
        For each part its examples `(text, number of the class)`, and the names of the classes.

    Raises:
        Refusal: If a label is empty, numbers and words are mixed, there is one class only or too
            many, or a class has too few training examples.
    """
    keys = [[_key(example) for example in part] for part in parts]
    spelled: dict[Key, Counter[str]] = defaultdict(Counter)
    for example, key in _together(parts, keys):
        spelled[key][" ".join(str(example.label).split())] += 1
    if spelled.keys() <= STANDARD.keys():
        numbers, names = STANDARD, CLASSES
    else:
        _check_alike(spelled, parts, keys)
        order = sorted(spelled, key=ORDER.index if spelled.keys() <= set(ORDER) else None)
        numbers = {key: number for number, key in enumerate(order)}
        names = tuple(_name(key, spelled[key]) for key in order)
    numbered = [
        [(example.text, numbers[key]) for example, key in zip(part, of_part, strict=True)]
        for part, of_part in zip(parts, keys, strict=True)
    ]
    check_counts(numbered[0], names, where)
    for part, examples in zip(parts[1:], numbered[1:], strict=True):
        if missing := set(range(len(names))) - {label for _, label in examples}:
            raise Refusal(
                f"{_file(part) if part else where}: each class needs test examples; there are none "
                f"of class {names[min(missing)]!r}"
            )
    return numbered, names


def check_counts(examples: Sequence[tuple], names: Sequence[str], where: str) -> None:
    """Refuse examples `(text, class)` from which no classifier can be trained.

    Raises:
        Refusal: If there is only one class, or a class has too few examples.
    """
    counts = Counter(label for _, label in examples)
    if len(counts) == 1 and len(names) <= 2:
        (only,) = counts
        raise Refusal(
            f"{where}: two classes or more are needed; received {counts[only]:,} examples of class "
            f"{names[only]!r} and none of another"
        )
    for label, name in enumerate(names):
        if counts[label] < MIN_EXAMPLES:
            raise Refusal(
                f"{where}: at least {MIN_EXAMPLES} examples of each class are needed; class "
                f"{name!r} has {counts[label]} of {len(examples):,}: give more of it, leave it "
                f"out, or join it with another class"
            )


def as_numbers(names: Sequence[str]) -> list[float] | None:
    """Return the numbers that classes are named after, such as stars, or None."""
    keys = [read_label(name) for name in names]
    return keys if all(isinstance(key, float) for key in keys) else None  # type: ignore


def _key(example: Labelled) -> Key:
    key = read_label("" if example.label is None else example.label)
    if key in ("", "nan"):
        raise Refusal(
            f"{example.place}: {example.column!r} is empty; give each text a label, or leave it out"
        )
    return key


def _check_alike(
    spelled: dict[Key, Counter[str]],
    parts: Sequence[Sequence[Labelled]],
    keys: Sequence[Sequence[Key]],
) -> None:
    """Refuse labels that are numbers and words, or too many."""
    words = {key for key in spelled if isinstance(key, str)}
    if words and len(words) < len(spelled):
        few = words if 2 * len(words) < len(spelled) else spelled.keys() - words
        example = next(example for example, key in _together(parts, keys) if key in few)
        raise Refusal(
            f"{example.place}: {example.column!r} must be all numbers or all words; received "
            f"{example.label!r}, and elsewhere {_some(spelled.keys() - few)}"
        )
    if len(spelled) > MAX_CLASSES:
        raise Refusal(
            f"{_file(parts[0])}: {parts[0][0].column!r} must have at most {MAX_CLASSES} different "
            f"values, which are the classes; received {len(spelled):,}, such as {_some(spelled)}: "
            f"choose another column by --label-column"
        )


def _together(
    parts: Sequence[Sequence[Labelled]], keys: Sequence[Sequence[Key]]
) -> Iterator[tuple[Labelled, Key]]:
    for part, of_part in zip(parts, keys, strict=True):
        yield from zip(part, of_part, strict=True)


def _file(part: Sequence[Labelled]) -> str:
    place = part[0].place
    return place.rpartition(", ")[0] or place


def _name(key: Key, spellings: Counter[str]) -> str:
    """Return the name of a class: its most frequent spelling, or the plain number."""
    if key in ORDER:
        return str(key)
    name = spellings.most_common(1)[0][0]
    plain = isinstance(key, float) and name.replace(".", "", 1).lstrip("+-").isdecimal()
    return f"{key:g}" if plain else name


def _some(keys: Any) -> str:
    return ", ".join(f"{key:g}" if isinstance(key, float) else repr(key) for key in list(keys)[:3])
