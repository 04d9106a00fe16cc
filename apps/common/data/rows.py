"""Lines as the rows of a table: separator and quotes are found with proof, or named.

A separator is proven if all rows have as many fields with it as the first. A quote that does not
enclose a field is a character, so that it swallows no rows.
"""

import csv
import functools
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from apps.common.refusal import Refusal

NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
MAX_LINES = 1000  # of one field in quotes
MAX_FIELD = 2**31 - 1  # characters


class Row(NamedTuple):
    """A row: the lines it takes, from 0 and without the last, and its fields."""

    start: int
    end: int
    fields: list[str]


def separator_of(given: str | None) -> str | None:
    """Return the separator that an option names.

    Raises:
        Refusal: If it is neither a character nor the name of one.
    """
    if given is None:
        return None
    by_name = {name: sign for sign, name in NAMES.items()} | {"\\t": "\t"}
    separator = by_name.get(given.lower(), given)
    if len(separator) != 1 or separator in '"\n\r':
        raise Refusal(
            f"separator must be one character, or {', '.join(NAMES.values())}; received {given!r}"
        )
    return separator


def split_rows(
    lines: Sequence[str], path: Path, usual: str | None, separator: str | None = None
) -> tuple[str, list[Row]]:
    """Find the separator of lines, unless it is given, split them into rows, and print doubts.

    Args:
        lines: The lines.
        path: The file, for messages.
        usual: The usual separator of such a file, if there is one.
        separator: The separator; found if None.

    Raises:
        Refusal: If more than one separator fits all rows.
    """
    if separator is None:
        separator, splitter = _find_separator(lines, path, usual)
    else:
        splitter = _Splitter(lines, separator)
    if splitter.loose:
        print(
            f"{path}: in {len(splitter.loose):,} rows a quote does not enclose a field and is kept "
            f"as a character, the first is in line {splitter.loose[0] + 1}"
        )
    return separator, splitter.rows


def _find_separator(lines: Sequence[str], path: Path, usual: str | None) -> tuple[str, "_Splitter"]:
    first = next((line for line in lines if line.strip()), "")
    # The first of those that fit is taken. Texts hold commas and hardly ever tabs.
    signs = sorted(NAMES, key=lambda sign: (sign != usual, sign != "\t"))
    tried = {sign: _Splitter(lines, sign) for sign in signs if sign in first}
    tried = {sign: splitter for sign, splitter in tried.items() if splitter.width > 1}
    if not tried:
        sign = usual or "\t"
        return sign, _Splitter(lines, sign)
    even = [sign for sign, splitter in tried.items() if not splitter.count_ragged()]
    if len(even) > 1 and even[0] not in (usual, "\t"):
        raise Refusal(
            f"{path}: its columns may be separated by {' or '.join(NAMES[sign] for sign in even)}: "
            f"choose one by --separator"
        )
    chosen = min(tried, key=lambda sign: tried[sign].count_ragged())
    if chosen != usual and (usual or chosen != "\t"):
        print(f"{path}: the columns are separated by {NAMES[chosen]}s (--separator says otherwise)")
    return chosen, tried[chosen]


