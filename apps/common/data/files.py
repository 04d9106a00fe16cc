"""Records from files: JSON lines and tables, plain or compressed.

Each error names the file and, where there is one, the line.
"""

import contextlib
import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import pandas as pd

from apps.common.refusal import Refusal

SEPARATORS = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (".jsonl", *SEPARATORS)
FORMATS = " or ".join((", ".join(SUFFIXES[:-1]), SUFFIXES[-1])) + ", plain or with .gz"


def kind(path: Path) -> str:
    """Return the suffix of a file, without the `.gz` of a compressed one."""
    return path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix


def find(folder: Path, stem: str) -> Path | None:
    """Return the file called `stem` in any format that `read` knows, or None."""
    names = (f"{stem}{suffix}{ending}" for suffix in SUFFIXES for ending in ("", ".gz"))
    return next((folder / name for name in names if (folder / name).is_file()), None)


def read(path: Path, fields: Sequence[str]) -> list[tuple[str, tuple]]:
    """Read some fields of every record in a file.

    Args:
        path: A file of JSON lines (`.jsonl`) or a table with a header (`.csv`, `.tsv`), plain or
            compressed (`.gz`).
        fields: The keys or columns to read.

    Returns:
        For each record its place, for messages, and its values in the order of `fields`. Values of
        a table are strings.

    Raises:
        Refusal: If the file has another format, holds no records, is damaged, or lacks a field.
        OSError: If it cannot be opened.
    """
    suffix = kind(path)
    if suffix not in SUFFIXES:
        raise Refusal(f"{path}: expected a file that ends in {FORMATS}; received {path.name!r}")
    with damage_named(path):
        records = list(_table(path, fields) if suffix in SEPARATORS else _json_lines(path, fields))
    if not records:
        raise Refusal(f"{path}: the file holds no records")
    return records


def lines(path: Path) -> list[str]:
    """Read the lines of a text in UTF-8, plain or compressed.

    Raises:
        Refusal: If a compressed file is damaged.
        OSError: If it cannot be opened.
    """
    with damage_named(path), opened(path) as content:
        return [line.rstrip(b"\r\n").decode("utf-8", "replace") for line in content]


def opened(path: Path) -> BinaryIO:
    """Open a file, plain or compressed, to read its bytes."""
    # As bytes, since only "\n" ends a line. A text may hold other line breaks of Unicode.
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def _json_lines(path: Path, fields: Sequence[str]) -> Iterator[tuple[str, tuple]]:
    with opened(path) as content:
        for number, line in enumerate(content, start=1):
            where = f"{path}, line {number}"
            try:
                record = json.loads(line)
            except ValueError as error:
                raise Refusal(f"{where}: the line is not a JSON object: {error}") from error
            if not isinstance(record, dict):
                raise Refusal(f"{where}: expected a JSON object; received {record!r:.40}")
            if missing := [field for field in fields if field not in record]:
                raise Refusal(f"{where}: there is no field {missing[0]!r} among {sorted(record)}")
            yield where, tuple(record[field] for field in fields)


def _table(path: Path, fields: Sequence[str]) -> Iterator[tuple[str, tuple]]:
    try:
        table = pd.read_csv(path, sep=SEPARATORS[kind(path)], dtype=str, keep_default_na=False)
    except pd.errors.EmptyDataError:
        return
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise Refusal(f"{path}: the file is not a table: {error}") from error
    if missing := [field for field in fields if field not in table.columns]:
        raise Refusal(f"{path}: there is no column {missing[0]!r} among {list(table.columns)}")
    rows = zip(*(table[field] for field in fields), strict=True)
    for number, values in enumerate(rows, start=1):
        yield f"{path}, row {number}", values


@contextlib.contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Name the file in errors about a damaged `.gz`, as Python does not."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Refusal(f"{path}: the file is not a sound gzip file: {error}") from error
