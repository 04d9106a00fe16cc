"""Sentences with their translations: aligned files, tables, the catalogue, or a small sample.

Examples are `(source, target)`. `from_path` reads these layouts, plain or with `.gz`:

- a folder with `train.<language>`, `val.<language>` and `test.<language>` for both languages, line
  by line aligned (Multi30k, WMT, IWSLT). `val` may be called `valid` or `dev`, and names may be
  longer, as in `test_2016_flickr.en`;
- one such file of the source language, with `target` the path of the file of the other language;
- a table (`.tsv`, `.txt`, `.csv`, `.xlsx`) with the source before the target, as of manythings.org,
  or with columns that have names; other columns, such as the ids of Tatoeba, are passed over.

No source sentence is in two parts. A training example whose source is in another part is left out.
A file without parts is split by its source sentences.
"""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from apps.common.data import catalogue, door, files
from apps.common.data.records import Reading
from apps.common.data.splits import SPLIT_SEED, Splits, check_parts, held_out_count
from apps.common.refusal import Refusal
from apps.translation.columns import find_columns, with_header
from apps.translation.sample import generate

Example = tuple[str, str]
CATALOGUE_NAME = "ted_hrlr_translate/pt_to_en"
VALIDATION = ("val", "valid", "validation", "dev")
SAMPLE_TRAIN, SAMPLE_TEST = 8000, 1000
HELD_OUT = 0.05  # fraction of the source sentences of a file, for validation and for testing
WITHOUT_HEADER = (".tsv", ".tab", ".txt")  # usually, and files with unknown suffixes
MAX_HELD_OUT = 5000  # source sentences, for each


def from_sample() -> Splits:
    """Generate the embedded sample."""
    train, test, combinations = generate(SAMPLE_TRAIN, SAMPLE_TEST)
    origin = "the embedded sample (generated English sentences in French, not real text)"
    return Splits(train, test, origin, further={"combinations": combinations})


def from_catalogue(
    catalogue_name: str = CATALOGUE_NAME, source_language: str | None = None
) -> Splits:
    """Read a data set of translations from the TensorFlow Datasets catalogue.

    Args:
        catalogue_name: Its name, such as `ted_hrlr_translate/pt_to_en`.
        source_language: The language to translate from; that of the data set if None.

    Raises:
        Refusal: If the data set is not available or has no such language.
    """
    names = ("train", "validation", "test")
    parts, languages = catalogue.read_pairs(catalogue_name, names)
    if source_language not in (None, *languages):
        raise Refusal(
            f"source_language must be {' or '.join(languages)}, the languages of "
            f"{catalogue_name}; received {source_language!r}"
        )
    turned = source_language == languages[1]
    train, validation, test = ([pair[::-1] if turned else pair for pair in part] for part in parts)
    origin = f"{catalogue_name} of the TensorFlow Datasets catalogue"
    return _without_overlap(train, validation, test, origin)


def from_path(
    path: Path,
    source_language: str | None = None,
    target_language: str | None = None,
    target: str | None = None,
    test_files: str = "test",
    turned: bool = False,
    source_column: str | None = None,
    target_column: str | None = None,
    test_part: float | None = None,
    validation_part: float | None = None,
    encoding: str | None = None,
    separator: str | None = None,
    no_header: bool = False,
) -> Splits:
    """Read translations from a folder or a file in one of the layouts above.

    Args:
        path: The folder or file.
        source_language: Of a folder: the suffix of the source files.
        target_language: Of a folder: the suffix of the target files.
        target: Of a file of source sentences: the path of the file of their translations.
        test_files: Of a folder: the beginning of the name of the test files.
        turned: Of a table: whether the target is the first column.
        source_column: Of a table: the name or number of the column of sources; found if None.
        target_column: Of a table: likewise of targets.
        test_part: Of a file: the part of the source sentences that tests; by default a twentieth,
            and at most 5,000.
        validation_part: Of a file: likewise, the part that validates.
        encoding: The encoding of the files; found if None.
        separator: Of a table: what separates its columns; found if None.
        no_header: Of a table: whether it begins without the names of its columns.

    Raises:
        Refusal: If there are no sentences, files are not aligned, a line has no translation, or an
            option has no effect with this layout.
        OSError: If a file cannot be read.
    """
    of_tables = {
        "turned": turned,
        "source_column": source_column,
        "target_column": target_column,
        "separator": separator,
        "no_header": no_header,
    }
    if path.is_dir():
        of_files = {"test_part": test_part, "validation_part": validation_part}
        _refuse_unused("a folder", target=target, **of_tables, **of_files)
        languages = _languages(path, source_language, target_language)
        train, validation, test = (
            _read_aligned(*(_find(path, stems, language) for language in languages), encoding)
            for stems in (("train",), VALIDATION, (test_files,))
        )
        return _without_overlap(train, validation, test, f"{path}, {' to '.join(languages)}")
    languages = {"source_language": source_language, "target_language": target_language}
    _refuse_unused("a file", **languages, test_files=None if test_files == "test" else test_files)
    if target is None:
        reading = Reading(encoding, separator, no_header)
        pairs = _read_table(path, turned, (source_column, target_column), reading)
    else:
        _refuse_unused("a file of each language", **of_tables)
        pairs = _read_aligned(path, Path(target), encoding)
    origin = f"{path}, split by source sentences (--test-part and --validation-part say how)"
    return replace(_split_by_source(pairs, path, test_part, validation_part), origin=origin)


def _refuse_unused(layout: str, **options: str | bool | float | None) -> None:
    """Refuse options that have no effect with the layout of the source."""
    for name, value in options.items():
        if value:
            raise Refusal(f"{name} has no effect with {layout}: leave it out; received {value!r}")


