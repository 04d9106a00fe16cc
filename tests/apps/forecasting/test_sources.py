"""Files to forecast are read as those of the run, or as they are written."""

import ast
import dataclasses
import inspect
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from apps import forecasting
from apps.common.refusal import Refusal
from apps.common.runs import Run
from apps.forecasting import app
from apps.forecasting.settings import Settings
from apps.forecasting.sources import Kept, keep, kept_by, load_like, load_series
from tests.apps.forecasting.written import DAYS, MONTHS, VALUES, check, comma, lines

YEAR = pd.date_range("2021-01-01", periods=12, freq="MS")


def write(path, content):
    path.write_text(content)
    return str(path)


def test_a_run_keeps_what_it_has_to_know(tmp_path):
    settings = Settings(source=write(tmp_path / "a.csv", lines(MONTHS.strftime("%b-%y"), VALUES)))
    folder = Run.begin(tmp_path / "run", settings)
    assert kept_by(folder) == Kept()  # the first versions kept nothing
    keep(folder, load_series(settings))
    assert kept_by(folder) == Kept("MS", "%b-%y")
    (tmp_path / "run" / "series.json").write_text("{")
    with pytest.raises(Refusal, match=r"series\.json cannot be read"):
        kept_by(folder)


def test_a_file_is_read_by_the_frequency_of_the_run(tmp_path, capsys):
    source = write(tmp_path / "new.csv", lines(YEAR.strftime("%d/%m/%Y"), VALUES[:12]))
    settings = Settings(source=source)
    check(load_like(settings, Kept("MS", "ISO8601")), YEAR, VALUES[:12])
    words = "read 01/02/2021 as 2021-02-01 (%d/%m/%Y), as their frequency is then MS, as in the"
    assert words in capsys.readouterr().out
    check(load_like(settings, Kept("D", "ISO8601")), DAYS[:12], VALUES[:12])
    with pytest.raises(Refusal, match="can be read in 2 ways"):
        load_like(settings, Kept())
    check(load_like(settings, Kept(), day_first=True), YEAR, VALUES[:12])
    check(load_like(settings, Kept("MS", "%d/%m/%Y"), day_first=True), YEAR, VALUES[:12])
    with pytest.raises(Refusal, match="with the frequency h, and the times here have"):
        load_like(settings, Kept("h", "ISO8601"), day_first=False)


def test_a_file_that_is_written_differently_is_read_afresh(tmp_path, capsys):
    same = write(tmp_path / "a.csv", lines(DAYS.strftime("%d.%m.%Y"), comma(VALUES), separator=";"))
    settings = Settings(source=same, time_format="%d.%m.%Y", separator=";", decimal=",")
    check(load_like(settings, Kept("D", "%d.%m.%Y")), DAYS)
    assert "not written as" not in capsys.readouterr().out
    other = replace(settings, source=write(tmp_path / "b.csv", lines(DAYS, VALUES)))
    check(load_like(other, Kept("D", "%d.%m.%Y")), DAYS)
    output = capsys.readouterr().out
    assert "b.csv is not written as the settings of the run say" in output
    assert output.count("rows of 1 variable") == 1
    check(load_like(other, Kept("D", "%d.%m.%Y"), decimal="."), DAYS)
    content = lines(DAYS, VALUES, header="", separator="|", above="a|b\n")
    other = replace(settings, source=write(tmp_path / "c.csv", content), columns=("column_2",))
    given = {"separator": "bar", "skip_rows": 1, "no_header": True, "decimal": "."}
    check(load_like(other, Kept("D", "%d.%m.%Y"), **given), DAYS)


def test_a_sample_has_no_ways_of_writing():
    assert load_like(Settings(sample="synthetic"), Kept("h"), decimal=None).frequency == "h"
    with pytest.raises(Refusal, match="decimal has no effect with source 'sample'"):
        load_like(Settings(), Kept(), decimal=",")


def test_the_parts_are_options(tmp_path):
    settings = Settings(source=write(tmp_path / "a.csv", lines(DAYS, VALUES)))
    assert load_series(settings).ends == (21, 24, 30)
    assert load_series(replace(settings, test_part=0.5, validation_part=0.1)).ends == (12, 15, 30)
    sample = Settings(sample="synthetic", test_part=0.5)
    assert load_series(sample).ends == (1600, 2000, 4000)


def test_every_option_that_a_message_names_exists():
    functions = (app.train, app.predict, app.evaluate, app.export)
    names = {name for function in functions for name in inspect.signature(function).parameters}
    names |= {field.name for field in dataclasses.fields(Settings)}
    options = {f"--{name.replace('_', '-')}" for name in names}
    named = set()
    for path in Path(forecasting.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                named |= set(re.findall(r"--[a-z][a-z-]+", node.value))
    assert len(named) > 10
    assert named <= options | {"--most"}  # the first name of --max-origins


def test_numbers_are_read_as_they_are_said_to_be(tmp_path):
    grouped = [f"{value:.3f}" for value in VALUES]
    settings = Settings(source=write(tmp_path / "a.csv", lines(DAYS, grouped)), decimal=",")
    np.testing.assert_allclose(load_series(settings).values[:, 0], 1000 * VALUES, rtol=1e-6)
