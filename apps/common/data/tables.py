"""Tables of texts, with their header or without one."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from apps.common.data.records import AUTOMATIC, Reading, Records, Selected
from apps.common.data.rows import NAMES, Row, separator_of, split_rows
from apps.common.refusal import Refusal

USUAL = {".csv": ",", ".tsv": "\t", ".tab": "\t"}  # separators by suffix
SHOWN = 60  # characters of a row in a message


@dataclass(frozen=True)
class Table(Records):
    """A table of strings with named columns.

    Args:
        path: The file.
        columns: The names of the columns.
        rows: The rows. One may have more or fewer fields than there are columns.
        lines: The lines of the file, for rows that must be put together again.
        separator: What separates the columns.
        offset: The lines of the file before these.
    """

    path: Path
    columns: Sequence[str]
    rows: Sequence[Row]
    lines: Sequence[str]
    separator: str
    offset: int

    def head(self, count: int) -> dict[str, list[Any]]:
        """Return the first values of each column, of the rows that are whole."""
        whole = islice((row for row in self.rows if len(row.fields) == len(self.columns)), count)
        values = zip(*(row.fields for row in whole), strict=True)
        return dict(zip(self.columns, map(list, values), strict=False)) or {
            name: [] for name in self.columns
        }

    def select(
        self, fields: Sequence[str], *, free: str | None = None, filled: Sequence[str] = ()
    ) -> Selected:
        """Return the values of some columns of each row.

        Raises:
            Refusal: If there is no such column, or two, or a row has not a field for each column.
        """
        for field in fields:
            if (count := self.columns.count(field)) != 1:
                what = f"are {count} columns" if count else "is no column"
                advice = "" if count else self._advice()
                raise Refusal(
                    f"{self.path}: there {what} {field!r} among {list(self.columns)}{advice}"
                )
        places = [self.columns.index(field) for field in fields]
        selected, joined = [], []
        for number, row in enumerate(self.rows, start=1):
            where = f"{self.path}, row {number}"
            found = row.fields
            if len(found) != len(self.columns):
                found = self._mended(row, where, free)
                joined.append(number)
            selected.append((where, tuple(found[place] for place in places)))
        if joined:
            print(
                f"{self.path}: in {len(joined):,} rows {free!r} holds a "
                f"{NAMES.get(self.separator, self.separator)} without quotes and was put together "
                f"again, the first is row {joined[0]}"
            )
        return self.without_empty(selected, fields, filled)

    def headed(self) -> "Table":
        """Return the table with the names of its columns taken from its first row."""
        names = [name.strip() for name in self.rows[0].fields]
        if len(self.rows) < 2:
            raise Refusal(f"{self.path}: the file holds no records")
        return replace(self, columns=names, rows=self.rows[1:])

    def without_header(self) -> "Table":
        """Return the table with the names of its columns as its first row."""
        names = [str(number) for number in range(1, len(self.columns) + 1)]
        start = self.rows[0].start - 1
        first = Row(start, start + 1, list(self.columns))
        return replace(self, columns=names, rows=[first, *self.rows])

    def _advice(self) -> str:
        named = " (--no-header says that the first row is no header"
        return f"{named}, --separator what separates the columns)"

    def _mended(self, row: Row, where: str, free: str | None) -> list[str]:
        """Return the fields of a row of which one column alone can hold separators."""
        count = len(self.columns)
        if free in self.columns and len(row.fields) > count and row.end == row.start + 1:
            place = self.columns.index(free)
            if place == count - 1 or count == 2:
                pieces = self.lines[row.start].split(self.separator)
                end = place + len(pieces) - count + 1
                text = self.separator.join(pieces[place:end])
                return [*pieces[:place], text, *pieces[end:]]
        name = NAMES.get(self.separator, self.separator)
        advice = f"a field that holds a {name} must be in quotes"
        raise Refusal(
            f"{where} (line {row.start + 1 + self.offset}): expected {count} fields with a {name} "
            f"between them, for the columns {', '.join(self.columns):.{SHOWN}}; received "
            f"{len(row.fields)}, {self.lines[row.start]!r:.{SHOWN}}: "
            f"{advice if len(row.fields) > count else 'complete or remove the row'}"
        )


def parse(
    text: str,
    path: Path,
    suffix: str,
    reading: Reading = AUTOMATIC,
    known: Sequence[str] = (),
) -> Table:
    r"""Parse a table and print what was guessed.

    Args:
        text: The text, whose lines end in "\n".
        path: The file, for messages.
        suffix: Its suffix, which tells the usual separator.
        reading: How to read it; what is None is found.
        known: Names of columns: a first row that holds one of them is a header.

    Raises:
        Refusal: If there are no rows, or the separator is not certain.
    """
    lines = text.removesuffix("\n").split("\n")
    offset = 0
    separator = separator_of(reading.separator)
    if named := re.fullmatch(r"sep=(.)\r?", lines[0]):
        separator = separator or named[1]
        lines, offset = lines[1:], 1
    separator, rows = split_rows(lines, path, USUAL.get(suffix), separator)
    names = [name.strip() for name in rows[0].fields] if rows else []
    if reading.no_header or (not set(names) & set(known) and is_headless(rows)):
        names = [str(number) for number in range(1, len(names) + 1)]
        if not reading.no_header:
            print(
                f"{path}: the first row is taken for data, as its values come again; the columns "
                f"are called {', '.join(names)}"
            )
    else:
        rows = rows[1:]
    if not rows:
        raise Refusal(f"{path}: the file holds no records")
    return Table(path, names, rows, lines, separator, offset)


def is_headless(rows: Sequence[Row]) -> bool:
    """Return whether the first of some rows holds values and not the names of columns."""
    if len(rows) < 3:
        return False
    names = [name.strip() for name in rows[0].fields]
    if names in ([str(n) for n in range(len(names))], [str(n + 1) for n in range(len(names))]):
        return False  # a table of pandas
    others = [row.fields for row in rows[1:] if len(row.fields) == len(names)]
    for place, name in enumerate(names):
        values = Counter(fields[place].strip() for fields in others)
        # A label comes again; a name stands in its header alone.
        if name and values[name] > 1 and len(values) <= len(others) / 2:
            return True
    return False
