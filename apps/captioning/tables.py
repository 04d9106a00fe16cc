"""Tables of images and captions, and where their images are."""

import os
from collections.abc import Iterable
from pathlib import Path

from apps.captioning.columns import USUAL, find_columns
from apps.captioning.gallery import Gallery, Picture, has_image_suffix, search_near
from apps.common.data import files
from apps.common.data.records import Reading
from apps.common.data.tables import Table
from apps.common.refusal import Refusal

TABLES = ("captions", "results")  # the tables of Kaggle's Flickr8k and Flickr30k
PEEK = 200  # records that tell which column is which

Placed = tuple[str, str]  # where a caption is, for messages, and the caption


def find_table(folder: Path) -> Path | None:
    """Return the table of a folder in Kaggle's layout, or None.

    Raises:
        Refusal: If there are several that differ.
    """
    if any(folder.glob("*token.txt*")):  # Flickr8k's own layout
        return None
    paths = [
        path
        for path in sorted(folder.iterdir())
        if files.kind(path) in files.SUFFIXES
        and path.name.lower().partition(".")[0] in TABLES
        and path.is_file()
    ]
    if not paths:
        return None
    first, *others = paths
    if any(path.read_bytes() != first.read_bytes() for path in others):
        raise Refusal(
            f"{folder} has several tables of captions, {', '.join(path.name for path in paths)}: "
            f"name the one to read as the source"
        )
    return first


def read_table(
    path: Path,
    columns: tuple[str | None, str | None],
    reading: Reading,
    gallery: Gallery | None,
) -> tuple[dict[str, Picture], dict[str, list[Placed]]]:
    """Read a table of images and captions.

    Args:
        path: The table.
        columns: The names of the columns of images and of captions; found if None.
        reading: How to read the table.
        gallery: The images, or None for those in the folder of the table and near it.

    Returns:
        The images by name, and the captions of each name, also of names without an image.

    Raises:
        Refusal: If the table cannot be read, or holds something else.
    """
    records = files.load(path, reading, [*filter(None, columns), *USUAL])
    if isinstance(records, Table) and any(map(has_image_suffix, records.columns)):
        print(f"{path}: the first row is taken for data, as it names an image")
        records = records.without_header()
    image_column, caption_column = find_columns(records.head(PEEK), path, *columns)
    captions: dict[str, list[Placed]] = {}
    fields = (image_column, caption_column)
    # Commas without quotes can be put together again, as names of images hold none.
    for where, (name, caption) in records.select(fields, free=caption_column):
        if not isinstance(name, str) or not isinstance(caption, str):
            raise Refusal(
                f"{where} must hold a path and a caption, both texts; received {name!r:.40} and "
                f"{caption!r:.40}"
            )
        captions.setdefault(os.path.normpath(name.strip()), []).append((where, caption))
    missing = [name for name in captions if not (path.parent / name).is_file()]
    found, pictures = _elsewhere(missing, path, gallery)
    for name, other in found.items():
        captions.setdefault(other, []).extend(captions.pop(name))
    for name in captions:
        if (path.parent / name).is_file():
            pictures[name] = Picture(name, (path.parent / name).read_bytes)
    return pictures, captions


def _elsewhere(
    names: Iterable[str], path: Path, gallery: Gallery | None
) -> tuple[dict[str, str], dict[str, Picture]]:
    """Find images that are not where a table says, by the last parts of their names.

    Returns:
        For each name the path of its image, relative to the table, and images in tar files.
    """
    names = [name for name in names if has_image_suffix(name)]
    if not names:
        return {}, {}
    certain = gallery is not None
    gallery = gallery or search_near(path.parent)
    found, packed = {}, {}
    for name in names:
        # A table of Windows has a separator of folders of its own.
        last = name.replace("\\", "/").rpartition("/")[2]
        if image := gallery.path(last):
            found[name] = str(image.relative_to(path.parent))
        elif picture := gallery.find(last):
            packed[name] = Picture(name, picture.read)
    if found and not certain:
        name, place = next(iter(found.items()))
        print(
            f"{path}: {len(found):,} images are not where the table says and are taken from near "
            f"it, such as {place} for {name}"
        )
    return found, packed