def _languages(folder: Path, source: str | None, target: str | None) -> tuple[str, str]:
    """Return the suffixes of the files of both languages."""
    if source and target and source != target:
        return source, target
    suffixes = sorted({files.kind(path)[1:] for path in folder.glob("train*.*")} - {""})
    raise Refusal(
        f"source_language and target_language must be two languages of the files in {folder}, such "
        f"as --source-language de --target-language en; the train files are of "
        f"{', '.join(suffixes) or 'none'}, received {source} and {target}"
    )


def _find(folder: Path, stems: Sequence[str], language: str) -> Path:
    """Return the one file whose name begins with one of the stems and ends with the language."""
    matches = sorted(
        path
        for path in folder.iterdir()
        if path.name.startswith(tuple(stems)) and files.kind(path) == f".{language}"
    )
    names = {f"{stem}.{language}" for stem in stems}
    exact = [path for path in matches if path.name.removesuffix(".gz") in names]
    if len(exact or matches) == 1:
        return (exact or matches)[0]
    if matches:
        advice = (
            "choose one with --test-files"
            if stems[0] not in ("train", *VALIDATION)
            else (f"leave one, or name one of them {stems[0]}.{language}")
        )
        raise Refusal(
            f"{folder} must have one file {stems[0]}*.{language}, and has "
            f"{', '.join(path.name for path in matches)}; {advice}"
        )
    raise Refusal(
        f"{folder} must have a file {stems[0]}.{language} or {stems[0]}.{language}.gz, and has none"
    )


def _read_aligned(source: Path, target: Path, encoding: str | None) -> list[Example]:
    sources, targets = files.lines(source, encoding), files.lines(target, encoding)
    if len(sources) != len(targets):
        raise Refusal(
            f"{source} and {target} must be aligned line by line; they have {len(sources):,} and "
            f"{len(targets):,} lines"
        )
    places = (f"line {number}" for number in range(1, len(sources) + 1))
    return _drop_empty(zip(places, zip(sources, targets, strict=True), strict=True), str(source))


def _read_table(
    path: Path, turned: bool, columns: tuple[str | None, str | None], reading: Reading
) -> list[Example]:
    suffix = files.kind(path)
    if suffix in files.JSON_SUFFIXES:
        raise Refusal(f"{path}: expected a table that ends in .tsv, .txt, .csv or .xlsx")
    table = files.table(path, replace(reading, no_header=True))
    if not reading.no_header:
        usual = suffix not in WITHOUT_HEADER and suffix in files.SUFFIXES
        table = with_header(table, columns, usual)
    fields = find_columns(table, *columns)
    pairs = table.select(fields[::-1] if turned else fields)
    return _drop_empty(
        ((place.removeprefix(f"{path}, "), pair) for place, pair in pairs), str(path)
    )


def _drop_empty(pairs: Iterable[tuple[str, Example]], where: str) -> list[Example]:
    """Return the pairs, which come with their lines or rows, that have a source and a target."""
    complete, empty = [], []
    for place, pair in pairs:
        if all(text.strip() for text in pair):
            complete.append(pair)
        else:
            empty.append(place)
    if empty:
        print(
            f"{where}: {len(empty):,} pairs with an empty side are left out, the first is "
            f"{empty[0]}"
        )
    if not complete:
        raise Refusal(f"{where}: there are no sentences")
    return complete


def _normalized(source: str) -> str:
    return " ".join(source.casefold().split())


def _without_overlap(
    train: list[Example], validation: list[Example], test: list[Example], origin: str
) -> Splits:
    """Leave out of each part the sources that are in a later one."""
    tested = {_normalized(source) for source, _ in test}
    validation = [pair for pair in validation if _normalized(pair[0]) not in tested]
    held_out = tested | {_normalized(source) for source, _ in validation}
    kept = [pair for pair in train if _normalized(pair[0]) not in held_out]
    if len(kept) < len(train):
        print(f"{len(train) - len(kept):,} training pairs whose source is held out are left out")
    if not (kept and validation and test):
        raise Refusal(
            f"{origin}: sentences are needed to train on, to validate and to test on, with sources "
            f"in one part only; {len(kept)}, {len(validation)} and {len(test)} are left"
        )
    return Splits(kept, test, origin, validation)


def _split_by_source(
    pairs: list[Example], path: Path, test_part: float | None, validation_part: float | None
) -> Splits:
    """Split examples by their source sentences: those with the same source stay together."""
    check_parts(test_part, validation_part)
    keys = [_normalized(source) for source, _ in pairs]
    different = sorted(set(keys))
    tests, validates = (
        held_out_count(len(different), part, HELD_OUT, MAX_HELD_OUT)
        for part in (test_part, validation_part)
    )
    if not (tests and validates and tests + validates < len(different)):
        raise Refusal(
            f"{path}: at least {int(0.5 / HELD_OUT) + 1} different source sentences are needed, to "
            f"hold some out, or other parts by --test-part and --validation-part; there are "
            f"{len(different)}"
        )
    order = np.random.default_rng(SPLIT_SEED).permutation(len(different))
    places = dict(zip(different, np.argsort(order), strict=True))
    parts: list[list[Example]] = [[], [], []]
    for key, pair in zip(keys, pairs, strict=True):
        place = places[key]
        parts[0 if place < tests else 1 if place < tests + validates else 2].append(pair)
    test, validation, train = parts
    return Splits(train, test, str(path), validation)


# The one function for other modules: it takes the source, and options of the functions above.
load = functools.partial(
    door.load, from_sample=from_sample, from_catalogue=from_catalogue, from_path=from_path
)
