"""Images with their captions: Flickr8k's layout, a table, the catalogue, or a small sample.

Examples are `(picture, captions)`. The layouts that `from_path` reads, texts plain or with `.gz`:

- a folder with one `*token.txt`, which has `name.jpg#0<TAB>caption` on each line, with lists of
  names `*trainImages.txt`, `*devImages.txt` and `*testImages.txt`, and with the images, in a
  folder or in a tar file (Flickr8k, Flickr30k);
- a table (`.csv`, `.tsv`, `.jsonl`) with a column of paths, relative to its folder, and one of
  captions, a line for each caption.

No image is in two parts; a table is cut by its images.
"""

import functools
import os
import tarfile
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from apps.captioning import sample as scene_sample
from apps.common.data import catalogue, door, files
from apps.common.data.splits import SPLIT_SEED, Splits
from apps.common.refusal import Refusal

SAMPLE_TRAIN, SAMPLE_TEST = 8000, 400
PART = 0.1  # of the images of a table, for validation and testing each
MOST = 5000  # images held out for each
SUFFIXES = (".jpg", ".jpeg", ".png", ".gif")
LISTS = ("train", "dev", "test")
CATALOGUE_NAME = "coco_captions"


class Picture(NamedTuple):
    """An image file, read when it is asked for: there may be more of them than memory."""

    name: str
    read: Callable[[], bytes]


Example = tuple[Picture, tuple[str, ...]]


