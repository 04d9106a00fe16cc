"""How times are written: the readings that fit a column, and the times by each.

A reading is a format in the letters of `strftime`, `"ISO8601"`, or one of `WORDS`.
"""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from pandas.api.types import is_datetime64_any_dtype

from apps.common.refusal import Refusal
from apps.forecasting.zones import localize, split_regions

ISO = "ISO8601"
EPOCHS = {"unix": "s", "unix_ms": "ms", "unix_us": "us", "unix_ns": "ns"}
EXCEL, QUARTER, WEEK, DECIMAL_YEAR = "excel", "quarter", "week", "decimal_year"
WORDS = {
    "unix": "seconds since 1970, in UTC",
    "unix_ms": "milliseconds since 1970, in UTC",
    "unix_us": "microseconds since 1970, in UTC",
    "unix_ns": "nanoseconds since 1970, in UTC",
    EXCEL: "days as Excel counts them",
    QUARTER: "quarters",
    WEEK: "weeks of ISO 8601, each by its Monday",
    DECIMAL_YEAR: "years with a fraction",
}
# Years are those of a plausible series: six digits may also be a day of this century.
BY_DIGITS = {
    4: ("%Y",),
    5: (EXCEL,),
    6: ("%Y%m", "%y%m%d", "%d%m%y"),
    8: ("%Y%m%d", "%d%m%Y", "%m%d%Y"),
    10: ("%Y%m%d%H", "unix"),
    12: ("%Y%m%d%H%M",),
    13: ("unix_ms",),
    14: ("%Y%m%d%H%M%S",),
    16: ("unix_us",),
    19: ("unix_ns",),
}
PLAUSIBLE = (pd.Timestamp("1750"), pd.Timestamp("2150"))  # for digits alone
DIGITS = r"\d+(?:\.\d+)?"
QUARTERS = (
    r"(?P<year>\d{4})[-\s/.:]?[QqTt](?P<quarter>[1-4])",
    r"[QqTt](?P<quarter>[1-4])[-\s/.:]?(?P<year>\d{4})",
    r"(?P<quarter>[1-4])[QqTt][-\s/.:]?(?P<year>\d{4})",
)
WEEKS = (
    r"(?P<year>\d{4})[-\s/]?(?:W|w|KW|CW)[-\s]?(?P<week>\d{1,2})(?:-?(?P<day>[1-7]))?",
    r"(?:W|w|KW|CW)\s?(?P<week>\d{1,2})[-\s/](?P<year>\d{4})",
)
WEEKDAY = r"^(?P<weekday>(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*)(?P<comma>,?\s+)"
CLOCK = (
    r"(?P<before>T|,?\s+|:|$)(?:\d{1,2}(?:(?P<sep>[:.])\d{2}(?P<seconds>(?P=sep)\d{2})?"
    r"(?P<fraction>\.\d{1,9})?)?(?P<space>\s*)(?P<half>[AaPp][Mm])?)?$"
)
ZONE = r"(?P<space>\s*)(?P<zone>Z|UTC|[+-]\d\d(?::?\d\d)?)$"
EXAMPLE_ROWS = 5  # that candidates are taken from


def candidates(entries: pd.Series) -> list[str]:
    """Return the readings that most of the entries fit, as many as the best one."""
    entries = entries.dropna()
    if is_datetime64_any_dtype(entries):
        return [ISO]
    text = clean(entries)
    if not len(text):
        return []
    digits = text.str.fullmatch(DIGITS)
    if digits.mean() > 0.5:
        tried = _digit_readings(text[digits])
    else:
        if not 2 * text.str.contains(r"\d", regex=True).sum() > len(text):
            return []
        bare, _ = split_regions(text)
        examples = [bare.iloc[int(row)] for row in np.linspace(0, len(bare) - 1, EXAMPLE_ROWS)]
        joined = " ".join(examples)
        words = [QUARTER] if re.search("[QqTt]", joined) else []
        words += [WEEK] if re.search("[WwK]", joined) else []
        if re.search(r"\d{4}", joined):
            if parse(entries, ISO).notna().all():
                return [ISO]
            words.append(ISO)
        tried = [*words, *dict.fromkeys(form for one in examples for form in _formats(one))]
    counts = {reading: parse(entries, reading, plausible=digits.any()).count() for reading in tried}
    best = max(counts.values(), default=0)
    if not 2 * best > len(entries):
        return []
    fitting = [reading for reading, count in counts.items() if count == best]
    # A calendar with hours, whose digits have to be months, days and hours, fits no other numbers.
    certain = [reading for reading in fitting if reading in (ISO, "%Y%m%d%H")]
    return certain or fitting


