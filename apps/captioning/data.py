"""Images with their captions: Flickr8k's layout, a table, the catalogue, or a small sample.

Examples are `(picture, captions)`. `from_path` reads these layouts, texts plain or with `.gz`:

- a folder in Flickr8k's layout: one `*token.txt`, with `name.jpg#0<TAB>caption` on each line; the
  lists of names `*trainImages.txt`, `*devImages.txt` and `*testImages.txt`; and the images, in
  folders or in a tar file;
- a table (`.csv`, `.tsv`, `.jsonl`) with a column of paths, relative to its folder, and a column of
  captions, one line for each caption. It is split by images.

No image is in two parts.
"""

import functools
import os
import tarfile
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from apps.captioning import sample as scene_sample
from apps.captioning.settings import Settings
from apps.common.data import catalogue, door, files
from apps.common.data.splits import SPLIT_SEED, Splits
from apps.common.refusal import Refusal

SAMPLE_TRAIN = {48: 3000, 64: 8000}  # training scenes, by the side of the scenes in pixels
SAMPLE_TEST = 400
HELD_OUT = 0.1  # the part of a table's images that validates, and the part that tests
MOST_HELD_OUT = 5000  # images for each of them
SUFFIXES = (".jpg", ".jpeg", ".png", ".gif")
LISTS = ("train", "dev", "test")
CATALOGUE_NAME = "coco_captions"


class Picture(NamedTuple):
    """An image file, read only when it is needed: all together may be larger than memory."""

    name: str
    read: Callable[[], bytes]


Example = tuple[Picture, tuple[str, ...]]


def load_examples(settings: Settings) -> Splits:
    """Load the images of a run with their captions, with a validation part."""
    options = ("scene_size", "image_column", "caption_column", "catalogue_name")
    splits = load(settings.source, **{name: getattr(settings, name) for name in options})
    return splits.with_validation(settings.seed)


def from_sample(scene_size: int | None = None) -> Splits:
    """Generate the embedded sample.

    Args:
        scene_size: The side of its scenes in pixels, 48 or 64. Runs from before this option, which
            have None, have scenes of 64 pixels.
    """
    side = scene_size or 64
    parts = zip(
        ("train", "test", "combination"),
        scene_sample.generate(SAMPLE_TRAIN[side], SAMPLE_TEST, side),
        strict=True,
    )
    train, test, combinations = (
        [
            (Picture(f"{name} {i}", functools.partial(bytes, content)), tuple(texts))
            for i, (content, texts) in enumerate(part)
        ]
        for name, part in parts
    )
    origin = "the embedded sample (drawn shapes, no photographs)"
    return Splits(train, test, origin, further={"combinations": combinations}, unit="images")


def from_catalogue(catalogue_name: str = CATALOGUE_NAME) -> Splits:
    """Read images with captions from the TensorFlow Datasets catalogue.

    Args:
        catalogue_name: The name of the data set, such as `coco_captions`.

    Raises:
        Refusal: If the data set cannot be loaded or holds no images with captions.
    """
    # The bytes are kept in an unnamed file, which vanishes when the program ends.
    store = tempfile.TemporaryFile()  # noqa: SIM115 (it stays open as long as the pictures exist)
    parts: list[list[Example]] = []
    for number, part in enumerate(catalogue.read_captions(catalogue_name)):
        rows = []
        for place, (content, texts) in enumerate(part):
            start = store.tell()
            store.write(content)
            read = functools.partial(_stored, store, len(content), start)
            rows.append((Picture(f"{LISTS[number]} {place}", read), tuple(texts)))
        parts.append(_full(rows, catalogue_name))
    store.flush()
    train, validation, test = parts
    origin = f"{catalogue_name} of the TensorFlow Datasets catalogue"
    return Splits(train, test, origin, validation, unit="images")


def from_path(path: Path, image_column: str = "image", caption_column: str = "caption") -> Splits:
    """Read images with captions in one of the layouts above.

    Args:
        path: The folder or the table.
        image_column: The column of a table that holds the paths of the images.
        caption_column: The column of a table that holds the captions.

    Raises:
        Refusal: If the layout is none of these, or an option has no effect with it.
        OSError: If a file cannot be read.
    """
    if path.is_dir():
        columns = {"image_column": image_column, "caption_column": caption_column}
        for name, column in columns.items():
            if column != name.removesuffix("_column"):
                raise Refusal(
                    f"{name} has no effect with a folder, since only tables have columns: leave it "
                    f"out; received {column!r}"
                )
        return _folder(path)
    captions: dict[str, list[str]] = {}
    for where, (name, caption) in files.read(path, (image_column, caption_column)):
        if not isinstance(name, str) or not isinstance(caption, str):
            raise Refusal(
                f"{where} must hold a path and a caption, both texts; received {name!r:.40} and "
                f"{caption!r:.40}"
            )
        captions.setdefault(os.path.normpath(name), []).append(caption)
    pictures = {
        name: Picture(name, (path.parent / name).read_bytes)
        for name in captions
        if (path.parent / name).is_file()
    }
    # Sorted by name, so that the split does not depend on the order of the lines.
    examples = sorted(_joined(pictures, captions, path), key=lambda example: example[0].name)
    count = min(MOST_HELD_OUT, round(HELD_OUT * len(examples)))
    if not count:
        raise Refusal(
            f"{path} must hold at least {round(1 / HELD_OUT)} images, of which some validate and "
            f"some test; it holds {len(examples)}"
        )
    order = np.random.default_rng(SPLIT_SEED).permutation(len(examples))
    shuffled = [examples[place] for place in order]
    test, validation, train = shuffled[:count], shuffled[count : 2 * count], shuffled[2 * count :]
    return Splits(train, test, f"{path}, split by images", validation, unit="images")


