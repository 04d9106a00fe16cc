"""Which columns of a table hold the images and the captions."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from apps.captioning.gallery import has_image_suffix
from apps.common.refusal import Refusal

OPTIONS = {"image": "--image-column", "caption": "--caption-column"}
# A column with the first of these names is taken before the others.
NAMES = {
    "image": ("image", "image_name", "image_path", "img", "filename", "file_name", "file", "path"),
    "caption": ("caption", "captions", "comment", "text", "description", "sentence", "title"),
}
USUAL = tuple(name for names in NAMES.values() for name in names)
NUMBER = re.compile(r"[\s\d.#]*")
MOST = 0.9  # of the values of a column of images end as the names of images do


def find_columns(
    columns: Mapping[str, Sequence[Any]],
    path: Path,
    image_column: str | None,
    caption_column: str | None,
) -> tuple[str, str]:
    """Find the columns of the images and of the captions, and say which they are.

    A name that the user gave counts most, then the usual names. Otherwise names of files are
    images, and the only other column that is not of numbers holds captions.

    Args:
        columns: The first values of each column or key, by its name.
        path: The file, for messages.
        image_column: The name that the user gave for the images.
        caption_column: The name that the user gave for the captions.

    Raises:
        Refusal: If there is no column of that name, or it is not certain which column it is.
    """
    given = {"image": image_column, "caption": caption_column}
    found: dict[str, str] = {}
    for role, name in given.items():
        if name is not None and name not in columns:
            raise Refusal(
                f"{path}: there is no column {name!r} for {OPTIONS[role]} among {list(columns)}"
            )
        if name := name or _by_name(role, columns):
            found[role] = name
    left = {name: values for name, values in columns.items() if name not in found.values()}
    if "image" not in found:
        named = [name for name, values in left.items() if _are_images(values)]
        if len(named) == 1:
            found["image"] = named[0]
            left.pop(named[0])
    if "caption" not in found:
        texts = [name for name, values in left.items() if not _are_numbers(values)]
        if len(texts) == 1:
            found["caption"] = texts[0]
    if missing := [role for role in OPTIONS if role not in found]:
        raise Refusal(
            f"{path}: it is not certain which of the columns {list(columns)} is the "
            f"{' and which the '.join(missing)}: name it by "
            f"{' and '.join(OPTIONS[role] for role in missing)}"
        )
    if any(given[role] is None and found[role] != role for role in OPTIONS):
        print(
            f"{path}: the images are in column {found['image']!r}, the captions in column "
            f"{found['caption']!r} ({' and '.join(OPTIONS.values())} say otherwise)"
        )
    return found["image"], found["caption"]


def _by_name(role: str, columns: Mapping[str, Sequence[Any]]) -> str | None:
    folded = {name.casefold(): name for name in columns}
    usual = [name for name in NAMES[role] if name in folded]
    return folded[usual[0]] if usual and (usual[0] == role or len(usual) == 1) else None


def _are_images(values: Sequence[Any]) -> bool:
    count = sum(isinstance(value, str) and has_image_suffix(value) for value in values)
    return count > MOST * len(values)


def _are_numbers(values: Sequence[Any]) -> bool:
    return all(not isinstance(value, str) or NUMBER.fullmatch(value) for value in values)