def load(source: str, **options: Any) -> Splits:
    """Load images with their captions.

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
    """Draws the embedded sample."""
    parts = zip(
        ("train", "test", "combination"),
        scene_sample.generate(SAMPLE_TRAIN, SAMPLE_TEST),
        strict=True,
    )
    train, test, combinations = (
        [
            (Picture(f"{name} {i}", functools.partial(bytes, content)), tuple(said))
            for i, (content, said) in enumerate(part)
        ]
        for name, part in parts
    )
    origin = "the embedded sample (drawn shapes, no photographs)"
    return Splits(train, test, origin, further={"combinations": combinations}, unit="images")


def from_catalogue(catalogue_name: str = CATALOGUE_NAME) -> Splits:
    """Reads images with captions from the TensorFlow Datasets catalogue.

    Args:
        catalogue_name: Its name, such as `coco_captions`.

    Raises:
        Refusal: If the data set cannot be had or holds no images with captions.
    """
    # Their bytes wait in a file without a name, which goes when the program does.
    store = tempfile.TemporaryFile()  # noqa: SIM115 (it is open as long as the pictures are)
    parts: list[list[Example]] = []
    for number, part in enumerate(catalogue.read_captions(catalogue_name)):
        rows = []
        for place, (content, said) in enumerate(part):
            start = store.tell()
            store.write(content)
            read = functools.partial(_stored, store, len(content), start)
            rows.append((Picture(f"{LISTS[number]} {place}", read), tuple(said)))
        parts.append(_full(rows, catalogue_name))
    store.flush()
    train, validation, test = parts
    origin = f"{catalogue_name} of the TensorFlow Datasets catalogue"
    return Splits(train, test, origin, validation, unit="images")


def from_path(path: Path, image_column: str = "image", caption_column: str = "caption") -> Splits:
    """Reads images with captions in one of the layouts above.

    Args:
        path: The folder or the table.
        image_column: Of a table, the column of the paths of the images.
        caption_column: Of a table, the column of the captions.

    Raises:
        Refusal: If there is nothing to read there, or images and captions do not fit.
        OSError: If something cannot be read.
    """
    if path.is_dir():
        return _folder(path)
    said: dict[str, list[str]] = {}
    for where, (name, caption) in files.read(path, (image_column, caption_column)):
        if not isinstance(name, str) or not isinstance(caption, str):
            raise Refusal(
                f"{where}: expected a path and a caption, both texts; received {name!r:.40} and "
                f"{caption!r:.40}"
            )
        said.setdefault(os.path.normpath(name), []).append(caption)
    pictures = {
        name: Picture(name, (path.parent / name).read_bytes)
        for name in said
        if (path.parent / name).is_file()
    }
    # In the order of their names: the cut does not depend on that of the lines.
    examples = sorted(_joined(pictures, said, path), key=lambda example: example[0].name)
    count = min(MOST, round(PART * len(examples)))
    if not count:
        raise Refusal(
            f"{path}: {len(examples)} images are too few to hold some out; at least "
            f"{round(1 / PART)} are needed"
        )
    order = np.random.default_rng(SPLIT_SEED).permutation(len(examples))
    shuffled = [examples[place] for place in order]
    test, validation, train = shuffled[:count], shuffled[count : 2 * count], shuffled[2 * count :]
    return Splits(train, test, f"{path}, cut by images", validation, unit="images")


def _folder(folder: Path) -> Splits:
    tokens = _one(folder, "*token.txt", "captions, such as Flickr8k.token.txt")
    said: dict[str, list[str]] = {}
    for number, line in enumerate(files.lines(tokens), start=1):
        # At the first tab alone: some captions hold more of them.
        head, tab, caption = line.partition("\t")
        name, hash_sign, _ = head.rpartition("#")
        if not line.strip():
            continue
        if not (tab and hash_sign):
            raise Refusal(
                f"{tokens}, line {number}: expected name.jpg#0, a tab and a caption; received "
                f"{line!r:.60}"
            )
        said.setdefault(name, []).append(caption)
    pictures = _pictures(folder)
    parts = []
    for which in LISTS:
        listed = _one(folder, f"*{which}Images.txt", f"the names of the {which} images")
        names = [line.strip() for line in files.lines(listed) if line.strip()]
        parts.append(_joined(pictures, {name: said.get(name, []) for name in names}, listed))
    train, validation, test = parts
    counts = Counter(picture.name for part in parts for picture, _ in part)
    if both := [name for name, count in counts.items() if count > 1]:
        raise Refusal(
            f"{folder}: no image can be in two parts, and {both[0]} stands in two of the lists "
            f"{', '.join(f'*{which}Images.txt' for which in LISTS)}"
        )
    return Splits(train, test, str(folder), validation, unit="images")


def _one(folder: Path, pattern: str, what: str) -> Path:
    """Returns the one file of a folder that holds something."""
    found = sorted({*folder.glob(pattern), *folder.glob(f"{pattern}.gz")})
    # Flickr8k has its captions once more, as lemmas.
    found = [path for path in found if "lemma" not in path.name]
    if len(found) == 1:
        return found[0]
    listed = f": {', '.join(path.name for path in found)}" if found else ""
    raise Refusal(
        f"{folder} must have one file {pattern}, plain or with .gz, with {what}; it has "
        f"{len(found) or 'none'}{listed}"
    )


def _pictures(folder: Path) -> dict[str, Picture]:
    """Returns all images below a folder, those in tar files too, by name."""
    found = {
        path.name: Picture(path.name, path.read_bytes)
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and path.is_file()
    }
    for path in sorted(folder.glob("*.tar")):
        try:
            with tarfile.open(path, "r:") as archive:
                for member in archive:
                    name = Path(member.name).name
                    if member.isfile() and Path(name).suffix.lower() in SUFFIXES:
                        place = (path, member.offset_data, member.size)
                        found.setdefault(name, Picture(name, functools.partial(_slice, *place)))
                # Where a later header is damaged, tarfile stops as it does at the end: at zeros.
                if any(_slice(path, archive.offset, tarfile.BLOCKSIZE)):
                    raise tarfile.ReadError(f"damaged from byte {archive.offset:,} on")
        except tarfile.TarError as error:
            raise Refusal(f"{path}: not a sound tar file: {error}") from error
    if not found:
        raise Refusal(
            f"{folder} holds no image: expected {', '.join(SUFFIXES)}, in folders or in a tar file"
        )
    return found


def _slice(path: Path, start: int, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(size)


def _stored(store: tempfile._TemporaryFileWrapper, size: int, start: int) -> bytes:
    return os.pread(store.fileno(), size, start)


def _joined(
    pictures: Mapping[str, Picture], said: Mapping[str, list[str]], where: Path
) -> list[Example]:
    """Returns the images that have captions; what lacks the other is reported and left out."""
    if missing := [name for name in said if name not in pictures]:
        print(f"{where}: {len(missing):,} without an image are left out, such as {missing[0]}")
    rows = [(pictures[name], tuple(said[name])) for name in said if name in pictures]
    return _full(rows, where)


def _full(rows: Iterable[Example], where: Path | str) -> list[Example]:
    """Returns the images with their captions, without captions that are empty."""
    rows = [(picture, [caption.strip() for caption in said]) for picture, said in rows]
    if empty := sum(not caption for _, said in rows for caption in said):
        print(f"{where}: {empty:,} empty captions are left out")
    rows = [(picture, tuple(filter(None, said))) for picture, said in rows]
    if bare := [picture.name for picture, said in rows if not said]:
        print(f"{where}: {len(bare):,} images without a caption are left out, such as {bare[0]}")
    full = [row for row in rows if row[1]]
    if not full:
        raise Refusal(f"{where}: there is no image with a caption")
    return full
