"""Time zones: UTC offsets, abbreviations such as CET, and regions such as Europe/Berlin."""

import re
import zoneinfo

import numpy as np
import pandas as pd
from pandas.api.types import is_datetime64_any_dtype

from apps.common.refusal import Refusal

OFFSET = r"(?:T\d\d|:\d\d(?:\.\d+)?)\s*(Z|UTC|[+-]\d\d(?::?\d\d)?)$"
ABBREVIATION = r"(\d|[AaPp][Mm])\s*\(?([A-Z]{3,5})\)?$"
REGION = r"\s*\[?([A-Z][A-Za-z]+/[A-Za-z_+\-0-9/]+)\]?$"
# Abbreviations that stand for one zone; IST, for example, may be India, Israel or Ireland.
ABBREVIATIONS = {
    **{"UTC": "+00:00", "GMT": "+00:00", "WET": "+00:00", "WEST": "+01:00", "BST": "+01:00"},
    **{"CET": "+01:00", "CEST": "+02:00", "MEZ": "+01:00", "MESZ": "+02:00"},
    **{"EET": "+02:00", "EEST": "+03:00", "MSK": "+03:00"},
    **{"EST": "-05:00", "EDT": "-04:00", "CST": "-06:00", "CDT": "-05:00"},
    **{"MST": "-07:00", "MDT": "-06:00", "PST": "-08:00", "PDT": "-07:00"},
    **{"JST": "+09:00", "KST": "+09:00", "AEST": "+10:00", "AEDT": "+11:00"},
}


def spell_out(entries: pd.Series) -> pd.Series:
    """Return times with UTC offsets in place of the abbreviations of zones."""
    text = entries.dropna()
    if text.empty or is_datetime64_any_dtype(entries):
        return entries
    text = text.astype(str).str.strip()
    first = re.search(ABBREVIATION, text.iloc[0])
    if not first or first[2] not in ABBREVIATIONS:
        return entries
    names = text.str.extract(ABBREVIATION)[1]
    offsets = names.map(ABBREVIATIONS)
    bare = text.str.replace(ABBREVIATION, r"\1", regex=True)
    return entries.where(~entries.index.isin(offsets.dropna().index), bare + offsets)


def split_regions(text: pd.Series) -> tuple[pd.Series, pd.Series | None]:
    """Split times in the zones of regions into what the clocks show, and the regions."""
    if text.empty or not re.search(REGION, text.iloc[0]):
        return text, None
    if re.search(r"[+-]\d\d:?\d\d\s*\[", text.iloc[0]):  # both, as in 01:00+01:00[Europe/Berlin]
        return text.str.replace(REGION, "", regex=True), None
    regions = text.str.extract(REGION, expand=False)
    return text.str.replace(REGION, "", regex=True), regions


def localize(stamps: pd.Series, regions: pd.Series) -> pd.Series:
    """Convert what clocks show in regions to UTC, with NaT for what they never show, or twice.

    Hours that clocks show twice are told apart where both are there, one after the other.

    Raises:
        Refusal: If there is no such region.
    """
    shown = stamps.dt.tz_localize(None)
    found = [stamps[regions.isna()]]
    for region, part in shown.groupby(regions):
        try:
            zone = zoneinfo.ZoneInfo(str(region))
        except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
            raise Refusal(
                f"there is no time zone {region!r}; write times in UTC or with UTC offsets"
            ) from error
        local = part.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
        twice = local.isna() & part.duplicated(keep=False)
        if twice.any():  # summer time comes first
            descending = part.iloc[0] > part.iloc[-1]
            summer = ~part.duplicated(keep="last" if descending else "first")
            each = part.dt.tz_localize(zone, ambiguous=summer.to_numpy(), nonexistent="NaT")
            local = local.where(~twice, each)
        found.append(local.dt.tz_convert("UTC"))
    return pd.concat(found).reindex(stamps.index)


def offsets_of(entries: pd.Series) -> np.ndarray:
    """Return the UTC offset or the region of each time, and "" for none."""
    if is_datetime64_any_dtype(entries):
        zones = pd.Series(["" if entries.dt.tz is None else str(entries.dt.tz)] * len(entries))
    else:
        text = entries.astype(str).str.strip()
        zones = text.str.extract(OFFSET, expand=False)
        if split_regions(text)[1] is not None:
            zones = zones.fillna(split_regions(text)[1])
        zones = zones.fillna("")
    return zones.replace(["Z", "UTC", "+00", "+0000"], "+00:00").to_numpy(str)
