"""Sheets of spreadsheet programs, read as text."""

import csv
import datetime
import io
from pathlib import Path

from apps.common.refusal import Refusal

SUFFIXES = (".xlsx", ".xlsm", ".xls", ".ods")


def as_csv(path: Path) -> bytes:
    """Return the first sheet that holds anything as a CSV file; others are printed.

    Raises:
        Refusal: If the file is damaged or empty.
        OSError: If it cannot be opened.
    """
    import python_calamine  # which few users need

    content = path.read_bytes()
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
        sheets = {
            name: rows
            for name in book.sheet_names
            if (rows := book.get_sheet_by_name(name).to_python(skip_empty_area=False))
        }
    except python_calamine.CalamineError as error:
        raise Refusal(f"{path}: the file is not a sound spreadsheet: {error}") from error
    if not sheets:
        raise Refusal(f"{path}: the file holds no rows")
    first, *others = sheets
    if others:
        print(
            f"Data: read the first sheet, {first!r}, and not {', '.join(map(repr, others))}; to "
            f"read another, save it as a file of its own"
        )
    text = io.StringIO(newline="")
    csv.writer(text).writerows([_as_text(cell) for cell in row] for row in sheets[first])
    return text.getvalue().encode()


def _as_text(cell: object) -> str:
    """Return a cell as text: whole numbers without a fraction, dates as in ISO 8601."""
    if isinstance(cell, bool):
        return str(cell)
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 2**53 else repr(cell)
    if isinstance(cell, datetime.datetime):
        # Excel counts days in binary fractions, which miss the second by microseconds.
        rounded = cell + datetime.timedelta(milliseconds=0.5)
        return rounded.isoformat(" ", "milliseconds").removesuffix(".000")
    if isinstance(cell, datetime.timedelta):
        return str(cell)
    return str(cell)
