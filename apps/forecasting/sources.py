"""The series that settings name, and files that a run forecasts, which may be written differently.

A run keeps in `series.json`, and of many series in `series_scales.csv`, what it has to know of
those it was trained on.
"""

import contextlib
import dataclasses
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from apps.common.json_files import SHOWN, check_types, read_object
from apps.common.refusal import Refusal
from apps.common.runs import Run
from apps.common.settings import RESTORE
from apps.forecasting.covariates import Words
from apps.forecasting.data import load
from apps.forecasting.panel_windows import (
    ID,
    MEAN,
    SCALE,
    VARIABLE,
    scales_like,
    scales_table,
)
from apps.forecasting.panels import Panel, named
from apps.forecasting.series import Series
from apps.forecasting.settings import Settings

KEPT, SCALES = "series.json", "series_scales.csv"
# How a file is written: settings of a run that may not be those of another file.
READING = ("time_format", "day_first", "separator", "decimal", "skip_rows", "no_header")


@dataclass(frozen=True)
class Kept:
    """What a run knows of its series; the first versions knew nothing.

    Args:
        frequency: The pandas alias of the step.
        time_format: How the times are written; None for a sample.
        static: The words of each static column, or None for one of numbers.
    """

    frequency: str | None = None
    time_format: str | None = None
    static: Words | None = None


def keep(folder: Run, series: Series | Panel) -> None:
    """Write what a run has to know of its series; of many also the scales of each."""
    static = series.covariates.words if series.covariates else None
    kept = Kept(series.frequency, series.time_format, static or None)
    folder.write_lines(KEPT, [json.dumps(dataclasses.asdict(kept))])
    if isinstance(series, Panel):
        folder.write_table(SCALES, scales_table(series))


def kept_scales(folder: Run, panel: Panel) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and deviation of each series, both `(series, variables)`.

    They are those of the training part of the run, or of all rows of a series that it did not have,
    which is printed.

    Raises:
        Refusal: If the file of the run is damaged.
        OSError: If it cannot be read.
    """
    path = folder.folder / SCALES
    try:
        table = pd.read_csv(path, dtype={ID: str, VARIABLE: str}, keep_default_na=False)
        new = [name for name in panel.ids if name not in set(table[ID])]
        scales = scales_like(panel, table.astype({MEAN: float, SCALE: float}))
    except (ValueError, KeyError) as error:
        raise Refusal(f"{path} is damaged: {error}") from error
    if new:
        print(
            f"Data: {len(new):,} series are not among those trained on and are scaled by the rows "
            f"given: {named(new)}"
        )
    return scales


def kept_by(folder: Run) -> Kept:
    """Read what `keep` wrote.

    Raises:
        Refusal: If the file is damaged.
    """
    if not (folder.folder / KEPT).exists():
        return Kept()
    file = folder.inside(KEPT)
    values = read_object(file, "what the run knows of its series", RESTORE)
    if unknown := sorted(values.keys() - {field.name for field in dataclasses.fields(Kept)}):
        raise Refusal(f"{file} is damaged: it must not hold {unknown[0]:.{SHOWN}}; {RESTORE}")
    return check_types(Kept(**values), str(file), RESTORE)


def load_series(
    settings: Settings, cache: Path | None = None, kept: Kept | None = None
) -> Series | Panel:
    """Load the series; those of a file are mapped into memory from the folder `cache`.

    Args:
        settings: The settings.
        cache: The folder.
        kept: What a run knows of the series it was trained on, which these must be like.
    """
    names = [
        "time_column",
        "columns",
        "series_column",
        "season",
        "max_gap",
        "validation_part",
        "test_part",
    ]
    names += ["sample"] if settings.source == "sample" else ["known", "past", "static"]
    options = {name: getattr(settings, name) for name in (*names, *READING)}
    if kept and settings.source != "sample":
        options |= {"frequency": kept.frequency, "like": kept.time_format}
        options |= {"kept_static": kept.static}
    return load(settings.source, cache=cache, **options)


def load_like(settings: Settings, kept: Kept, **given: Any) -> Series | Panel:
    """Load series to forecast, which are written as those of a run or in another way.

    Args:
        settings: The settings of the run, with the source of these series.
        kept: What the run knows of its series.
        **given: How these are written, as far as it is said.
    """
    given = {name: value for name, value in given.items() if value != getattr(Settings, name)}
    if settings.source == "sample":
        return load_series(replace(settings, **given))
    found = {name: getattr(Settings, name) for name in READING}
    if "time_format" in given or "day_first" in given:
        settings = replace(settings, time_format=None, day_first=None)
    known = replace(settings, **given)
    afresh = replace(settings, **{**found, **given})
    if known == afresh:
        return load_series(known, kept=kept)
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            series = load_series(known, kept=kept)
    except Refusal as error:
        print(f"Data: {settings.source} is not written as the settings of the run say: {error}")
        return load_series(afresh, kept=kept)
    print(printed.getvalue(), end="")
    return series


def load_series_of(folder: Run, settings: Settings, cache: Path | None = None) -> Series | Panel:
    """Load the series of a run, which may have changed since it was trained."""
    series = load_series(settings, cache, kept_by(folder))
    series.check_trainable(settings.window, settings.horizon)
    check_fits(series, folder.read_lines("variables.txt"), settings.window)
    return series


def check_fits(series: Series | Panel, names: Sequence[str], window: int) -> None:
    """Refuse series that a model with these variables and this window cannot forecast."""
    if list(series.names) != names:
        raise Refusal(
            f"{series.origin}: the model forecasts the columns {', '.join(names)}, in this order; "
            f"received {', '.join(series.names)}"
        )
    if isinstance(series, Series) and len(series.times) < window:
        raise Refusal(
            f"{series.origin}: the model needs the last {window:,} rows before the forecast; "
            f"received {len(series.times):,}"
        )
