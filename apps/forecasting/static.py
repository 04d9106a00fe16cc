"""Read columns that are the same in all rows of a series, of numbers or of words."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from apps.common.refusal import Refusal
from apps.forecasting.covariates import Words, static_names
from apps.forecasting.panels import named
from apps.forecasting.tables import Table


def read_static(
    table: Table,
    columns: Sequence[str],
    numbers: np.ndarray,
    ids: Sequence[str],
    left_out: np.ndarray,
    kept: Mapping[str, list[str] | None] | None = None,
) -> tuple[np.ndarray, tuple[str, ...], Words]:
    """Read columns that are the same in all rows of a series.

    Args:
        table: The table.
        columns: The columns.
        numbers: The number of the series of each row that is kept.
        ids: The names of the series.
        left_out: The numbers of rows to leave out.
        kept: What the columns held when a model was trained. A word that is not among them becomes
            zeros, which is printed.

    Returns:
        Values `(series, static)`, float32, the names of those, and what each column holds.

    Raises:
        Refusal: If a series has several values in a column, or none.
    """
    parts, words = [], {}
    for column in columns:
        of_numbers = kept[column] is None if kept else column in table.styles
        if of_numbers:
            blocks = list(table.values([column], left_out))
            entries = pd.Series(np.concatenate(blocks)[:, 0])
        else:
            chunks = list(table.chunks([column], text=True, has_missing=False))
            texts = pd.concat([chunk[column] for chunk in chunks], ignore_index=True)
            texts = texts.astype(str).str.strip().replace("", None)
            entries = texts.drop(left_out).reset_index(drop=True)
        values = _constant(table, column, entries, numbers, ids)
        if of_numbers:
            words[column] = None
            parts.append(values.to_numpy("float32")[:, None])
            continue
        known = (kept[column] if kept else None) or sorted(set(values))
        unknown = sorted(set(values) - set(known))
        if unknown:
            print(
                f"Data: {column!r} holds what no series trained on had, and counts as none of "
                f"these: {named(unknown)}"
            )
        words[column] = known
        parts.append(np.stack([(values == word).to_numpy("float32") for word in known], axis=1))
    static = np.concatenate(parts, axis=1) if parts else np.zeros((len(ids), 0), "float32")
    names = (name for column in columns for name in static_names(column, words[column]))
    return static, tuple(names), words


def _constant(
    table: Table, column: str, entries: pd.Series, numbers: np.ndarray, ids: Sequence[str]
) -> pd.Series:
    """Return the one value that each series has in a column."""
    present = entries.notna().to_numpy()
    first = entries[present].groupby(numbers[present]).first()
    expected = first.reindex(numbers[present]).to_numpy()
    for row in np.flatnonzero(entries[present].to_numpy() != expected)[:1]:
        number = numbers[present][row]
        raise Refusal(
            f"{table.path}: {column!r} must be the same in all rows of a series, and the series "
            f"{ids[number]!r} has {first[number]!s} and {entries[present].iloc[row]!s}; correct "
            f"it, or give the column as --known or --past"
        )
    values = first.reindex(range(len(ids)))
    for number in np.flatnonzero(values.isna())[:1]:
        raise Refusal(
            f"{table.path}: {column!r} has no value for the series {ids[number]!r}; give it one, "
            f"or leave the column out of --static"
        )
    return values
