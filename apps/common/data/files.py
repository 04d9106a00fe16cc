"""Files of texts and records: JSON lines, tables and lines, plain or compressed.

Each error names the file and, where there is one, the row or line.
"""

import contextlib
import gzip
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from apps.common.data import encodings, sheets, tables
from apps.common.data.records import AUTOMATIC, Objects, Reading, Records
from apps.common.json_files import parse
from apps.common.refusal import Refusal

JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
TABLE_SUFFIXES = (".csv", ".tsv", ".tab", ".txt")
SUFFIXES = (*JSON_SUFFIXES, *TABLE_SUFFIXES, *sheets.SUFFIXES)
FORMATS = ".jsonl, .csv, .tsv, .txt or .xlsx, plain or with .gz"


def kind(path: Path) -> str:
    """Return the suffix of a file in small letters, without the `.gz` of a compressed one."""
    return (path.with_suffix("") if _is_packed(path) else path).suffix.lower()


def find(folder: Path, stem: str) -> Path | None:
    """Return the file called `stem` in any format that `read` knows, or None.

    Raises:
        Refusal: If there are several.
    """
    endings = {f"{suffix}{packed}" for suffix in SUFFIXES for packed in ("", ".gz")}
    paths = sorted(
        path
        for path in folder.iterdir()
        if path.name.startswith(stem)
        and path.name.removeprefix(stem).lower() in endings
        and path.is_file()
    )
    if len(paths) > 1:
        raise Refusal(
            f"{folder}: expected one file {stem}; received "
            f"{', '.join(path.name for path in paths)}: remove or rename the others"
        )
    return paths[0] if paths else None


def load(path: Path, reading: Reading = AUTOMATIC, known: Sequence[str] = ()) -> Records:
    """Read all records of a file, and print what was guessed.

    Args:
        path: A file of JSON lines (`.jsonl`, also an array in `.json`), a table with or without a
            header (`.csv`, `.tsv`, `.txt`), or a spreadsheet (`.xlsx`), plain or compressed
            (`.gz`).
        reading: How to read it; what is None is found.
        known: Names of columns: a first row that holds one of them is a header.

    Raises:
        Refusal: If the file has another format, holds no records or is damaged.
        OSError: If it cannot be opened.
    """
    suffix = kind(path)
    if suffix not in SUFFIXES:
        raise Refusal(f"{path}: expected a file that ends in {FORMATS}; received {path.name!r}")
    return _json(path, reading) if suffix in JSON_SUFFIXES else table(path, reading, known)


def table(path: Path, reading: Reading = AUTOMATIC, known: Sequence[str] = ()) -> tables.Table:
    """Read a table as `load` does, from a spreadsheet or a text with any suffix.

    Raises:
        Refusal: If the file holds no records or is damaged.
        OSError: If it cannot be opened.
    """
    suffix = kind(path)
    if suffix in sheets.SUFFIXES:
        return tables.parse(sheets.as_csv(path).decode(), path, ".csv", reading, known)
    return tables.parse(text(path, reading.encoding), path, suffix, reading, known)


def read(
    path: Path,
    fields: Sequence[str],
    reading: Reading = AUTOMATIC,
    *,
    free: str | None = None,
    filled: Sequence[str] = (),
) -> list[tuple[str, tuple]]:
    """Read some fields of every record in a file.

    Args:
        path: A file that `load` reads.
        fields: The keys or columns to read.
        reading: How to read it; what is None is found.
        free: The column of a table whose texts may hold separators without quotes.
        filled: Fields without which a record is left out. How many are is printed.

    Returns:
        For each record its place, for messages, and its values in the order of `fields`. Values of
        a table are strings.

    Raises:
        Refusal: If the file has another format, holds no records, is damaged, or lacks a field.
        OSError: If it cannot be opened.
    """
    return load(path, reading, fields).select(fields, free=free, filled=filled)


def lines(path: Path, encoding: str | None = None) -> list[str]:
    r"""Read the lines of a text, plain or compressed.

    Only "\n" ends a line, since a text may hold other line breaks of Unicode.

    Raises:
        Refusal: If a compressed file is damaged, or the file is no text.
        OSError: If it cannot be opened.
    """
    content = text(path, encoding)
    return [line.rstrip("\r") for line in content.removesuffix("\n").split("\n") if content]


def text(path: Path, encoding: str | None = None) -> str:
    r"""Read a text, plain or compressed, whose lines end in "\n".

    Other line ends are replaced: "\r\n", and "\r" where there is no "\n".

    Raises:
        Refusal: If a compressed file is damaged, or the file is no text.
        OSError: If it cannot be opened.
    """
    return _with_newlines(encodings.decode(read_bytes(path), path, encoding))


def texts(paths: Iterable[Path], encoding: str | None = None) -> list[str]:
    """Read texts that belong together, as `text` does. An encoding is guessed for all at once."""
    contents = {path: read_bytes(path) for path in paths}
    decoded = encodings.decode_all([*contents.values()], [*contents], encoding)
    return [_with_newlines(content) for content in decoded]


def _with_newlines(content: str) -> str:
    content = content.replace("\r\n", "\n")
    return content if "\n" in content else content.replace("\r", "\n")


def read_bytes(path: Path) -> bytes:
    """Read a file, plain or compressed.

    Raises:
        Refusal: If a compressed file is damaged.
        OSError: If it cannot be opened.
    """
    with damage_named(path), opened(path) as content:
        return content.read()


def opened(path: Path) -> BinaryIO:
    """Open a file, plain or compressed, to read its bytes."""
    return gzip.open(path, "rb") if _is_packed(path) else path.open("rb")


def _is_packed(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


def _json(path: Path, reading: Reading) -> Objects:
    if reading.separator is not None or reading.no_header:
        option = "no_header" if reading.separator is None else "separator"
        raise Refusal(f"{option} has no effect with {path.name}, which is no table: leave it out")
    content = text(path, reading.encoding)
    if kind(path) == ".json" and content.lstrip().startswith("["):
        try:
            records = parse(content)
        except ValueError as error:
            raise Refusal(f"{path}: the file is not JSON: {error}") from error
        places = [f"{path}, record {number}" for number in range(1, len(records) + 1)]
    else:
        numbered = enumerate(content.split("\n"), start=1)
        lines = {f"{path}, line {number}": line for number, line in numbered if line.strip()}
        places, records = list(lines), [_parsed(line, place) for place, line in lines.items()]
    for place, record in zip(places, records, strict=True):
        if not isinstance(record, dict):
            raise Refusal(f"{place}: expected a JSON object; received {record!r:.40}")
    if not records:
        raise Refusal(f"{path}: the file holds no records")
    return Objects(path, places, records)


def _parsed(line: str, place: str) -> object:
    try:
        return parse(line)
    except ValueError as error:
        raise Refusal(f"{place}: the line is not a JSON object: {error}") from error


@contextlib.contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Name the file in errors about a damaged `.gz`, as Python does not."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Refusal(f"{path}: the file is not a sound gzip file: {error}") from error
