"""Which columns of a table hold the images and the captions."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from apps.captioning.gallery import has_image_suffix
from apps.common.data import columns as common
from apps.common.data.columns import Columns

NAMES = {
    "image": ("imagename", "imagepath", "img", "filename", "file", "path"),
    "caption": ("captions", "comment", "text", "description", "sentence", "title"),
}
USUAL = ("image", "image_name", "image_path", "file_name", *NAMES["image"])
USUAL += ("caption", *NAMES["caption"])  # in the first row they make it a header
NUMBER = re.compile(r"[\s\d.#]*")
MOST = 0.9  # of the values of a column of images end as the names of images do


def find_columns(
    columns: Columns, path: Path, image_column: str | None, caption_column: str | None
) -> tuple[str, ...]:
    """Find the columns of the images and of the captions.

    Where names do not tell, names of files are images, and the only other column that is not of
    numbers holds captions.

    Args:
        columns: The first values of each column or key, by its name.
        path: The file, for messages.
        image_column: The name that the user gave for the images.
        caption_column: The name that the user gave for the captions.

    Raises:
        Refusal: If there is no column of that name, or it is not certain which column it is.
    """
    given = {"image": image_column, "caption": caption_column}
    return common.find_columns(columns, path, given, NAMES, _complete)


def _complete(left: Columns, found: dict[str, str]) -> dict[str, str]:
    rest = dict(left)
    if "image" not in found:
        named = [name for name, values in rest.items() if _are_images(values)]
        if len(named) == 1:
            found = {**found, "image": named[0]}
            rest.pop(named[0])
    if "caption" not in found:
        texts = [name for name, values in rest.items() if not _are_numbers(values)]
        if len(texts) == 1:
            found = {**found, "caption": texts[0]}
    return found


def _are_images(values: Sequence[Any]) -> bool:
    count = sum(isinstance(value, str) and has_image_suffix(value) for value in values)
    return count > MOST * len(values)


def _are_numbers(values: Sequence[Any]) -> bool:
    return all(not isinstance(value, str) or NUMBER.fullmatch(value) for value in values)
