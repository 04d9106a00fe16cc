"""Series in a long table: a row for each case and time.

It has a column for each channel, or columns of the channel and the value.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from apps.common.data.records import Records
from apps.common.refusal import Refusal
from apps.recognition.examples import Example
from apps.recognition.layouts import as_number, stacked, with_labels

NAMES = {  # usual names of the columns of a long table, in small letters and digits
    "case": ("case", "caseid", "id", "instance", "instanceid", "series", "seriesid", "sample"),
    "time": ("time", "timestamp", "timepoint", "step", "reading", "readingid", "t", "index"),
    "channel": ("channel", "channelid", "dim", "dimid", "dimension", "variable"),
    "value": ("value", "values", "measurement"),
    "label": ("label", "class", "target", "gesture", "activity"),
}


def read_long(
    path: Path, records: Records, label_column: str | None
) -> tuple[list[Example], tuple[str, ...]]:
    """Read a long table: a row for each case and time.

    Args:
        path: The file.
        records: Its rows.
        label_column: The column of the label; found by its name if None.

    Returns:
        The examples, and the names of the channels.

    Raises:
        Refusal: If a column is missing, or a value is no number.
    """
    names = list(records.head(1))
    columns = _columns(path, names, label_column)
    is_long = "channel" in columns
    channels = [] if is_long else [name for name in names if name not in columns.values()]
    if not is_long and not channels:
        raise Refusal(f"{path}: there is no column of a channel among {names}: add one")
    cases: dict[str, dict[str, list[tuple[float, float]]]] = {}
    labels: dict[str, str] = {}
    for number, (place, fields) in enumerate(records.select([*columns.values(), *channels])):
        texts = [as_text(field) for field in fields]
        row = dict(zip(columns, texts, strict=False))
        time = as_number(row["time"], place) if "time" in row else float(number)
        case = row["case"]
        before = labels.setdefault(case, row["label"])
        if before != row["label"]:
            raise Refusal(
                f"{place}: the label of a case must be the same in all of its rows; case {case!r} "
                f"has {before!r} and {row['label']!r}"
            )
        if is_long:
            measured = {row["channel"]: row["value"]}
        else:
            measured = dict(zip(channels, texts[len(columns) :], strict=True))
        for channel, value in measured.items():
            series = cases.setdefault(case, {}).setdefault(channel, [])
            series.append((time, as_number(value, place)))
    if is_long:
        channels = sorted({channel for case in cases.values() for channel in case})
    examples = []
    for case, series_of in cases.items():
        where = f"{path}, case {case}"
        if missing := [name for name in channels if name not in series_of]:
            raise Refusal(f"{where}: the channel {missing[0]!r} is missing: complete the case")
        ordered = [sorted(series_of[name], key=lambda row: row[0]) for name in channels]
        values = [np.array([value for _, value in rows], "float32") for rows in ordered]
        examples.append(Example(where, stacked(values, where), "", labels[case]))
    return with_labels(examples, path), tuple(channels)


def _columns(path: Path, names: Sequence[str], label_column: str | None) -> dict[str, str]:
    """Return the column of each role that the table has, of channel and value both or neither."""
    found = {role: name for role, usual in NAMES.items() if (name := _named(names, usual))}
    if label_column is not None:
        if label_column not in names:
            raise Refusal(f"{path}: there is no column {label_column!r} among {names}")
        found["label"] = label_column
    for role in ("case", "label"):
        if role not in found:
            advice = " or name it by --label-column" if role == "label" else ""
            raise Refusal(f"{path}: there is no column {role!r} among {names}: add it{advice}")
    if {"channel", "value"} <= found.keys():
        return found
    return {role: name for role, name in found.items() if role not in ("channel", "value")}


def as_text(value: Any) -> str:
    """Return the value of a field as text, empty if there is none."""
    return "" if value is None else str(value).strip()


def _named(names: Sequence[str], usual: Sequence[str]) -> str | None:
    """Return the first column with a usual name, or None."""
    found = {"".join(filter(str.isalnum, name.casefold())): name for name in names}
    return next((found[name] for name in usual if name in found), None)
