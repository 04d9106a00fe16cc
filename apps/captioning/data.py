"""Images with their captions: Flickr8k's layouts, a table, the catalogue, or a small sample.

Examples are `(picture, captions)`. `from_path` reads these layouts, texts plain or with `.gz`:

- a folder in Flickr8k's layout: one `*token.txt`, with `name.jpg#0<TAB>caption` on each line; the
  lists of names `*trainImages.txt`, `*devImages.txt` and `*testImages.txt`; and the images, in
  folders or in a tar file;
- a folder in Kaggle's layout: a table `captions.txt` or `results.csv`, and the images, as above;
- a table (`.csv`, `.tsv`, `.txt`, `.jsonl`, `.xlsx`) with a column of paths, relative to its
  folder, and a column of captions, one line for each caption.

A table is split by images. No image is in two parts.
"""

import functools
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from apps.captioning import sample as scene_sample
from apps.captioning.gallery import SUFFIXES, Picture, Store, search
from apps.captioning.settings import Settings
from apps.captioning.tables import Placed, find_table, read_table
from apps.common.data import catalogue, door, files
from apps.common.data.records import Reading
from apps.common.data.splits import SPLIT_SEED, Splits, check_parts, held_out_count
from apps.common.refusal import Refusal

__all__ = ["SUFFIXES", "Example", "Picture", "load", "load_examples"]

SAMPLE_TRAIN = {48: 3000, 64: 8000}  # training scenes, by the side of the scenes in pixels
SAMPLE_TEST = 400
HELD_OUT = 0.1  # the part of a table's images that validates, and the part that tests
MOST_HELD_OUT = 5000  # images for each of them
LISTS = ("train", "dev", "test")
SHOWN = 3  # names of missing images
CATALOGUE_NAME = "coco_captions"

Example = tuple[Picture, tuple[str, ...]]


def load_examples(settings: Settings) -> Splits:
    """Load the images of a run with their captions, with a validation part."""
    options = ("scene_size", "image_column", "caption_column", "test_part", "validation_part")
    options += ("encoding", "separator", "no_header", "catalogue_name")
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
    store = Store()
    parts: list[list[Example]] = []
    for number, part in enumerate(catalogue.read_captions(catalogue_name)):
        rows = []
        for place, (content, texts) in enumerate(part):
            picture = Picture(f"{LISTS[number]} {place}", store.add(content))
            rows.append((picture, [(picture.name, text) for text in texts]))
        parts.append(_full(rows, catalogue_name))
    train, validation, test = parts
    origin = f"{catalogue_name} of the TensorFlow Datasets catalogue"
    return Splits(train, test, origin, validation, unit="images")


def from_path(
    path: Path,
    image_column: str | None = None,
    caption_column: str | None = None,
    test_part: float | None = None,
    validation_part: float | None = None,
    encoding: str | None = None,
    separator: str | None = None,
    no_header: bool = False,
) -> Splits:
    """Read images with captions in one of the layouts above.

    Args:
        path: The folder or the table.
        image_column: The column of a table that holds the paths of the images; found if None.
        caption_column: The column of a table that holds the captions; found if None.
        test_part: Of a table: the part of its images that tests; a tenth and at most 5,000 if None.
        validation_part: Of a table: likewise, the part that validates.
        encoding: The encoding of the texts; found if None.
        separator: Of a table: what separates its columns; found if None.
        no_header: Of a table: whether it begins without the names of its columns.

    Raises:
        Refusal: If the layout is none of these, or an option has no effect with it.
        OSError: If a file cannot be read.
    """
    reading = Reading(encoding, separator, no_header)
    columns = (image_column, caption_column)
    gallery = None
    if path.is_dir():
        table = find_table(path)
        if table is None:
            options = {"image_column": image_column, "caption_column": caption_column}
            options |= {"test_part": test_part, "validation_part": validation_part}
            options |= {"separator": separator, "no_header": no_header or None}
            for name, value in options.items():
                if value is not None:
                    raise Refusal(
                        f"{name} has no effect with a folder without a table: leave it out; "
                        f"received {value!r}"
                    )
            return _folder(path, encoding)
        path, gallery = table, search(path)
    examples = _joined(*read_table(path, columns, reading, gallery), path)
    # Sorted by name, so that the split does not depend on the order of the lines.
    examples.sort(key=lambda example: example[0].name)
    return _split_by_images(examples, path, test_part, validation_part)


