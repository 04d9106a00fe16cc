"""Which columns of a table hold the text and the label."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from apps.common.data import columns as common
from apps.common.data.columns import Columns
from apps.sentiment.labels import MAX_CLASSES

NAMES = {
    "text": (
        *("review", "reviewtext", "reviewbody", "sentence", "content", "comment", "tweet"),
        *("message", "body", "document", "post", "feedback", "opinion", "phrase", "utterance"),
    ),
    "label": (
        *("labels", "sentiment", "airlinesentiment", "class", "category", "target", "polarity"),
        *("stars", "starrating", "rating", "reviewrating", "score", "overall"),
        *("emotion", "feeling", "mood"),
    ),
}


def find_columns(
    columns: Columns, path: Path, text_column: str | None, label_column: str | None
) -> tuple[str, ...]:
    """Find the columns of the text and of the label.

    Where names do not tell, of two columns the one with few different values is the label.

    Args:
        columns: The first values of each column or key, by its name.
        path: The file, for messages.
        text_column: The name that the user gave for the text.
        label_column: The name that the user gave for the label.

    Raises:
        Refusal: If there is no column of that name, or it is not certain which column it is.
    """
    given = {"text": text_column, "label": label_column}

    def complete(left: Columns, found: dict[str, str]) -> dict[str, str]:
        return _of_two(left, found) if len(columns) == 2 else found

    return common.find_columns(columns, path, given, NAMES, complete)


def _of_two(left: Columns, found: dict[str, str]) -> dict[str, str]:
    """Complete what is found if there are only two columns."""
    if len(left) == 1:
        missing = "label" if "text" in found else "text"
        return {**found, missing: next(iter(left))}
    few = [name for name, values in left.items() if _few_values(values)]
    if len(few) != 1:
        return found
    (text,) = left.keys() - set(few)
    return {"text": text, "label": few[0]}


def _few_values(values: Sequence[Any]) -> bool:
    """Return whether values may be labels: each occurs several times, and there are few."""
    different = {str(value) for value in values}
    return len(different) <= min(MAX_CLASSES, len(values) / 5)