def _digit_readings(text: pd.Series) -> Sequence[str]:
    whole, _, fraction = text.iloc[0].partition(".")
    for entry in text:  # some years have no fraction
        if "." in entry and entry.rpartition(".")[2].strip("0"):
            whole, _, fraction = entry.partition(".")
            break
    if len(whole) == 4 and fraction:
        return ("%Y.%m", DECIMAL_YEAR) if len(fraction) == 2 else (DECIMAL_YEAR,)
    return BY_DIGITS.get(len(whole), ())


def _formats(entry: str) -> list[str]:
    """Return formats in the letters of strftime that may fit an entry that is not ISO 8601."""
    entry, zone = _cut(entry, ZONE)
    tail = (zone["space"] + "%z") if zone else ""
    entry, weekday = _cut(entry, WEEKDAY, re.IGNORECASE)
    head = ""
    if weekday:
        head = ("%a" if len(weekday["weekday"]) == 3 else "%A") + weekday["comma"]
    formats = []
    for pattern, dates in DATES:
        if not (found := re.match(pattern, entry, re.IGNORECASE)):
            continue
        if not (clock := re.match(CLOCK, entry[found.end() :])):
            continue
        name = found.groupdict().get("month") or ""
        month = "%b" if len(name) == 3 else "%B"
        for date in dates:
            date = date.replace("%b", month)
            for separator in ("1", "2"):
                date = date.replace(separator, found.groupdict().get(f"s{separator}") or "")
            formats.append(head + date + _clock_format(clock) + tail)
    return formats


def _clock_format(clock: re.Match) -> str:
    """Return the format of the time of a day, with what separates it from the day."""
    if not clock["before"]:
        return ""
    hour = "%I" if clock["half"] else "%H"
    parts = hour
    if clock["sep"]:
        parts += clock["sep"] + "%M" + (clock["sep"] + "%S" if clock["seconds"] else "")
        parts += ".%f" if clock["fraction"] else ""
    return clock["before"] + parts + (clock["space"] + "%p" if clock["half"] else "")


def _cut(entry: str, pattern: str, flags: int = 0) -> tuple[str, re.Match | None]:
    found = re.search(pattern, entry, flags)
    if found and found["zone" if "zone" in found.groupdict() else "weekday"]:
        if "zone" in found.groupdict() and ":" not in entry[: found.start()]:
            return entry, None  # the end of a date, as in 1-2-2021
        return entry[: found.start()] + entry[found.end() :], found
    return entry, None


_S1, _S2 = r"(?P<s1>[-/. ])", r"(?P<s2>(?P=s1))"
_MONTH = r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
_MONTH += r"sep(?:tember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
_LOOSE1, _LOOSE2 = r"(?P<s1>[-/. ]{0,2})", r"(?P<s2>[-/. ,]{0,2})"
# Patterns of dates and their formats; 1 and 2 stand for the separators.
DATES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (rf"\d{{4}}{_S1}\d{{1,2}}{_S2}\d{{1,2}}(?!\d)", ("%Y1%m2%d",)),
    (rf"\d{{1,2}}{_S1}\d{{1,2}}{_S2}\d{{4}}(?!\d)", ("%m1%d2%Y", "%d1%m2%Y")),
    (rf"\d{{1,2}}{_S1}\d{{1,2}}{_S2}\d{{2}}(?!\d)", ("%m1%d2%y", "%d1%m2%y")),
    (rf"\d{{2}}{_S1}\d{{1,2}}{_S2}\d{{1,2}}(?!\d)", ("%y1%m2%d",)),
    (rf"\d{{4}}{_S1}\d{{1,2}}(?![-/.\d])", ("%Y1%m",)),
    (rf"\d{{1,2}}{_S1}\d{{4}}(?![-/.\d])", ("%m1%Y",)),
    (r"\d{4}(?P<s1>-?[Mm])\d{1,2}(?!\d)", ("%Y1%m",)),
    (rf"\d{{1,2}}{_LOOSE1}{_MONTH}{_LOOSE2}\d{{4}}(?!\d)", ("%d1%b2%Y",)),
    (rf"\d{{1,2}}{_LOOSE1}{_MONTH}{_LOOSE2}\d{{2}}(?!\d)", ("%d1%b2%y",)),
    (rf"\d{{4}}{_LOOSE1}{_MONTH}{_LOOSE2}\d{{1,2}}(?!\d)", ("%Y1%b2%d",)),
    (rf"{_MONTH}{_LOOSE1}\d{{1,2}}(?P<s2>,? )\d{{4}}(?!\d)", ("%b1%d2%Y",)),
    (rf"{_MONTH}{_LOOSE1}\d{{4}}(?!\d)", ("%b1%Y",)),
    (rf"{_MONTH}(?P<s1>[-/. ]'?|')\d{{2}}(?!\d)", ("%b1%y",)),
    (rf"\d{{4}}{_LOOSE1}{_MONTH}(?![a-z])", ("%Y1%b",)),
    (rf"\d{{2}}(?P<s1>[-/. ]){_MONTH}(?![a-z])", ("%y1%b",)),
)


