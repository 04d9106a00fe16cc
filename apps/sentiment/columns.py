"""Which columns of a table hold the text and the label."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from apps.common.refusal import Refusal
from apps.sentiment.labels import MAX_CLASSES

OPTIONS = {"text": "--text-column", "label": "--label-column"}
# A column with the first of these names is taken before the others.
NAMES = {
    "text": (
        *("text", "review", "reviewtext", "reviewbody", "sentence", "content", "comment", "tweet"),
        *("message", "body", "document", "post", "feedback", "opinion", "phrase", "utterance"),
    ),
    "label": (
        *("label", "labels", "sentiment", "airlinesentiment", "class", "category", "target"),
        *("polarity", "stars", "starrating", "rating", "reviewrating", "score", "overall"),
        *("emotion", "feeling", "mood"),
    ),
}


def find_columns(
    columns: Mapping[str, Sequence[Any]],
    path: Path,
    text_column: str | None,
    label_column: str | None,
) -> tuple[str, str]:
    """Find the columns of the text and of the label, and say which they are.

    A name that the user gave counts most. Then come usual names, if one column alone has one. Of
    two columns, the one with few different values is the label.

    Args:
        columns: The first values of each column or key, by its name.
        path: The file, for messages.
        text_column: The name that the user gave for the text.
        label_column: The name that the user gave for the label.

    Raises:
        Refusal: If there is no column of that name, or it is not certain which column it is.
    """
    given = {"text": text_column, "label": label_column}
    for role, name in given.items():
        if name is not None and name not in columns:
            raise Refusal(
                f"{path}: there is no column {name!r} for {OPTIONS[role]} among {list(columns)}"
            )
    found = {role: name for role, name in given.items() if name is not None}
    for role in given.keys() - found.keys():
        if name := _by_name(role, [name for name in columns if name not in found.values()]):
            found[role] = name
    if len(columns) == 2:
        found = _of_two(columns, found)
    missing = [role for role in OPTIONS if role not in found]
    if missing:
        raise Refusal(
            f"{path}: it is not certain which of the columns {list(columns)} is the "
            f"{' and which the '.join(missing)}: name it by "
            f"{' and '.join(OPTIONS[role] for role in missing)}"
        )
    if any(given[role] is None and found[role] != role for role in OPTIONS):
        print(
            f"{path}: the text is in column {found['text']!r}, the label in column "
            f"{found['label']!r} ({' and '.join(OPTIONS.values())} say otherwise)"
        )
    return found["text"], found["label"]


def _by_name(role: str, names: Sequence[str]) -> str | None:
    if role in names:
        return role
    usual = [name for name in names if _plain(name) in NAMES[role]]
    return usual[0] if len(usual) == 1 else None


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _of_two(columns: Mapping[str, Sequence[Any]], found: dict[str, str]) -> dict[str, str]:
    """Complete what is found if there are only two columns."""
    for role, other in (("text", "label"), ("label", "text")):
        if role in found and other not in found:
            (rest,) = columns.keys() - {found[role]}
            return {**found, other: rest}
    if found:
        return found
    few = [name for name, values in columns.items() if _few_values(values)]
    if len(few) != 1:
        return found
    (text,) = columns.keys() - set(few)
    return {"text": text, "label": few[0]}


def _few_values(values: Sequence[Any]) -> bool:
    """Return whether values may be labels: each occurs several times, and there are few."""
    different = {str(value) for value in values}
    return len(different) <= min(MAX_CLASSES, len(values) / 5)
