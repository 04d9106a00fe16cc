"""How a text file holds a table: its encoding, what separates columns, titles, the header."""

import codecs
import csv
import gzip
import io
import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pandas as pd

from apps.common.refusal import Refusal
from apps.forecasting import numerals, times

FEW, ROWS = 60, 200  # lines at the start of a file that decide: the first number if they are long
SAMPLE = 262_144  # letters
PIECE = 1 << 20  # bytes of a file that are decoded together
SEPARATORS = (",", ";", "\t", "|")
SPACES = r"\s+"
NAMED = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|", "space": SPACES}
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
MAX_TITLES = 50  # lines above the header
CONSISTENT = 0.9  # of the rows must have the same number of fields


@dataclass(frozen=True)
class Layout:
    """How a text file holds a table.

    Args:
        encoding: As Python calls it.
        separator: What separates columns; `SPACES` for any number of spaces.
        skipped: The lines above the header.
        names: The names of the columns, if the file has no header.
        first: The first row, as text.
    """

    encoding: str
    separator: str
    skipped: int
    names: tuple[str, ...] | None
    first: tuple[str, ...]

    def options(self) -> dict:
        """Return the arguments of `pandas.read_csv`."""
        options = {"sep": self.separator, "encoding": self.encoding, "skiprows": self.skipped}
        if self.names is None:
            return options
        return {**options, "header": None, "names": list(self.names)}


def find_layout(
    path: Path,
    opened: Callable[[], BinaryIO],
    separator: str | None = None,
    skip_rows: int | None = None,
    no_header: bool = False,
) -> Layout:
    """Find how a text file holds a table, and print what is not as usual.

    A separator is found by the number of fields, which has to be the same in all rows, and by the
    number of columns that then hold times or numbers.

    Args:
        path: The file, for messages and for what its suffix says.
        opened: Opens its bytes.
        separator: What separates columns, if it is known.
        skip_rows: The lines above the header, if they are known.
        no_header: Whether the first row holds data. If not, that is found out.

    Raises:
        Refusal: If the file is empty.
    """
    separator = {**NAMED, r"\t": "\t", " ": SPACES}.get(separator or "", separator)
    if separator is not None and len(separator) != 1 and separator != SPACES:
        raise Refusal(
            f"separator must be one sign, or one of {', '.join(NAMED)}; received {separator!r}"
        )
    encoding = _encoding(path, opened)
    with opened() as content:
        reader = io.TextIOWrapper(content, encoding, errors="replace")
        lines = list(itertools.islice(reader, FEW))
        long = sum(map(len, lines)) > SAMPLE  # of a table with very many columns
        lines += itertools.islice(reader, 0 if long else ROWS)
    lines = [line.rstrip("\r\n") for line in lines]
    if not any(map(str.strip, lines)):
        raise Refusal(f"{path}: the file holds no rows")
    said = re.fullmatch(r"sep=(.)", lines[0].strip('" '))
    if said:
        separator = separator or said[1]
    skipped = skip_rows if skip_rows is not None else int(bool(said))
    if separator is None:
        usual = "\t" if ".tsv" in path.name.lower() else ","
        separator = _sniff(lines[skipped:], usual)
    if skip_rows is None:
        titles = _titles(_rows(lines[skipped:], separator))
        if any(map(str.strip, lines[skipped : skipped + titles])):
            print(
                f"Data: left out {titles} lines above the header, first {lines[skipped].strip()!r}"
            )
        skipped += titles
    rows = [row for row in _rows(lines[skipped:], separator) if _filled(row)]
    if not rows:
        raise Refusal(f"{path}: the file holds no rows below the {skipped} lines left out")
    names = None
    if no_header or _is_data(rows):
        names = tuple(f"column_{number}" for number in range(1, len(rows[0]) + 1))
        if not no_header:
            print(
                f"Data: the first row holds data, so columns are called {names[0]} to {names[-1]}; "
                f"confirm that with --no-header"
            )
    return Layout(encoding, separator, skipped, names, tuple(rows[min(1, len(rows) - 1)]))


