"""Sentences with their translations: aligned files, tables, the catalogue, or a small sample.

Examples are `(source, target)`. The layouts that `from_path` reads, plain or with `.gz`:

- a folder with `train.<language>`, `val.<language>` and `test.<language>` for both languages,
  line by line aligned (Multi30k, WMT, IWSLT); `val` may be called `valid` or `dev`, and more may
  follow on each name, as in `test_2016_flickr.en`;
- one such file of the source language, with `target` the path of the other one;
- a file (`.tsv`, `.txt`) with source and target on each line, a tab between them.

No source sentence is in two parts: what of the training examples stands in another part as well
is left out, and a file without parts is cut by its source sentences.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from apps.common.data import catalogue, door, files
from apps.common.data.splits import SPLIT_SEED, Splits
from apps.common.refusal import Refusal
from apps.translation import sample as pair_sample

Example = tuple[str, str]
CATALOGUE_NAME = "ted_hrlr_translate/pt_to_en"
VALIDATION = ("val", "valid", "validation", "dev")
SAMPLE_TRAIN, SAMPLE_TEST = 8000, 1000
PART = 0.05  # of the source sentences of a file without parts, for validation and testing each
MOST = 5000  # examples drawn for each


def load(source: str, **options: Any) -> Splits:
    """Load sentences with their translations.

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
    train, test, combinations = pair_sample.generate(SAMPLE_TRAIN, SAMPLE_TEST)
    origin = "the embedded sample (generated English sentences in French, not real text)"
    return Splits(train, test, origin, further={"combinations": combinations})


def from_catalogue(
    catalogue_name: str = CATALOGUE_NAME, source_language: str | None = None
) -> Splits:
    """Reads a data set of translations from the TensorFlow Datasets catalogue.

    Args:
        catalogue_name: Its name, such as `ted_hrlr_translate/pt_to_en`.
        source_language: The language to translate from, where it is not the data set's own choice.

    Raises:
        Refusal: If the data set cannot be had or has no such language.
    """
    names = ("train", "validation", "test")
    parts, languages = catalogue.read_pairs(catalogue_name, names)
    if source_language not in (None, *languages):
        raise Refusal(
            f"source_language: {catalogue_name} has {' and '.join(languages)}; received "
            f"{source_language!r}"
        )
    turned = source_language == languages[1]
    train, validation, test = ([pair[::-1] if turned else pair for pair in part] for part in parts)
    origin = f"{catalogue_name} of the TensorFlow Datasets catalogue"
    return _apart(train, validation, test, origin)


def from_path(
    path: Path,
    source_language: str | None = None,
    target_language: str | None = None,
    target: str | None = None,
    test_part: str = "test",
    turned: bool = False,
) -> Splits:
    """Reads translations from a folder or a file in one of the layouts above.

    Args:
        path: The folder or file.
        source_language: Of a folder, how the names of the source files end.
        target_language: Of a folder, how the names of the target files end.
        target: Of a file of one language, the path of the file of the other one.
        test_part: Of a folder, how the name of the test files begins.
        turned: Of a table, whether the target stands first.

    Raises:
        Refusal: If there is nothing to read there, files that should be aligned are not, or a
            line has no translation.
        OSError: If something cannot be read.
    """
    if path.is_dir():
        languages = _languages(path, source_language, target_language)
        train, validation, test = (
            _aligned(*(_find(path, stems, language) for language in languages))
            for stems in (("train",), VALIDATION, (test_part,))
        )
        return _apart(train, validation, test, f"{path}, {' to '.join(languages)}")
    pairs = _table(path, turned) if target is None else _aligned(path, Path(target))
    return _cut(pairs, f"{path}, cut by source sentences")


