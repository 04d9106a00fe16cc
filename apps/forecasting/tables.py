"""Times and numbers from tables of any size: text, Parquet or Excel files, read in chunks.

Every error names the file, the row (counted from 1 after the header) and the column.
"""

import contextlib
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from apps.common.data import files, sheets
from apps.common.refusal import Refusal
from apps.forecasting import numerals
from apps.forecasting.clocks import TimeColumn, find_time_column
from apps.forecasting.layouts import find_layout, gunzipped
from apps.forecasting.numerals import Style

CHUNK, CELLS = 65_536, 2_000_000  # read at most this many rows, and numbers, at a time
HEAD = 1000  # rows that decide what a column holds
TEXT = (".csv", ".tsv", ".txt")
FORMATS = f"{', '.join(TEXT)}, plain or with .gz, or in .parquet, {', '.join(sheets.SUFFIXES)}"
COUNTERS = ("no", "no.", "nr", "id", "index", "row", "rownames", "rownum", "#", "n", "obs")
UNNAMED = r"Unnamed: \d+|__index_level_\d+__"  # row numbers, as pandas reads or writes them


class Table:
    """A table in a file: its columns, and their rows chunk by chunk.

    Args:
        path: A text file, plain or compressed (`.gz`), a `.parquet` file, or a sheet of Excel.
        separator: What separates columns in a text file. Found if not given, like the others.
        decimal: The decimal sign.
        skip_rows: The lines above the header.
        no_header: Whether the first row holds data.

    Raises:
        Refusal: If the file has another format, or is damaged.
        OSError: If it cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        separator: str | None = None,
        decimal: str | None = None,
        skip_rows: int | None = None,
        no_header: bool = False,
    ):
        self.path, self.decimal = path, decimal
        self.separator: str | None = None
        self.styles: dict[str, Style] = {}
        self.flags: tuple[str, ...] = ()  # columns in which yes and true are 1, no and false 0
        kind = files.kind(Path(path.name.lower()))
        self.sheet = sheets.as_csv(path) if kind in sheets.SUFFIXES else None
        self.is_parquet = path.suffix.lower() == ".parquet"
        if not (kind in TEXT or self.sheet or self.is_parquet):
            raise Refusal(f"{path}: a table must be a file that ends in {FORMATS}")
        given = {"separator": separator, "skip_rows": skip_rows, "no_header": no_header or None}
        idle = given if self.is_parquet else {"separator": separator} if self.sheet else {}
        for name, value in idle.items():
            if value is not None:
                raise Refusal(
                    f"{name} has no effect with {path}, which is no text file: leave it out"
                )
        with self._errors_named():
            if self.is_parquet:
                self.names = pq.read_schema(path).names
                return
            separator = "," if self.sheet else separator
            layout = find_layout(path, self._open, separator, skip_rows, no_header)
            is_gzip = path.suffix.lower() == ".gz"
            self.options = {**layout.options(), "compression": "gzip" if is_gzip else None}
            self.separator = None if self.sheet else layout.separator
            self.names = list(self._read(nrows=0))
        # pandas refuses later rows with too many fields, but drops extra fields of the first row.
        if any(field.strip() for field in layout.first[len(self.names) :]):
            raise Refusal(
                f"{path}, row 1: the row has more fields than the header, {self.names}; say what "
                f"separates columns with --separator, or how many lines are above the header with "
                f"--skip-rows"
            )

    def _open(self) -> BinaryIO:
        return io.BytesIO(self.sheet) if self.sheet else gunzipped(self.path)

    def _read(self, **options):
        """Read the text with pandas."""
        source = io.BytesIO(self.sheet) if self.sheet else self.path
        return pd.read_csv(source, **self.options, index_col=False, **options)

    def chunks(
        self,
        columns: Sequence[str],
        text: bool = False,
        rows: int = CHUNK,
        has_missing: bool = True,
    ) -> Iterator[pd.DataFrame]:
        """Read some columns chunk by chunk.

        Args:
            columns: The columns.
            text: Leave the entries of a text file as strings.
            rows: The largest number of rows in a chunk.
            has_missing: Read entries such as NA as missing; they may be names, too.
        """
        # If only some columns are read, pandas accepts rows with more fields than the header.
        read = list(columns) if text else self.names
        rows = min(rows, max(1, CELLS // len(read)))
        as_text = {name: str for name, style in self.styles.items() if not style.plain}
        with self._errors_named():
            if self.is_parquet:
                batches = pq.ParquetFile(self.path).iter_batches(rows, columns=list(columns))
                chunks = (batch.to_pandas(ignore_metadata=True) for batch in batches)
            else:
                chunks = self._read(
                    usecols=read if text else None,
                    dtype=str if text else as_text,
                    keep_default_na=has_missing,
                    chunksize=rows,
                    low_memory=False,  # one type for the whole of a chunk
                )
            begin = 0
            for chunk in chunks:
                if not (text or self.is_parquet):
                    self._check_quotes(chunk, begin)
                    begin += len(chunk)
                yield chunk[list(columns)]

    def _check_quotes(self, chunk: pd.DataFrame, begin: int) -> None:
        """Refuse fields that hold whole rows, as after a quotation mark without its partner."""
        count = max(1, len(self.names) - 1)
        separators = rf"\n(?:[^\n]*{re.escape(self.options['sep'])}){{{count}}}"
        for name in chunk.select_dtypes("object"):
            found = chunk[name].astype(str).str.contains(separators, regex=True)
            for row in np.flatnonzero(found)[:1]:
                raise Refusal(
                    f"{self.path}, row {begin + row + 1}: {name!r} holds further rows, as a "
                    f"quotation mark lacks its partner; remove the mark, or write it twice and "
                    f"quote the field"
                )

    def choose(
        self,
        time_column: str | None = None,
        columns: Sequence[str] | None = None,
        time_format: str | None = None,
        apart: Sequence[str] = (),
        also: Sequence[str] = (),
        static: Sequence[str] = (),
    ) -> tuple[TimeColumn, tuple[str, ...]]:
        """Choose the column of times and those of values, and print which columns are left out.

        Args:
            time_column: The column of times; see `clocks.find_time_column`.
            columns: The columns of values. By default all columns that have a name and hold mostly
                numbers.
            time_format: As for `timing.read_times`.
            apart: Columns that hold neither.
            also: Further columns of numbers that are read.
            static: Further columns that are read, of numbers or words.

        Raises:
            Refusal: If a column does not exist, or no column fits.
        """
        apart = (*apart, *also, *static)
        for name in filter(None, (time_column, *(columns or ()), *apart)):
            if name not in self.names:
                raise Refusal(f"{self.path}: there is no column {name!r} among {self.names}")
        if columns and len(set(columns)) < len(columns):
            raise Refusal(f"{self.path}: columns must name each column once; received {columns!r}")
        head = next(self.chunks(self.names, text=True, rows=HEAD), pd.DataFrame(columns=self.names))
        head = head.dropna(how="all")
        if head.empty:
            raise Refusal(f"{self.path}: the file holds no rows")
        found = {name: numerals.find_style(head[name], self.decimal) for name in self.names}
        styles = {name: style for name, style in found.items() if style is not None}
        candidates = head.drop(columns=list(apart))
        time = find_time_column(candidates, time_column, time_format, styles.keys())
        if time is None:
            raise Refusal(
                f"{self.path}: there is no column of times among {self.names}; name it with "
                f"--time-column, or say how times are written with --time-format, what separates "
                f"columns with --separator, or how many lines are above the header with --skip-rows"
            )
        chosen = columns or [
            name
            for name in styles
            if name not in (*time.names, *apart) and not re.fullmatch(UNNAMED, name)
        ]
        if not chosen:
            raise Refusal(
                f"{self.path}: there is no column of numbers next to the times in {time.name!r} "
                f"among {self.names}"
            )
        others = [name for name in self.names if name not in (*time.names, *chosen, *apart)]
        if others and not columns:
            self._check_numbers(head[others])
            print(
                f"Data: left out columns without a name, or that do not hold mostly numbers: "
                f"{', '.join(others)}"
            )
        counters = [] if columns else [name for name in chosen if _counts_rows(name, head[name])]
        if 0 < len(counters) < len(chosen):
            chosen = [name for name in chosen if name not in counters]
            print(
                f"Data: left out columns that number the rows: {', '.join(counters)}; name them "
                f"with --columns to forecast them"
            )
        self.flags = tuple(also)
        read = (*chosen, *also, *(name for name in static if name in styles))
        known = {name: styles.get(name, Style(self.decimal)) for name in read}
        self.styles = numerals.settle(known, styles, self.separator, self.path)
        return time, tuple(chosen)

    def _check_numbers(self, columns: pd.DataFrame) -> None:
        """Refuse to leave out a column with a name of which most entries are numbers."""
        for name in columns:
            odd = None if re.fullmatch(UNNAMED, name) else numerals.odd_entry(columns[name])
            if odd:
                row, entry, number = odd
                raise Refusal(
                    f"{self.path}, row {row + 1}: most entries of {name!r} are numbers, such as "
                    f"{number!r}, and {entry!r} is not written like them; correct it, leave it "
                    f"empty, or choose the columns to forecast with --columns"
                )

    def values(
        self, columns: Sequence[str], left_out: np.ndarray | None = None
    ) -> Iterator[np.ndarray]:
        """Read columns of numbers, chunk by chunk, each `(rows, columns)` float64.

        Empty entries are NaN, and so are signs for missing numbers, which are printed.

        Args:
            columns: The columns.
            left_out: The numbers of rows to leave out, counted from 0.

        Raises:
            Refusal: If an entry is not a number, or infinite in float32.
        """
        rows, signs = 0, Counter()
        for chunk in self.chunks(columns):
            values = np.empty(chunk.shape, "float64")
            for column, name in enumerate(columns):
                entries = numerals.flags(chunk[name]) if name in self.flags else chunk[name]
                values[:, column], wrong = numerals.parse(entries, self.style(name))
                with np.errstate(over="ignore"):
                    wrong |= np.isinf(values[:, column].astype("float32"))
                signs.update(numerals.missing_markers(chunk[name]))
                if left_out is not None and len(left_out):
                    here = left_out[(left_out >= rows) & (left_out < rows + len(chunk))]
                    wrong[here - rows] = False
                for row in np.flatnonzero(wrong)[:1]:
                    raise Refusal(
                        f"{self.path}, row {rows + row + 1}: {name!r} must be a finite number "
                        f"below 3.4e38; received {str(chunk[name].iloc[row])!r}; correct it, leave "
                        f"it empty, leave the column out with --columns, or out of --known and "
                        f"--past, or say which sign is the decimal one with --decimal"
                    )
            if left_out is not None:
                here = left_out[(left_out >= rows) & (left_out < rows + len(chunk))]
                rows += len(chunk)
                values = np.delete(values, here - rows + len(chunk), axis=0)
            else:
                rows += len(chunk)
            yield values
        for sign, count in signs.items():
            print(f"Data: read {sign!r} as missing: {count:,} entries")

    def style(self, name: str) -> Style:
        """Return how the numbers of a column are written."""
        return self.styles.get(name, Style(self.decimal))

    @contextlib.contextmanager
    def _errors_named(self) -> Iterator[None]:
        try:
            with files.damage_named(self.path):
                yield
        except pd.errors.EmptyDataError as error:
            raise Refusal(f"{self.path}: the file holds no rows") from error
        except (pd.errors.ParserError, UnicodeDecodeError, pa.ArrowInvalid) as error:
            raise Refusal(
                f"{self.path}: the file is not a table: {' '.join(str(error).split())}"
            ) from error


def _counts_rows(name: str, entries: pd.Series) -> bool:
    """Return whether a column numbers the rows."""
    if name.strip().lower() not in COUNTERS:
        return False
    numbers = pd.to_numeric(entries, errors="coerce")
    return bool(numbers.iloc[0] in (0, 1) and numbers.diff().iloc[1:].eq(1).all())