def _encoding(path: Path, opened: Callable[[], BinaryIO]) -> str:
    """Return the encoding of a file, and print it if it is guessed."""
    with opened() as content:
        start = content.read(4096)
        for mark, encoding in BOMS:
            if start.startswith(mark):
                return encoding
        if start.count(b"\0") > len(start) // 4:
            return (
                "utf-16-le" if start[1::2].count(b"\0") > start[::2].count(b"\0") else "utf-16-be"
            )
        decoder = codecs.getincrementaldecoder("utf-8")()
        piece = start
        try:
            while piece:
                decoder.decode(piece)
                piece = content.read(PIECE)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            print(
                f"Data: {path.name} is not in UTF-8 and was read as Windows-1252; if names look "
                f"wrong, save it in UTF-8"
            )
            return "cp1252"
    return "utf-8"


def _rows(lines: Sequence[str], separator: str) -> list[list[str]]:
    if separator == SPACES:
        return [line.split() for line in lines]
    return list(csv.reader(lines, delimiter=separator))


def _sniff(lines: Sequence[str], usual: str) -> str:
    """Return the separator with which the rows are most like a table."""
    scores = {}
    for separator in (usual, *SEPARATORS, SPACES):
        try:
            rows = _rows(lines, separator)
        except csv.Error:
            continue
        rows = rows[_titles(rows) :]
        rows = [row for row in rows if _filled(row)]
        width = len(rows[0]) if rows else 0
        fitting = [row for row in rows if _fits(row, width)]
        if width < 2 or len(fitting) < CONSISTENT * len(rows):
            continue
        columns = zip(*(row[:width] for row in fitting[1 : FEW + 1]), strict=True)
        held = sum(_holds(pd.Series(column).replace("", None)) for column in columns)
        if separator == usual and held == width and len(fitting) == len(rows):
            return usual
        if held < 2 and separator != usual:
            continue  # a table holds times and numbers
        scores[separator] = (held / width, held, separator == usual)
    return max(scores, key=scores.__getitem__, default=usual)


def _fits(row: Sequence[str], width: int) -> bool:
    return len(row) == width or (len(row) == width + 1 and not row[-1].strip())


def _holds(column: pd.Series) -> bool:
    """Return whether a column holds times or numbers."""
    return numerals.find_style(column) is not None or bool(times.candidates(column))


def _titles(rows: Sequence[Sequence[str]]) -> int:
    """Return the number of lines above the header: they have fewer fields than the table.

    What then is the first row must be made of names. Otherwise a header may only lack some.
    """
    widths = pd.Series([len(row) for row in rows if _filled(row)])
    width = int(widths.mode().max()) if len(widths) else 0
    header = None
    for number, row in enumerate(rows[: MAX_TITLES + 1]):
        if len(row) < width or _filled(row) < 2:
            continue
        if row[0].startswith("#"):  # a comment, or the header
            header = number
            continue
        above = any(map(_filled, rows[:number]))
        return (header or 0) if above and _is_data(rows[number:]) else number
    return 0


def _filled(row: Sequence[str]) -> int:
    return sum(bool(field.strip()) for field in row)


def _datum(field: str) -> bool:
    """Return whether a field holds a number or a time."""
    entry = pd.Series([field.strip()])
    return bool(field.strip()) and bool(re.search(r"\d", field)) and _holds(entry)


def _is_data(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the first row is like those below: times and numbers in the same columns."""
    first, below = rows[0], [row for row in rows[1 : FEW + 1] if len(row) == len(rows[0])]
    data = 0
    for place, column in enumerate(zip(*below, strict=True)):
        if any(column) and _holds(pd.Series(column).replace("", None)):
            if first[place].strip() and not _datum(first[place]):
                return False
            data += bool(first[place].strip())
    return data > 1


def gunzipped(path: Path) -> BinaryIO:
    """Open the bytes of a file, plain or compressed."""
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")