def _languages(folder: Path, *given: str | None) -> tuple[str, str]:
    """Returns the endings of the files of both languages."""
    endings = sorted({files.kind(path)[1:] for path in folder.glob("train*.*")} - {""})
    source, target = given
    if source and target and source != target:
        return source, target
    raise Refusal(
        f"source_language, target_language: say which two of the languages in {folder} to take, "
        f"such as --source-language de --target-language en; there is a train file for "
        f"{', '.join(endings) or 'none'}"
    )


def _find(folder: Path, stems: Sequence[str], language: str) -> Path:
    """Returns the one file whose name begins with one of the stems and ends with the language."""
    found = sorted(
        path
        for path in folder.iterdir()
        if path.name.startswith(tuple(stems)) and files.kind(path) == f".{language}"
    )
    exact = [
        path
        for path in found
        if path.name.removesuffix(".gz") in {f"{stem}.{language}" for stem in stems}
    ]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if found:
        raise Refusal(
            f"{folder} has several files {stems[0]}*.{language}: "
            f"{', '.join(path.name for path in found)}; choose one with --test-part"
        )
    raise Refusal(f"{folder} has no file {stems[0]}.{language}, plain or with .gz")


def _aligned(source: Path, target: Path) -> list[Example]:
    sources, targets = files.lines(source), files.lines(target)
    if len(sources) != len(targets):
        raise Refusal(
            f"{source} and {target} must be aligned line by line; they have {len(sources):,} and "
            f"{len(targets):,} lines"
        )
    return _full(zip(sources, targets, strict=True), str(source))


def _table(path: Path, turned: bool) -> list[Example]:
    def pairs() -> Iterator[Example]:
        for number, line in enumerate(files.lines(path), start=1):
            if not line.strip():
                continue
            cells = line.split("\t")
            if len(cells) < 2:
                raise Refusal(
                    f"{path}, line {number}: expected source and target with a tab between them; "
                    f"received {line!r:.60}. Of a file of one language, name the other one's with "
                    f"--target"
                )
            yield (cells[1], cells[0]) if turned else (cells[0], cells[1])

    return _full(pairs(), str(path))


def _full(pairs: Iterator[Example], where: str) -> list[Example]:
    """Returns the pairs of which neither side is empty."""
    pairs = list(pairs)
    full = [pair for pair in pairs if all(text.strip() for text in pair)]
    if len(full) < len(pairs):
        print(f"{where}: {len(pairs) - len(full):,} pairs with an empty side are left out")
    if not full:
        raise Refusal(f"{where}: there are no sentences")
    return full


def _key(source: str) -> str:
    return " ".join(source.casefold().split())


def _apart(train: list[Example], validation: list[Example], test: list[Example], origin: str):
    """Leaves out of each part what stands in a later one."""
    tested = {_key(source) for source, _ in test}
    validation = [pair for pair in validation if _key(pair[0]) not in tested]
    held = tested | {_key(source) for source, _ in validation}
    kept = [pair for pair in train if _key(pair[0]) not in held]
    if len(kept) < len(train):
        print(f"{len(train) - len(kept):,} training pairs whose source is held out are left out")
    if not (kept and validation and test):
        raise Refusal(f"{origin}: no sentences are left to train on, to validate or to test on")
    return Splits(kept, test, origin, validation)


def _cut(pairs: list[Example], origin: str) -> Splits:
    """Cuts examples by their source sentences: those that are alike stay together."""
    keys = [_key(source) for source, _ in pairs]
    different = sorted(set(keys))
    count = min(MOST, round(PART * len(different)))
    if not count:
        raise Refusal(
            f"{origin}: {len(different)} different source sentences are too few to hold some out; "
            f"at least {round(1 / PART)} are needed"
        )
    order = np.random.default_rng(SPLIT_SEED).permutation(len(different))
    places = dict(zip(different, np.argsort(order), strict=True))
    parts: list[list[Example]] = [[], [], []]
    for key, pair in zip(keys, pairs, strict=True):
        parts[min(places[key] // count, 2)].append(pair)
    test, validation, train = parts
    return Splits(train, test, origin, validation)
