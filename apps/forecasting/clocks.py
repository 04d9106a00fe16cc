"""The column of times in a table, or the columns: date and hour, or year and month, apart."""

import re
from collections.abc import Collection
from dataclasses import dataclass

import pandas as pd
from pandas.api.types import is_datetime64_any_dtype

from apps.forecasting import zones
from apps.forecasting.grids import frequency_of
from apps.forecasting.times import DECIMAL_YEAR, EXCEL, candidates, parse

NAMES = ("date", "time", "datetime", "timestamp", "ds", "month")
# Names that numbers may have, too; their column is taken if no other holds times.
LATER_NAMES = re.compile(
    r"year|quarter|week|period|day|unix|epoch|utc|ts|.*(date|time|stamp|datum|zeit|fecha).*|jahr"
)
UNSURE = ("%Y", EXCEL, DECIMAL_YEAR)  # what other numbers may look like, unless they are regular
CLOCK_NAMES = ("time", "hour", "hr", "clock", "uhrzeit", "zeit", "stunde", "heure", "hora", "ora")
CLOCK = r"\d{1,2}(?:[:.h]\d{2}){1,2}(?:\s*[AaPp]\.?\s?[Mm]\.?)?"
INTERVAL = r"(\S+ \d{1,2}:\d{2}(?::\d{2})?)\s+[-\u2013]\s+\S+ \d{1,2}:\d{2}(?::\d{2})?"
CLOCK_INTERVAL = r"(\d{1,2}:\d{2})\s*[-\u2013]\s*\d{1,2}:\d{2}"
PARTS = {
    "year": ("year", "yr", "yyyy", "jahr"),
    "month": ("month", "mo", "mon", "monat"),
    "day": ("day", "dy", "mday", "tag"),
    "hour": ("hour", "hr", "stunde"),
    "minute": ("minute", "min"),
    "quarter": ("quarter", "qtr", "quartal"),
    "week": ("week", "isoweek", "kw"),
}