class _Splitter:
    """The rows of lines by one separator, and the rows in which quotes are characters."""

    def __init__(self, lines: Sequence[str], separator: str):
        self.lines = [line.removesuffix("\r") for line in lines]
        self.separator = separator
        self.rows: list[Row] = []
        self.loose: list[int] = []  # lines
        self.width = 0
        # A quote at one end of a field, which encloses the field if there is one at either end.
        edge = re.escape(separator)
        self.edge = re.compile(rf'(^|{edge})\s*"|"\s*({edge}|$)')
        csv.field_size_limit(MAX_FIELD)
        start = 0
        while start < len(lines):
            start = self._take(start)
        if separator == "\t":
            self._keep_needless_quotes()

    def count_ragged(self) -> int:
        """Return how many rows have not as many fields as the first."""
        return sum(len(row.fields) != self.width for row in self.rows)

    def _take(self, start: int) -> int:
        """Add the row that begins at a line, and return the line after it."""
        line = self.lines[start]
        if not line.strip() and self.separator not in line:
            return start + 1
        row = literal = Row(start, start + 1, line.split(self.separator))
        if '"' in line:
            row = self._enclosed(start) or literal
            if row.end > start + 1 and self._is_swallowed(row):
                row = literal
            if row.fields == literal.fields and self.edge.search(line):
                self.loose.append(start)
        self.width = self.width or len(row.fields)
        if len(row.fields) > self.width and not any(map(str.strip, row.fields[self.width :])):
            row = row._replace(fields=row.fields[: self.width])  # separators at the end of a line
        self.rows.append(row)
        return row.end

    def _enclosed(self, start: int) -> Row | None:
        """Return the row at a line by the rules of CSV, or None if its quotes break them."""
        # Some programs write a space before the quote, and databases a backslash in its place.
        ways = [('\\"', False)]
        if re.search(rf'{re.escape(self.separator)} +"', self.lines[start]):
            ways.insert(0, ('\\"', True))
        if '\\"' in self.lines[start]:
            ways.append(('""', False))
        fallback = None
        for quote, skips in ways:
            last = min(start + MAX_LINES, len(self.lines))
            some = (self.lines[n].replace('\\"', quote) + "\n" for n in range(start, last))
            reader = csv.reader(some, delimiter=self.separator, strict=True, skipinitialspace=skips)
            try:
                row = Row(start, start, next(reader))
            except (csv.Error, StopIteration):
                continue
            row = row._replace(end=start + reader.line_num)
            if len(row.fields) == (self.width or len(row.fields)):
                return row
            fallback = fallback or row
        return fallback

    def _is_swallowed(self, row: Row) -> bool:
        """Return whether lines within a pair of quotes are rows of their own.

        They are if each has a field for every column, and either a tab separates them, which no
        text holds, or they have values that come again in other rows.
        """
        split = [line.split(self.separator) for line in self.lines[row.start : row.end]]
        if self.width < 2 or any(len(fields) != self.width for fields in split):
            return False
        if self.separator == "\t":
            return True
        opened = next(n for n, field in enumerate(split[0]) if field.lstrip().startswith('"'))
        for place, seen in enumerate(self.values):
            # The last line ends as a row does, and the first begins as one.
            told = [fields[place] for fields in (split[:-1] if place > opened else split[1:])]
            comes_again = 0 < len(seen) <= seen.total() / 2
            if place != opened and comes_again and all(value in seen for value in told):
                return True
        return False

    def _keep_needless_quotes(self) -> None:
        """Take quotes around a whole field for characters if nothing asks for them.

        A program encloses either every field of a column, or those alone that hold a tab, a line
        break or a quote. So a quote around some other fields is that of somebody who speaks.
        """
        needless: dict[tuple[int, int], str] = {}  # the raw field by row and place
        bare: Counter[int] = Counter()
        for number, row in enumerate(self.rows):
            literal = self.lines[row.start].split(self.separator)
            if number and row.end == row.start + 1 and len(literal) == len(row.fields):
                for place, (raw, field) in enumerate(zip(literal, row.fields, strict=True)):
                    bare[place] += bool(raw) and raw == field
                    if raw == f'"{field}"':
                        needless[number, place] = raw
        for (number, place), raw in needless.items():
            if bare[place]:
                row = self.rows[number]
                self.loose.append(row.start)
                row.fields[place] = raw
        self.loose = sorted(set(self.loose))

    @functools.cached_property
    def values(self) -> list[Counter[str]]:
        """The values of each column in lines without quotes."""
        plain = (line.split(self.separator) for line in self.lines if '"' not in line)
        rows = [fields for fields in plain if len(fields) == self.width]
        return [Counter(column) for column in zip(*rows, strict=True)]
