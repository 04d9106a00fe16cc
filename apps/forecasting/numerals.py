"""How numbers are written: decimal commas, thousands, currency signs, units."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from apps.common.refusal import Refusal

MISSING = (
    *("-", "--", "---", "\N{EN DASH}", "\N{EM DASH}", ".", "..", "...", "?", "*", "n.a.", "\\N"),
    *("#DIV/0!", "#VALUE!", "#REF!", "#NUM!", "#NAME?"),
)
SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2019": "'", "\u2212": "-"})
CURRENCIES = (
    *("USD", "EUR", "GBP", "CHF", "JPY", "CNY", "INR", "AUD", "CAD", "NZD", "SEK", "NOK", "DKK"),
    *("PLN", "CZK", "HUF", "BRL", "MXN", "ZAR", "KRW", "SGD", "HKD", "TRY", "RUB", "US$", "R$"),
    *("A$", "C$", "kr", "Kr", "Rs", "Rs.", "Fr.", "z\u0142", "K\u010d"),
)
SHARES = ("%", "\u2030", "\u00b0", "\u00b0C", "\u00b0F")
MAGNITUDES = {"K": 1e3, "k": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
ENTRY = (
    r"^(?P<open>\()?(?P<sign>[+-]?)\s*(?P<prefix>[^\d\s.,'()+-][^\d\s,'()+-]{0,3})?\s*"
    r"(?P<inner>[+-]?)(?P<body>\d(?:[\d.,' ]*\d)?[.,]?|[.,]\d+)(?P<power>[eE][+-]?\d+)?"
    r"(?P<space>\s*)(?P<suffix>[^\d\s.,'()+-][^\d\s,'()]{0,7})?(?P<close>\))?(?P<trail>-)?$"
)
GROUPED = r"[1-9]\d{0,2}[.,]\d{3}"  # may be thousands, or three decimals
FLAGS = {"true": "1", "yes": "1", "false": "0", "no": "0"}


@dataclass(frozen=True)
class Style:
    """How the numbers of a column are written.

    Args:
        decimal: The decimal sign, or None where no entry has one.
        unit: What is written before or after each number, as a currency sign.
        scaled: Whether letters such as K and M multiply.
        plain: Whether Python reads the entries as they are.
        guessed: An entry that could mean two numbers, of which the file does not say which.
    """

    decimal: str | None = None
    unit: str = ""
    scaled: bool = False
    plain: bool = True
    guessed: str = ""


def find_style(entries: pd.Series, decimal: str | None = None) -> Style | None:
    """Return how the numbers of a column are written, or None if most entries are no numbers.

    Args:
        entries: Some entries.
        decimal: The decimal sign, if it is known.
    """
    if is_bool_dtype(entries):
        return None
    if is_numeric_dtype(entries):
        return Style()
    if decimal is None and (style := _plain_style(entries)):
        return style
    text = _clean(entries)
    if text.empty:
        return Style(decimal) if entries.isna().all() else None
    parts = text.str.extract(ENTRY)
    parts = parts[parts["body"].notna()]
    if not 2 * len(parts) > len(text):
        return None
    unit, scaled = _unit(parts)
    if unit is None:
        return None
    bodies, powers = parts["body"], parts["power"].notna()
    found, guessed = (decimal, "") if decimal else _decimal(bodies, powers)
    plain = found != "," and not guessed and _plain(text[parts.index]).all()
    return Style(found, unit, scaled, plain, guessed)


def odd_entry(entries: pd.Series) -> tuple[int, str, str] | None:
    """Return the first entry unlike the numbers that most entries of a column without style are.

    Returns:
        Its index, the entry, and a number that it is not written like; None if most entries are no
        numbers.
    """
    if is_bool_dtype(entries) or is_numeric_dtype(entries):
        return None
    text = _clean(entries)
    parts = text.str.extract(ENTRY)
    units = parts[["prefix", "suffix"]].fillna("").agg("".join, axis=1)
    units = units.where(parts["body"].notna())
    counts = units.value_counts()
    numbers = [unit for unit in counts.index if find_style(text[units == unit])]
    # A unit that is not known may be any word: only the one of most entries counts.
    known = [unit for unit in numbers if _is_known(unit) or unit == counts.index[0]]
    if not 2 * counts[known].sum() > len(text):
        return None
    odd = text.index[units != known[0]][0]
    return int(odd), str(text[odd]), str(text[units == known[0]].iloc[0])


def _is_known(unit: str) -> bool:
    return _currency(unit) or unit in SHARES or unit in MAGNITUDES


def _plain_style(entries: pd.Series) -> Style | None:
    """Return the style of numbers as Python writes them, without a doubt, or None."""
    text = entries.dropna().astype(str)
    if text.empty or pd.to_numeric(text, errors="coerce").isna().any():
        return None
    dotted = [entry for entry in text if "." in entry]
    if not dotted:
        return Style()
    certain = any(not re.fullmatch(GROUPED, entry.strip(" +-")) for entry in dotted)
    return Style(".") if certain else None


def _clean(entries: pd.Series) -> pd.Series:
    """Return the entries that are not missing, as text, with one kind of spaces and signs."""
    text = entries.dropna().astype(str).str.translate(SPACES).str.strip()
    return text[~text.isin(("", *MISSING))]


def _plain(text: pd.Series) -> pd.Series:
    return pd.to_numeric(text, errors="coerce").notna()


def _unit(parts: pd.DataFrame) -> tuple[str | None, bool]:
    """Return the unit of all entries, None if they have none in common, and if letters scale."""
    prefixes = set(parts["prefix"].dropna())
    suffixes = set(parts["suffix"].dropna())
    spaced = parts.loc[parts["suffix"].notna(), "space"].ne("").all()
    if not prefixes <= {""} and not all(map(_currency, prefixes)):
        return None, False
    if len(suffixes) > 1 and suffixes <= set(MAGNITUDES):
        suffixes, scaled = set(), True
    else:
        scaled = suffixes <= set(MAGNITUDES) and bool(suffixes) and parts["suffix"].isna().any()
        suffixes = set() if scaled else suffixes
    if len(prefixes | suffixes) > 1:
        return None, False
    for suffix in suffixes:
        if not _is_known(suffix) and not (spaced and parts["suffix"].notna().all()):
            return None, False
        if suffix in SHARES and parts["suffix"].isna().any():
            return None, False
    return next(iter(prefixes | suffixes), ""), scaled


def _currency(sign: str) -> bool:
    return sign in CURRENCIES or all(unicodedata.category(letter) == "Sc" for letter in sign)


def _decimal(bodies: pd.Series, powers: pd.Series) -> tuple[str | None, str]:
    """Return the decimal sign, or None and an entry that could be read in two ways."""
    dots, commas = (bodies.str.contains(sign, regex=False) for sign in ".,")
    signs = set()
    for sign, other, has in ((".", ",", dots), (",", ".", commas)):
        mine = bodies[has]
        both = mine[(dots & commas)[has]]
        if (both.str.rfind(sign) > both.str.rfind(other)).any():
            signs.add(sign)
        single = mine[~(dots & commas)[has]]
        if (single.str.count(re.escape(sign)) > 1).any():
            signs.add(other)  # so this one separates thousands
        lone = single[single.str.count(re.escape(sign)) == 1]
        if (~lone.str.fullmatch(GROUPED) | powers[lone.index]).any():
            signs.add(sign)
    if len(signs) == 1:
        return signs.pop(), ""
    if signs or not (dots.any() or commas.any()):
        return (".", "") if signs else (None, "")  # contradictions are refused at their rows
    bare = bodies[~(dots | commas)]
    longest = bare.str.replace(r"\D", "", regex=True).str.len().max() if len(bare) else 0
    if dots.any() != commas.any() and longest > 3:
        return ("." if dots.any() else ","), ""  # thousands would be separated there, too
    return None, str(bodies[dots | commas].iloc[0])


def settle(
    styles: dict[str, Style], every: dict[str, Style], separator: str | None, path: object
) -> dict[str, Style]:
    """Settle how 1,234 or 1.234 is read where a column alone does not say, and print guesses.

    Other columns of the file decide, otherwise the separator: a file with semicolons has decimal
    commas, and in a file with commas they separate thousands where they are quoted.

    Args:
        styles: The style of each column that is read.
        every: The style of each column of numbers.
        separator: What separates columns, or None for a file of another kind.
        path: The file, for messages.

    Raises:
        Refusal: If nothing decides.
    """
    known = {style.decimal for style in every.values() if style.decimal}
    settled = {}
    for name, style in styles.items():
        entry = style.guessed
        if not entry:
            settled[name] = style
            continue
        if len(known) == 1:
            decimal = next(iter(known))
        elif "," not in entry and separator != ";":
            decimal = "."
        elif "," in entry and separator in (",", ";"):
            decimal = "." if separator == "," else ","
        else:
            raise Refusal(
                f"{path}: {name!r} may have a decimal sign or separated thousands in {entry}; say "
                f"which with --decimal . or --decimal ,"
            )
        plain = decimal == "." and "," not in entry
        settled[name] = Style(decimal, style.unit, style.scaled, plain)
        if not plain and len(known) != 1:
            value = _convert(pd.Series([entry]), settled[name])[0].iloc[0]
            other = "," if decimal == "." else "."
            print(
                f"Data: {name!r}: read {entry} as {value:g}; say otherwise with --decimal {other}"
            )
    return settled


def flags(entries: pd.Series) -> pd.Series:
    """Return entries with 1 and 0 in place of yes and no, true and false."""
    if is_numeric_dtype(entries) and not is_bool_dtype(entries):
        return entries
    found = entries.astype(str).str.strip().str.lower().map(FLAGS)
    return found.where(found.notna(), entries.astype(object))


def parse(entries: pd.Series, style: Style) -> tuple[np.ndarray, np.ndarray]:
    """Parse a column as float64.

    Returns:
        The numbers, with NaN for entries that are missing or no numbers, and which entries are no
        numbers.
    """
    if is_numeric_dtype(entries) and not is_bool_dtype(entries):
        return entries.to_numpy("float64", na_value=np.nan), np.zeros(len(entries), bool)
    numbers = pd.Series(np.nan, entries.index)
    text = _clean(entries)
    if style.plain:
        numbers[text.index] = pd.to_numeric(text, errors="coerce")
        text = text[numbers[text.index].isna()]
    wrong = pd.Series(False, entries.index)
    if len(text):
        numbers[text.index], wrong[text.index] = _convert(text, style)
    return numbers.to_numpy(), wrong.to_numpy()


def _convert(text: pd.Series, style: Style) -> tuple[pd.Series, pd.Series]:
    parts = text.str.extract(ENTRY)
    body = parts["body"].fillna("")
    decimal = style.decimal or "."
    other = "," if decimal == "." else "."
    groups = "|".join(
        rf"\d{{1,3}}(?:{sign}\d{{2,3}})*{sign}\d{{3}}" for sign in (re.escape(other), " ", "'")
    )
    if style.decimal is None:  # no entry has said what commas mean
        groups = r"\d{1,3}(?:[ ']\d{3})+"
    whole = body.str.fullmatch(rf"(?:{groups}|\d+)?(?:{re.escape(decimal)}\d*)?")
    units = parts[["prefix", "suffix"]].fillna("").agg("".join, axis=1)
    factors = pd.Series(1.0, text.index)
    if style.scaled:
        factors = parts["suffix"].map(MAGNITUDES).fillna(1.0)
        units = parts["prefix"].fillna("").where(parts["suffix"].isin([*MAGNITUDES]), units)
    fits = whole & (body != "") & units.isin(["", style.unit] if _loose(style) else [style.unit])
    fits &= parts["open"].notna() == parts["close"].notna()
    digits = body.str.replace(rf"[{other} ']", "", regex=True).str.replace(decimal, ".")
    numbers = pd.to_numeric(digits + parts["power"].fillna(""), errors="coerce") * factors
    signs = parts[["sign", "inner", "trail"]].fillna("").agg("".join, axis=1)
    negative = signs.eq("-") | parts["open"].notna()
    fits &= signs.isin(["", "+", "-"]) & numbers.notna()
    return numbers.where(~negative, -numbers).where(fits), ~fits


def _loose(style: Style) -> bool:
    """Return whether an entry may leave out the unit: 0 is as much without a currency."""
    return _currency(style.unit)


def missing_markers(entries: pd.Series) -> Sequence[str]:
    """Return the entries that are signs for missing numbers."""
    if is_numeric_dtype(entries):
        return ()
    text = entries.dropna().astype(str).str.strip()
    return list(text[text.isin(MISSING)])