def _split_by_images(
    examples: list[Example], path: Path, test_part: float | None, validation_part: float | None
) -> Splits:
    check_parts(test_part, validation_part)
    tests, validates = (
        held_out_count(len(examples), part, HELD_OUT, MOST_HELD_OUT)
        for part in (test_part, validation_part)
    )
    if not (tests and validates and tests + validates < len(examples)):
        raise Refusal(
            f"{path} must hold at least {round(1 / HELD_OUT)} images, of which some validate and "
            f"some test, or other parts by --test-part and --validation-part; it holds "
            f"{len(examples)}"
        )
    order = np.random.default_rng(SPLIT_SEED).permutation(len(examples))
    shuffled = [examples[place] for place in order]
    ends = (tests, tests + validates)
    test, validation, train = shuffled[: ends[0]], shuffled[ends[0] : ends[1]], shuffled[ends[1] :]
    origin = f"{path}, split by images (--test-part and --validation-part say how)"
    return Splits(train, test, origin, validation, unit="images")


def _folder(folder: Path, encoding: str | None) -> Splits:
    tokens = _one(folder, "*token.txt", "captions, such as Flickr8k.token.txt")
    captions: dict[str, list[Placed]] = {}
    for number, line in enumerate(files.lines(tokens, encoding), start=1):
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
        captions.setdefault(name, []).append((f"{tokens.name}, line {number}", caption))
    gallery = search(folder)
    parts = []
    for which in LISTS:
        listed = _one(folder, f"*{which}Images.txt", f"the names of the {which} images")
        names = [line.strip() for line in files.lines(listed, encoding) if line.strip()]
        found = {name: picture for name in names if (picture := gallery.find(name))}
        parts.append(_joined(found, {name: captions.get(name, []) for name in names}, listed))
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


def _joined(
    pictures: Mapping[str, Picture], captions: Mapping[str, list[Placed]], where: Path
) -> list[Example]:
    """Return the images that have captions, and print how many lack one or the other."""
    if missing := [name for name in captions if name not in pictures]:
        print(
            f"{where}: {len(missing):,} names without an image are left out, such as "
            f"{', '.join(missing[:SHOWN])}"
        )
    rows = [(pictures[name], captions[name]) for name in captions if name in pictures]
    return _full(rows, where)


def _full(rows: Iterable[tuple[Picture, list[Placed]]], where: Path | str) -> list[Example]:
    """Return the images without empty captions, and print how many have none left."""
    rows = list(rows)
    empty = [place for _, texts in rows for place, caption in texts if not caption.strip()]
    if empty:  # places end with their numbers
        first = min(empty, key=lambda place: int(place.rpartition(" ")[2]))
        first = first.removeprefix(f"{where}, ")
        print(f"{where}: {len(empty):,} empty captions are left out, the first is {first}")
    every = [
        (picture, tuple(filter(None, (caption.strip() for _, caption in texts))))
        for picture, texts in rows
    ]
    if bare := [picture.name for picture, texts in every if not texts]:
        print(f"{where}: {len(bare):,} images without a caption are left out, such as {bare[0]}")
    full = [row for row in every if row[1]]
    if not full:
        raise Refusal(f"{where} must have at least one image with a caption; it has none")
    return full


# `load(source, **options)` calls the one of these functions that `source` names.
load = functools.partial(
    door.load, from_sample=from_sample, from_catalogue=from_catalogue, from_path=from_path
)
