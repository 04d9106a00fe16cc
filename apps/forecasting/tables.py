"""Times and numbers from tables of any size: CSV, TSV or Parquet files, read in chunks.

Every error names the file, the row (counted from 1 after the header) and the column.
"""

import contextlib
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype
from pandas.tseries.api import guess_datetime_format

from apps.common.data import files
from apps.common.refusal import Refusal

CHUNK, CELLS = 65_536, 2_000_000  # read at most this many rows, and numbers, at a time
HEAD = 1000  # rows that decide what a column holds
TIME_NAMES = ("date", "time", "datetime", "timestamp", "ds", "month")
UNNAMED = r"Unnamed: \d+|__index_level_\d+__"  # row numbers, as pandas reads or writes them
OFFSET = r"(?:T\d\d|:\d\d(?:\.\d+)?)\s*(Z|UTC|[+-]\d\d(?::?\d\d)?)$"


class Table:
    """A table in a file: its columns, and their rows chunk by chunk.

    Args:
        path: A `.csv` or `.tsv` file with a header, plain or compressed (`.gz`), or a `.parquet`
            file.

    Raises:
        Refusal: If the file has another format, or is damaged.
        OSError: If it cannot be opened.
    """

    def __init__(self, path: Path):
        self.path = path
        self.separator = files.SEPARATORS.get(files.kind(path))
        if not (self.separator or path.suffix == ".parquet"):
            raise Refusal(
                f"{path}: a table must be a file that ends in .csv or .tsv, plain or with .gz, "
                f"or in .parquet"
            )
        with self._errors_named():
            if self.separator is None:
                self.names = pq.read_schema(path).names
                return
            self.names = list(pd.read_csv(path, sep=self.separator, nrows=0, index_col=False))
            first = pd.read_csv(path, sep=self.separator, nrows=1, header=None, skiprows=1)
        # pandas refuses later rows with too many fields, but drops extra fields of the first row.
        if first.iloc[0, len(self.names) :].notna().any():
            raise Refusal(f"{path}, row 1: the row has more fields than the header, {self.names}")

    def chunks(
        self, columns: Sequence[str], text: bool = False, rows: int = CHUNK
    ) -> Iterator[pd.DataFrame]:
        """Read some columns chunk by chunk.

        Args:
            columns: The columns.
            text: Leave the entries of a CSV file as strings.
            rows: The largest number of rows in a chunk.
        """
        # If only some columns are read, pandas accepts rows with more fields than the header.
        read = list(columns) if text else self.names
        rows = min(rows, max(1, CELLS // len(read)))
        with self._errors_named():
            if self.separator:
                chunks = pd.read_csv(
                    self.path,
                    sep=self.separator,
                    usecols=read if text else None,
                    index_col=False,
                    dtype=str if text else None,
                    chunksize=rows,
                    low_memory=False,  # one type for the whole of a chunk
                )
            else:
                batches = pq.ParquetFile(self.path).iter_batches(rows, columns=list(columns))
                chunks = (batch.to_pandas(ignore_metadata=True) for batch in batches)
            for chunk in chunks:
                yield chunk[list(columns)]

    def choose(
        self,
        time_column: str | None = None,
        columns: Sequence[str] | None = None,
        time_format: str | None = None,
    ) -> tuple[str, tuple[str, ...]]:
        """Choose the column of times and those of values, and print which columns are left out.

        Args:
            time_column: The column of times. By default a column named as in `TIME_NAMES`, in upper
                or lower case, otherwise the first one; most entries of its first rows are dates.
            columns: The columns of values. By default all columns that have a name and hold mostly
                numbers.
            time_format: As for `times`.

        Raises:
            Refusal: If a column does not exist, or no column fits.
        """
        for name in filter(None, (time_column, *(columns or ()))):
            if name not in self.names:
                raise Refusal(f"{self.path}: there is no column {name!r} among {self.names}")
        if columns and len(set(columns)) < len(columns):
            raise Refusal(f"{self.path}: columns must name each column once; received {columns!r}")
        head = next(self.chunks(self.names, text=True, rows=HEAD), pd.DataFrame(columns=self.names))
        if head.empty:
            raise Refusal(f"{self.path}: the file holds no rows")
        numeric = [name for name in self.names if _mostly(_numbers(head[name]), head[name])]
        if time_column is None:
            time_column = self._time_column(head, numeric, time_format)
        if columns:
            return time_column, tuple(columns)
        columns = tuple(n for n in numeric if n != time_column and not re.fullmatch(UNNAMED, n))
        if not columns:
            raise Refusal(
                f"{self.path}: there is no column of numbers next to the times in {time_column!r} "
                f"among {self.names}"
            )
        if left_out := [name for name in self.names if name not in (time_column, *columns)]:
            print(f"Data: left out columns without a name or numbers: {', '.join(left_out)}")
        return time_column, columns

    def _time_column(
        self, head: pd.DataFrame, numeric: Sequence[str], time_format: str | None
    ) -> str:
        order = {name: rank for rank, name in enumerate(TIME_NAMES)}
        named = [name for name in self.names if name.lower() in order]
        named.sort(key=lambda name: order[name.lower()])
        for name in [*named, *(name for name in self.names if name not in numeric)]:
            if _mostly(_stamps(head[name], time_format or _time_format(head[name])), head[name]):
                return name
        raise Refusal(
            f"{self.path}: there is no column of times among {self.names}; name it with "
            f"--time-column, or say how times are written with --time-format"
        )

    def times(self, column: str, time_format: str | None = None) -> np.ndarray:
        """Read a column of times.

        Times with a UTC offset become UTC, which is printed with the offsets and their first rows.

        Args:
            column: The column.
            time_format: How the times are written, in the letters of `strftime`. By default ISO
                8601, or the format guessed from the first time, with month or day first,
                whichever fits more times of the first chunk.

        Returns:
            The times, shape `(rows,)`, datetime64[ns].

        Raises:
            Refusal: If an entry is not a time, or only some have an offset.
        """
        chunks, rows, zones = [], 0, {}  # for each offset ("" for none) the row where it begins
        for chunk in self.chunks([column], text=True):
            entries = chunk[column]
            time_format = time_format or _time_format(entries)
            stamps = _stamps(entries, time_format)
            for row in np.flatnonzero(stamps.isna())[:1]:
                raise Refusal(
                    f"{self.path}, row {rows + row + 1}: {column!r} must be a time from 1678 to "
                    f"2261, written as {time_format}; received {str(entries.iloc[row])!r}; correct "
                    f"it, or say how times are written with --time-format"
                )
            zone = _zones(entries)
            for name, row in zip(*np.unique(zone, return_index=True), strict=True):
                zones.setdefault(str(name), rows + int(row) + 1)
            chunks.append(stamps.to_numpy("datetime64[ns]"))
            rows += len(chunk)
        first_rows = sorted(zones.items(), key=lambda zone: zone[1])
        begins = ", ".join(f"{name or 'none'} at row {row:,}" for name, row in first_rows)
        if "" in zones and len(zones) > 1:
            raise Refusal(
                f"{self.path}: {column!r} mixes times with and without a UTC offset ({begins}); "
                f"give every time an offset, or none"
            )
        if zones.keys() - {"", "+00:00"}:
            print(f"Data: converted times to UTC from offsets: {begins}")
        return np.concatenate(chunks)

    def values(self, columns: Sequence[str]) -> Iterator[np.ndarray]:
        """Read columns of numbers, chunk by chunk, each `(rows, columns)` float32.

        Empty entries are NaN.

        Raises:
            Refusal: If an entry is not a number, or infinite in float32.
        """
        rows = 0
        for chunk in self.chunks(columns):
            values = np.empty(chunk.shape, "float32")
            for column, name in enumerate(columns):
                numbers = _numbers(chunk[name])
                with np.errstate(over="ignore"):
                    values[:, column] = numbers
                wrong = np.isinf(values[:, column]) | (np.isnan(numbers) & chunk[name].notna())
                for row in np.flatnonzero(wrong)[:1]:
                    raise Refusal(
                        f"{self.path}, row {rows + row + 1}: {name!r} must be a finite number "
                        f"below 3.4e38; received {str(chunk[name].iloc[row])!r}; correct "
                        f"it, leave it empty, or leave the column out with --columns"
                    )
            yield values
            rows += len(chunk)

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


def _mostly(parsed: np.ndarray | pd.Series, entries: pd.Series) -> bool:
    """Return whether most entries of a column could be parsed."""
    return 2 * np.sum(pd.notna(parsed)) > np.sum(entries.notna()) or entries.isna().all()


def _numbers(entries: pd.Series) -> np.ndarray:
    """Parse a column as float64, with NaN for entries that are empty or no numbers."""
    if is_bool_dtype(entries) or not is_numeric_dtype(entries):
        entries = pd.to_numeric(entries.astype(str), errors="coerce")
    return entries.to_numpy("float64", na_value=np.nan)


def _time_format(entries: pd.Series) -> str:
    """Guess how times are written: the format that fits most of them."""
    first = str(next(iter(entries.dropna()), ""))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one of the two guesses may contradict the first entry
        guesses = [guess_datetime_format(first, dayfirst=day_first) for day_first in (False, True)]
    return max(["ISO8601", *filter(None, guesses)], key=lambda form: _stamps(entries, form).count())


def _stamps(entries: pd.Series, time_format: str) -> pd.Series:
    """Parse a column as times in UTC, without a zone, with NaT for entries that are no times."""
    if not is_datetime64_any_dtype(entries):
        entries = entries.astype(str).str.strip()
    try:
        stamps = pd.to_datetime(entries, format=time_format, utc=True, errors="coerce")
    except ValueError as error:
        raise Refusal(
            f"time_format must be in the letters of strftime, as in %d/%m/%Y; received "
            f"{time_format!r}: {error}"
        ) from error
    stamps = stamps.dt.tz_localize(None)
    return stamps.where((stamps > pd.Timestamp.min) & (stamps < pd.Timestamp.max))


def _zones(entries: pd.Series) -> np.ndarray:
    """Return the UTC offset of each time, as it is written, and "" for none."""
    if is_datetime64_any_dtype(entries):
        zones = pd.Series(["" if entries.dt.tz is None else str(entries.dt.tz)] * len(entries))
    else:
        zones = entries.astype(str).str.strip().str.extract(OFFSET, expand=False).fillna("")
    return zones.replace(["Z", "UTC", "+00", "+0000"], "+00:00").to_numpy(str)