def _folder(folder: Path) -> Splits:
    tokens = _one(folder, "*token.txt", "captions, such as Flickr8k.token.txt")
    captions: dict[str, list[str]] = {}
    for number, line in enumerate(files.lines(tokens), start=1):
        # Only at the first tab: a caption may contain more.
        head, tab, caption = line.partition("\t")
        name, hash_sign, _ = head.rpartition("#")
        if not line.strip():
            continue
        if not (tab and hash_sign):
            raise Refusal(
                f"{tokens}, line {number} must be name.jpg#0, a tab and a caption; received "
                f"{line!r:.60}"
            )
        captions.setdefault(name, []).append(caption)
    pictures = _pictures(folder)
    parts = []
    for which in LISTS:
        listed = _one(folder, f"*{which}Images.txt", f"the names of the {which} images")
        names = [line.strip() for line in files.lines(listed) if line.strip()]
        parts.append(_joined(pictures, {name: captions.get(name, []) for name in names}, listed))
    train, validation, test = parts
    counts = Counter(picture.name for part in parts for picture, _ in part)
    if both := [name for name, count in counts.items() if count > 1]:
        raise Refusal(
            f"{folder} must name each image in one list only, and {both[0]} stands in two of the "
            f"lists {', '.join(f'*{which}Images.txt' for which in LISTS)}; remove it from one"
        )
    return Splits(train, test, str(folder), validation, unit="images")


def _one(folder: Path, pattern: str, what: str) -> Path:
    """Return the only file of a folder with a name of a pattern."""
    paths = sorted({*folder.glob(pattern), *folder.glob(f"{pattern}.gz")})
    # Flickr8k also has its captions as lemmas.
    paths = [path for path in paths if "lemma" not in path.name]
    if len(paths) == 1:
        return paths[0]
    listed = f": {', '.join(path.name for path in paths)}" if paths else ""
    raise Refusal(
        f"{folder} must have one file {pattern}, plain or with .gz, with {what}; it has "
        f"{len(paths) or 'none'}{listed}"
    )


def _pictures(folder: Path) -> dict[str, Picture]:
    """Return all images below a folder, including those in tar files, by name."""
    pictures = {
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
                        picture = Picture(name, functools.partial(_slice, *place))
                        pictures.setdefault(name, picture)
                # At a damaged header tarfile stops as at the end, where there are zeros.
                if any(_slice(path, archive.offset, tarfile.BLOCKSIZE)):
                    raise tarfile.ReadError(f"damaged from byte {archive.offset:,} on")
        except tarfile.TarError as error:
            raise Refusal(f"{path} is not a sound tar file: {error}") from error
    if not pictures:
        raise Refusal(
            f"{folder} must hold images that end in {', '.join(SUFFIXES)}, in folders or in a tar "
            f"file; it holds none"
        )
    return pictures


def _slice(path: Path, start: int, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(size)


def _stored(store: tempfile._TemporaryFileWrapper, size: int, start: int) -> bytes:
    return os.pread(store.fileno(), size, start)


def _joined(
    pictures: Mapping[str, Picture], captions: Mapping[str, list[str]], where: Path
) -> list[Example]:
    """Return the images that have captions, and print how many lack one or the other."""
    if missing := [name for name in captions if name not in pictures]:
        print(
            f"{where}: {len(missing):,} names without an image are left out, such as {missing[0]}"
        )
    rows = [(pictures[name], tuple(captions[name])) for name in captions if name in pictures]
    return _full(rows, where)


def _full(rows: Iterable[Example], where: Path | str) -> list[Example]:
    """Return the images without empty captions, and print how many have none left."""
    rows = [(picture, [caption.strip() for caption in texts]) for picture, texts in rows]
    if empty := sum(not caption for _, texts in rows for caption in texts):
        print(f"{where}: {empty:,} empty captions are left out")
    rows = [(picture, tuple(filter(None, texts))) for picture, texts in rows]
    if bare := [picture.name for picture, texts in rows if not texts]:
        print(f"{where}: {len(bare):,} images without a caption are left out, such as {bare[0]}")
    full = [row for row in rows if row[1]]
    if not full:
        raise Refusal(f"{where} must have at least one image with a caption; it has none")
    return full


# `load(source, **options)` calls the one of these functions that `source` names.
load = functools.partial(
    door.load, from_sample=from_sample, from_catalogue=from_catalogue, from_path=from_path
)