def clean(entries: pd.Series) -> pd.Series:
    """Return entries as text, in the spelling that the readings expect."""
    text = entries.astype(str).str.strip()
    if len(text) and text.str.contains(r"[AaPp]\. ?[Mm]\.?$|Sept", regex=True).any():
        text = text.str.replace(r"([AaPp])\. ?[Mm]\.?$", r"\1M", regex=True)
        text = text.str.replace(r"\bSept\b", "Sep", regex=True)
    return text


def parse(entries: pd.Series, reading: str, plausible: bool = False) -> pd.Series:
    """Parse entries as times in UTC, without a zone.

    Args:
        entries: The entries of a column.
        reading: How they are written.
        plausible: Take only years in the range of plausible series.

    Returns:
        The times, with NaT for entries that are no times from 1678 to 2261.

    Raises:
        Refusal: If there is no such reading.
    """
    if is_datetime64_any_dtype(entries):
        stamps = pd.to_datetime(entries, utc=True)
    elif reading in WORDS:
        stamps = _parse_words(entries, reading)
    else:
        text, regions = split_regions(clean(entries))
        stamps = _parse_format(text, reading)
        if (failed := stamps.isna() & entries.notna()).any() and not failed.all():
            stamps = stamps.where(~failed, _mend(text[failed], reading))
        if regions is not None:
            stamps = localize(stamps, regions)
    stamps = stamps.dt.tz_localize(None)
    first, last = PLAUSIBLE if plausible else (pd.Timestamp.min, pd.Timestamp.max)
    return stamps.where((stamps > first) & (stamps < last)).where(entries.notna())


def _parse_format(text: pd.Series, reading: str) -> pd.Series:
    try:
        return pd.to_datetime(text, format=reading, utc=True, errors="coerce")
    except ValueError as error:
        raise Refusal(
            f"time_format must be in the letters of strftime, as in %d/%m/%Y, or one of "
            f"{', '.join(WORDS)}; received {reading!r}: {error}"
        ) from error


def _mend(text: pd.Series, reading: str) -> pd.Series:
    """Parse what two habits leave: 24:00 for the end of a day, and midnight left out."""
    late = text.str.contains(r"\b24[:.]00", regex=True)
    stamps = _parse_format(text.str.replace(r"\b24([:.]00)", r"00\1", regex=True), reading)
    stamps = stamps + pd.to_timedelta(late.astype(int), "D")
    if date := re.match(r"(.*%[Yydmb])[T, ]+%[HI]", reading):
        stamps = stamps.fillna(_parse_format(text, date[1]))
    return stamps


def _parse_words(entries: pd.Series, reading: str) -> pd.Series:
    nothing = pd.Series(pd.NaT, entries.index, "datetime64[ns, UTC]")
    if reading in (QUARTER, WEEK):
        text = clean(entries)
        for pattern in QUARTERS if reading == QUARTER else WEEKS:
            parts = text.str.extract(f"^{pattern}$")
            if reading == QUARTER:
                month = 3 * pd.to_numeric(parts["quarter"]) - 2
                dates, form = parts["year"] + "-" + month.astype("Int64").astype(str), "%Y-%m"
            else:
                day = parts["day"].fillna("1") if "day" in parts else "1"
                dates, form = parts["year"] + "-" + parts["week"] + "-" + day, "%G-%V-%u"
            nothing = nothing.fillna(pd.to_datetime(dates, format=form, utc=True, errors="coerce"))
        return nothing
    numbers = pd.to_numeric(entries, errors="coerce")
    if reading == DECIMAL_YEAR:
        months = np.round(numbers * 12)
        months = months.where((numbers * 12 - months).abs() < 0.02)
        months = months.where(months.between(12 * 1678, 12 * 2261)).astype("Int64")
        text = (months // 12).astype(str) + "-" + (months % 12 + 1).astype(str)
        return pd.to_datetime(text, format="%Y-%m", utc=True, errors="coerce")
    if reading == EXCEL:  # to the millisecond: the fraction of a day is rounded in the file
        numbers = np.round((numbers - 25569) * 86_400_000)
        numbers = numbers.where(numbers.abs() < 9e12)
    elif not numbers.dropna().mod(1).any():
        numbers = pd.to_numeric(entries, errors="coerce", downcast=None).astype("Int64")
    unit = EPOCHS.get(reading, "ms")
    return pd.to_datetime(numbers, unit=unit, utc=True, errors="coerce")