@dataclass(frozen=True)
class TimeColumn:
    """One column of times, a date and an hour in two, or parts such as year and month in several.

    Args:
        names: The columns: one, a date and an hour, or parts in the order of `PARTS`.
        parts: What they hold, if they are parts.
    """

    names: tuple[str, ...]
    parts: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name for messages."""
        return " and ".join(self.names)

    def entries(self, table: pd.DataFrame) -> pd.Series:
        """Return the times of some rows as they are written, in one column."""
        if self.parts:
            return self._joined(table)
        entries = zones.spell_out(_begin(table[self.names[0]], INTERVAL))
        if len(self.names) == 1 or is_datetime64_any_dtype(entries):
            return entries
        dates = entries.astype(str).str.strip().str.replace(r"[T ]0?0:00(:00)?$", "", regex=True)
        hours = _clock(table[self.names[1]])
        return (dates + " " + hours).where(entries.notna() & hours.notna())

    def _joined(self, table: pd.DataFrame) -> pd.Series:
        columns = dict(zip(self.parts, (table[name] for name in self.names), strict=True))
        numbers = {
            part: pd.to_numeric(entries, errors="coerce") for part, entries in columns.items()
        }
        digits = {part: number.astype("Int64").astype(str) for part, number in numbers.items()}
        joined = digits["year"]
        if "quarter" in digits:
            joined = joined + "Q" + digits["quarter"]
        elif "week" in digits:
            joined = joined + "-W" + digits["week"].str.zfill(2)
        else:
            month = digits["month"].str.zfill(2)
            named = columns["month"].astype(str).str.strip().str[:3]
            joined = joined + "-" + month.where(numbers["month"].notna(), named)
            if "day" in digits:
                joined = joined + "-" + digits["day"].str.zfill(2)
            if "hour" in digits:
                minute = digits["minute"].str.zfill(2) if "minute" in digits else "00"
                joined = joined + " " + digits["hour"].str.zfill(2) + ":" + minute
        return joined.where(~pd.DataFrame(columns).isna().any(axis=1))


def _begin(entries: pd.Series, interval: str) -> pd.Series:
    """Return the beginnings of intervals, if the first entry is one."""
    first = next(iter(entries.dropna()), None)
    if not isinstance(first, str) or not re.fullmatch(interval, first.strip()):
        return entries
    return entries.str.strip().str.replace(f"^{interval}$", r"\1", regex=True)


def _clock(entries: pd.Series) -> pd.Series:
    """Return the time of a day as HH:MM or HH:MM:SS; whole numbers are hours, or HHMM."""
    text = _begin(entries, CLOCK_INTERVAL).astype(str).str.strip()
    numbers = pd.to_numeric(text, errors="coerce")
    if numbers.notna().mean() > 0.5 and not text.str.contains(r"\.\d\d$").mean() > 0.5:
        whole = numbers.round().astype("Int64")
        if whole.max() > 24:
            padded = whole.astype(str).str.zfill(4)
            text = padded.str[:2] + ":" + padded.str[2:]
        else:
            text = whole.astype(str).str.zfill(2) + ":00"
    else:
        text = text.str.replace(r"(\d)[.h](?=\d\d)", r"\1:", regex=True)
    return text.where(entries.notna())


def find_time_column(
    head: pd.DataFrame,
    given: str | None,
    time_format: str | None,
    numeric: Collection[str],
) -> TimeColumn | None:
    """Find the column of times, or the columns.

    It is one named as in `NAMES`, in upper or lower case, otherwise the first that holds times and
    no numbers, then columns with the parts of times, then one of numbers whose name or place says
    that they are times. Where each date occurs several times and another column has hours, both
    belong together.

    Args:
        head: The first rows, as text.
        given: The column, if it is known.
        time_format: How times are written, if that is known.
        numeric: The columns of numbers.
    """
    found = given or _find(head, time_format, numeric)
    if found is None or isinstance(found, TimeColumn):
        return found
    partner = _partner(head, found)
    return TimeColumn((found,) if partner is None else (found, partner))


def _find(
    head: pd.DataFrame, time_format: str | None, numeric: Collection[str]
) -> str | TimeColumn | None:
    order = {name: rank for rank, name in enumerate(NAMES)}
    plain = {name: name.strip(" #").lower() for name in head}
    named = sorted((name for name in head if plain[name] in order), key=lambda n: order[plain[n]])
    for name in [*named, *(name for name in head if name not in numeric)]:
        if _holds_times(head[name], time_format):
            return name
    if time_format:
        return None
    if parts := _find_parts(head, plain):
        return parts
    later = [name for name in head if LATER_NAMES.fullmatch(plain[name])]
    for name in later:
        if _holds_times(head[name], time_format):
            return name
    first = next(iter(head))
    readings = candidates(head[first])
    if readings and readings[0] != EXCEL and _regular(head[first], readings[0]):
        return first
    return None


def _holds_times(entries: pd.Series, time_format: str | None) -> bool:
    entries = zones.spell_out(_begin(entries, INTERVAL))
    if time_format:
        return 2 * parse(entries, time_format).count() > entries.count()
    readings = candidates(entries)
    return bool(readings) and (readings[0] not in UNSURE or _regular(entries, readings[0]))


def _regular(entries: pd.Series, reading: str) -> bool:
    return frequency_of(parse(entries, reading).dropna().to_numpy("datetime64[ns]")) is not None


def _partner(head: pd.DataFrame, name: str) -> str | None:
    """Return the column of hours that belongs to a column of dates, if there is one."""
    dates = head[name].dropna()
    if is_datetime64_any_dtype(dates) or not dates.duplicated(keep=False).mean() > 0.5:
        return None
    for other in head:
        entries = _begin(head[other].dropna(), CLOCK_INTERVAL).astype(str).str.strip()
        if other == name or entries.empty:
            continue
        is_clock = entries.str.fullmatch(CLOCK)
        if other.strip().lower() in CLOCK_NAMES:
            is_clock |= entries.str.fullmatch(r"\d{1,4}(?:\.0)?")
        elif not entries.str.contains(":").all():
            continue
        if is_clock.mean() > 0.9 and entries.nunique() > 1:
            return other
    return None


def _find_parts(head: pd.DataFrame, plain: dict[str, str]) -> TimeColumn | None:
    found: dict[str, str] = {}
    for part, spellings in PARTS.items():
        for name in head:
            if plain[name] in spellings and part not in found:
                found[part] = name
    if "year" not in found or not found.keys() & {"month", "quarter", "week"}:
        return None
    if "month" in found:
        order = ("year", "month", "day", "hour", "minute")
        parts = []
        for part in order:  # a day counts only with a month, an hour only with a day
            if part not in found:
                break
            parts.append(part)
    else:
        parts = ["year", "quarter" if "quarter" in found else "week"]
    column = TimeColumn(tuple(found[part] for part in parts), tuple(parts))
    return column if candidates(column.entries(head)) else None
