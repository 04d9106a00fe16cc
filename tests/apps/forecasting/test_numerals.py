"""Numbers are read as people write them, or refused with what to do."""

import re

import numpy as np
import pytest

from apps.common.refusal import Refusal
from apps.forecasting import tables
from tests.apps.forecasting.written import DAYS, ROWS, VALUES, check, comma, lines, read


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ([f'"{value:,.2f}"' for value in 40 * VALUES], np.round(40 * VALUES, 2)),
        ([f'"{value:,.0f}"' for value in 40 * VALUES], np.round(40 * VALUES)),
        ([f"{value:,.2f}".replace(",", "'") for value in 40 * VALUES], np.round(40 * VALUES, 2)),
        (
            [f"{value:,.2f}".replace(",", "\u00a0") for value in 40 * VALUES],
            np.round(40 * VALUES, 2),
        ),
        ([f"${value}" for value in VALUES], VALUES),
        ([f'"-$ {1000 * value:,.2f}"' for value in VALUES], -1000 * VALUES),
        ([f'"{entry} €"' for entry in comma(VALUES)], VALUES),
        ([f"USD {value}" for value in VALUES], VALUES),
        ([f"{value}%" for value in VALUES], VALUES),
        ([f"{value} kWh" for value in VALUES], VALUES),
        (
            [f"{value}K" if value < 110 else f"{value / 1000:.5f}M" for value in VALUES],
            1000 * VALUES,
        ),
        (
            [f"({value})" if value < 110 else value for value in VALUES],
            np.where(VALUES < 110, -1, 1) * VALUES,
        ),
        ([f"\u2212{value}" for value in VALUES], -VALUES),
        ([f"{value:.4e}" for value in 1e9 * VALUES], 1e9 * VALUES),
        ([f'"{value:.4e}"'.replace(".", ",") for value in 1e9 * VALUES], 1e9 * VALUES),
        (["?" if row == 3 else value for row, value in enumerate(VALUES)], None),
        (["#DIV/0!" if row == 3 else value for row, value in enumerate(VALUES)], None),
    ],
)
def test_numbers(tmp_path, written, values):
    content = lines(DAYS, range(ROWS), written, header="date,plain,y")
    if values is None:  # linear between its neighbours
        values = np.where(np.arange(ROWS) == 3, (VALUES[2] + VALUES[4]) / 2, VALUES)
    series = read(tmp_path, content)
    assert series.names == ("plain", "y")
    check(series, DAYS, values)


GROUPED = [f"{value:.3f}" for value in VALUES]  # 1.234 or 1,234 each


def test_what_a_comma_means_is_decided_by_the_file(tmp_path, capsys):
    thousands = [entry.replace(".", ",") for entry in GROUPED]
    quoted = [f'"{entry}"' for entry in thousands]
    check(read(tmp_path, lines(DAYS, quoted)), DAYS, 1000 * VALUES)
    assert "'y': read 100,000 as 100000; say otherwise with --decimal ," in capsys.readouterr().out
    check(read(tmp_path, lines(DAYS, quoted), decimal=","), DAYS)
    check(read(tmp_path, lines(DAYS, thousands, separator=";")), DAYS)
    assert "read 100,000 as 100; say otherwise with --decimal ." in capsys.readouterr().out
    other = lines(DAYS, VALUES, thousands, header="date,x,y", separator=";")
    check(read(tmp_path, other), DAYS, 1000 * VALUES)
    other = lines(DAYS, comma(VALUES), GROUPED, header="date,x,y", separator=";")
    check(read(tmp_path, other), DAYS, 1000 * VALUES)
    check(read(tmp_path, lines(DAYS, GROUPED)), DAYS)
    for entries, separator in ((thousands, "\t"), (GROUPED, ";")):
        content = lines(DAYS, entries, separator=separator)
        with pytest.raises(
            Refusal, match=r"'y' may have a decimal sign or .* with --decimal \. or"
        ):
            read(tmp_path, content)
        check(read(tmp_path, content, decimal="." if separator == ";" else ","), DAYS)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ([*map(int, VALUES[:-1]), '"1,5"'], "row 30: 'y' must be a finite number .* --decimal"),
        ([*(f"${value}" for value in VALUES[:-1]), "€5"], "row 30: .* received '€5'"),
        ([*(f"{value} kWh" for value in VALUES[:-1]), "5 MWh"], "row 30: .* received '5 MWh'"),
        ([*(f'"{entry}"' for entry in comma(VALUES[:-1])), "1.5"], "row 30: .* received '1.5'"),
        (
            np.round(98_765_432.1 + 0.3 * np.arange(ROWS), 1),
            "float32 keeps to 8, .* subtract a const",
        ),
    ],
)
def test_numbers_that_are_refused(tmp_path, written, message, monkeypatch):
    monkeypatch.setattr(tables, "HEAD", 20)  # what comes later must be written alike
    with pytest.raises(Refusal, match=message):
        read(tmp_path, lines(DAYS, written))


@pytest.mark.parametrize("entry", ["109.85*", "105 p", "~105", "<105", "105%"])
def test_a_column_with_an_odd_entry_is_not_left_out(tmp_path, entry):
    written = [*VALUES[:20], entry, *VALUES[21:]]
    content = lines(DAYS, range(ROWS, 0, -1), written, header="date,price,sales")
    message = f"row 21: most entries of 'sales' are numbers, such as '{VALUES[0]}', and '{entry}' "
    with pytest.raises(Refusal, match=re.escape(message) + ".* --columns"):
        read(tmp_path, content)
    assert read(tmp_path, content, columns=("price",)).names == ("price",)


def test_a_column_in_two_units_is_not_left_out(tmp_path):
    units = ["€" if row == 4 else "$" for row in range(ROWS)]
    for written, entry in (
        ([f"{unit}{value}" for unit, value in zip(units, VALUES, strict=True)], f"€{VALUES[4]}"),
        ([f"{value} {'k' * (row > 0)}Wh" for row, value in enumerate(VALUES)], f"{VALUES[0]} Wh"),
        ([f"{'€$'[row % 2]}{value}" for row, value in enumerate(VALUES)], f"${VALUES[1]}"),
    ):
        content = lines(DAYS, VALUES, written, header="date,x,y")
        with pytest.raises(Refusal, match=f"most entries of 'y' .*, and '{re.escape(entry)}' is n"):
            read(tmp_path, content)
    for written in ([f"A{row}" for row in range(ROWS)], ["12 a", "b"] * 15, ["5th", "6"] * 15):
        content = lines(DAYS, written, VALUES, header="date,x,y")
        assert read(tmp_path, content).names == ("y",)
