"""Separators, headers, titles, encodings and totals are found, or refused with what to do."""

import contextlib
import gzip
import zipfile

import numpy as np
import pandas as pd
import pytest

from apps.common.refusal import Refusal
from apps.forecasting.data import load
from tests.apps.forecasting.written import DAYS, ROWS, VALUES, check, comma, lines, read


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", lines(DAYS, comma(VALUES), separator=";")),
        ("a.csv", lines(DAYS, comma(VALUES), VALUES, header="date,x,y", separator=";")),
        ("a.csv", lines(DAYS, VALUES, separator=";")),
        ("a.csv", lines(DAYS, comma(VALUES), separator="|")),
        ("a.csv", lines(DAYS, VALUES, separator="\t")),
        ("a.tsv", lines(DAYS, comma(VALUES), separator=";")),
        ("a.txt", lines(DAYS, comma(VALUES), separator="\t")),
        ("a.txt", lines(DAYS.date, VALUES, separator="   ")),
        ("a.CSV", lines(DAYS, VALUES)),
        ("a.TSV", lines(DAYS, VALUES, separator="\t")),
        ("a.CSV.GZ", gzip.compress(lines(DAYS, VALUES).encode())),
        ("a.csv", lines(DAYS, comma(VALUES), header="", separator=";")),
        ("a.csv", lines(DAYS, [*[""] * 3, *["a"] * 27], VALUES, header="")),
        ("a.csv", lines(DAYS, VALUES, above="sep=,\n")),
        ("a.csv", lines(DAYS, VALUES, separator=";", above='"sep=;"\n')),
        ("a.csv", lines(DAYS, comma(VALUES), separator="\t", above="sep=\t\n")),
        ("a.csv", lines(DAYS, VALUES, above="Energy report\n\n")),
        ("a.csv", lines(DAYS, VALUES, above="\n\n")),
        ("a.csv", lines(DAYS, VALUES, above="# Made by hand, 2021\n# In kWh\n", header="date,y")),
        (
            "a.csv",
            lines(
                DAYS,
                comma(VALUES),
                ["north"] * ROWS,
                comma(VALUES),
                header="date,x,place,y",
                separator=";",
                above="Station;Graz\nHeight;353,5 m\n;;;\n",
            ),
        ),
        ("a.csv", b"\xef\xbb\xbf" + lines(DAYS, VALUES).encode()),
        ("a.csv", lines(DAYS, VALUES).encode("utf-16")),
        ("a.csv", lines(DAYS, VALUES).encode("utf-16-le")),
        ("a.csv", lines(DAYS, VALUES).replace("\n", "\r\n")),
        ("a.csv", lines(DAYS, [f'"{value}"' for value in VALUES])),
        ("a.csv", lines(DAYS, VALUES, below=",\n,\n")),
        ("a.csv", lines(DAYS, VALUES, below="Source: the grid\n")),
        ("a.csv", lines(DAYS, VALUES, below="Total,3000\n")),
        ("a.csv", lines(DAYS, comma(VALUES), separator=";", below="Summe:;3000,5\n;\n")),
        ("a.csv", lines(DAYS, VALUES).replace("2021-01-05", ",\n2021-01-05", 1)),
    ],
)
def test_layouts(tmp_path, name, content):
    check(read(tmp_path, content, name), DAYS)


def test_names_in_another_encoding_are_kept(tmp_path, capsys):
    content = lines(DAYS, VALUES, header="date,Größe in €").encode("cp1252")
    assert read(tmp_path, content).names == ("Größe in €",)
    assert "a.csv is not in UTF-8 and was read as Windows-1252" in capsys.readouterr().out


def test_what_is_left_out_and_what_names_are_given_is_printed(tmp_path, capsys):
    series = read(tmp_path, lines(DAYS, VALUES, header="", below="Total,3000\n,\n"))
    assert series.names == ("column_2",)
    output = capsys.readouterr().out
    line = "so columns are called column_1 to column_2; confirm that with --no-header"
    assert f"Data: the first row holds data, {line}" in output
    assert "--skip-rows" not in output
    assert "left out rows without values: 1, first row 32" in output
    assert "left out rows of totals at the end: 1, first row 31" in output
    check(read(tmp_path, lines(DAYS, VALUES, header=""), no_header=True), DAYS)
    assert "the first row holds data" not in capsys.readouterr().out
    read(tmp_path, lines(DAYS, VALUES, above="Energy report\n\n"))
    assert "left out 2 lines above the header, first 'Energy report'" in capsys.readouterr().out


def test_options_say_how_a_file_is_written(tmp_path):
    content = "a;b|2021;1\n" + lines(DAYS, VALUES, header="2020;1,2021;1", separator="|")
    series = read(tmp_path, content, separator="bar", skip_rows=1)
    assert series.names == ("2021;1",)
    check(series, DAYS)
    check(read(tmp_path, content, separator="|", skip_rows=2, no_header=True), DAYS)
    check(read(tmp_path, lines(DAYS, VALUES, separator="\t"), separator=r"\t"), DAYS)
    check(read(tmp_path, lines(DAYS.date, VALUES, separator="  "), separator="space"), DAYS)


def test_a_spreadsheet(tmp_path, capsys):
    serial = (DAYS - pd.Timestamp("1899-12-30")).days
    write_sheet(tmp_path / "a.XLSX", serial, VALUES, titles=["Energy report"])
    series = load(str(tmp_path / "a.XLSX"))
    assert series.names == ("y",)
    check(series, DAYS)
    assert "read the first sheet, 'One', and not 'Two'" in capsys.readouterr().out
    with pytest.raises(Refusal, match=r"separator has no effect with .*a\.XLSX, which is no text"):
        load(str(tmp_path / "a.XLSX"), separator=";")


def write_sheet(path, serial, values, titles):
    """Write two sheets as Excel does, with dates in the first column."""
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    rows = [[f'<c t="str"><v>{title}</v></c>'] for title in titles]
    rows += [[f'<c t="str"><v>{name}</v></c>' for name in ("date", "y")]]
    rows += [
        [f'<c s="1"><v>{day}</v></c>', f"<c><v>{value}</v></c>"]
        for day, value in zip(serial, values, strict=True)
    ]
    data = "".join(f"<row>{''.join(row)}</row>" for row in rows)
    parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/'
        'content-types"><Default Extension="xml" ContentType="application/xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}"><Relationship Id="rId1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook {main} xmlns:r="{office}"><sheets>'
        '<sheet name="One" sheetId="1" r:id="rId1"/><sheet name="Two" sheetId="2" r:id="rId2"/>'
        "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}">'
        + "".join(
            f'<Relationship Id="rId{number}" Type="{office}/worksheet" '
            f'Target="worksheets/sheet{number}.xml"/>'
            for number in (1, 2)
        )
        + f'<Relationship Id="rId3" Type="{office}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet {main}><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/>'
        "</cellXfs></styleSheet>",
        "xl/worksheets/sheet1.xml": f"<worksheet {main}><sheetData>{data}</sheetData></worksheet>",
        "xl/worksheets/sheet2.xml": f"<worksheet {main}><sheetData><row><c><v>1</v></c></row>"
        "</sheetData></worksheet>",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (lines(DAYS, VALUES), {"separator": "comma;"}, "separator must be one sign, or one of com"),
        (lines(DAYS, VALUES), {"skip_rows": 99}, "no rows below the 99 lines left out"),
        (lines(DAYS, comma(VALUES)), {}, "row 1: the row has more fields than .*--skip-rows"),
        (lines(DAYS, VALUES, below="Zusammen,3000\n"), {}, "row 31: 'date' must be a time .*Zusam"),
        (lines(DAYS, VALUES, below=",3000\n"), {}, "row 31: 'date' must be a time"),
        (lines(DAYS, VALUES, above="Made, by\n"), {}, "row 1: .* received 'date'.* --skip-rows"),
    ],
)
def test_layouts_that_are_refused(tmp_path, content, options, message):
    with pytest.raises(Refusal, match=message):
        read(tmp_path, content, **options)


@pytest.mark.parametrize("marked", [(5,), (5, 8)])
def test_a_quotation_mark_without_its_partner_swallows_no_rows(tmp_path, marked):
    notes = ['"oops' if row in marked else "fine" for row in range(ROWS)]
    with pytest.raises(Refusal, match=r"quotation mark lacks its partner|EOF inside string"):
        read(tmp_path, lines(DAYS, VALUES, notes, header="date,y,note"))
    notes = ['"two\nlines"' if row in marked else "fine" for row in range(ROWS)]
    series = read(tmp_path, lines(DAYS, VALUES, notes, header="date,y,note"))
    check(series, DAYS)


def test_numbers_of_rows_are_not_forecast(tmp_path, capsys):
    content = lines(range(1, ROWS + 1), DAYS, VALUES, header="No,date,y")
    assert read(tmp_path, content).names == ("y",)
    assert "left out columns that number the rows: No" in capsys.readouterr().out
    assert read(tmp_path, content, columns=("No",)).names == ("No",)


def test_what_separates_columns_has_no_effect_with_parquet(tmp_path):
    pd.DataFrame({"date": DAYS, "y": VALUES}).to_parquet(tmp_path / "a.PARQUET")
    check(load(str(tmp_path / "a.PARQUET")), DAYS)
    with pytest.raises(Refusal, match="skip_rows has no effect with"):
        load(str(tmp_path / "a.PARQUET"), skip_rows=0)


def test_series_that_overlap_are_not_averaged(tmp_path):
    days = [*DAYS[:20], *DAYS[10:]]
    names = ["A"] * 20 + ["B"] * 20
    for entries in (names, [7] * 20 + [8] * 20):
        content = lines(entries, days, range(40), header="unique_id,ds,y")
        with pytest.raises(Refusal, match=r"occur more than once, .* --series-column 'unique_id'"):
            read(tmp_path, content)
    with pytest.raises(Refusal, match="begin again at row 21 with 2021-01-11, and 10 of 30 times"):
        read(tmp_path, lines(days, np.arange(40) / 8))


@pytest.mark.parametrize("name", ["unique_id", "Store", "item_id", "SKU", "place"])
def test_series_that_follow_one_another_are_not_one(tmp_path, name, capsys):
    for names in (["A"] * 12 + ["B"] * 18, ["7"] * 10 + ["5"] * 10 + ["9"] * 10):
        content = lines(names, DAYS, VALUES, header=f"{name},ds,y")
        words = f"'{name}' has {len(set(names))} values, one after another in time"
        option = f"if each is a series, say so with --series-column '{name}'"
        if name != "place":
            with pytest.raises(Refusal, match=f"{words}: {option}"):
                read(tmp_path, content)
            with pytest.raises(Refusal, match=words):
                read(tmp_path, content, columns=("y",))
        elif names[0] == "A":
            check(read(tmp_path, content), DAYS)
            assert f"Data: read as one series, though {words}; {option}" in capsys.readouterr().out
        else:  # numbers with another name are values
            assert read(tmp_path, content).names == ("place", "y")
        assert read(tmp_path, content, series_column=(name,)).ids == tuple(dict.fromkeys(names))
    # In any order of the rows.
    content = lines(["B"] * 15 + ["A"] * 15, [*DAYS[15:], *DAYS[:15]], VALUES, header=f"{name},d,y")
    with pytest.raises(Refusal) if name != "place" else contextlib.nullcontext():
        read(tmp_path, content)
        assert "though 'place' has 2 values" in capsys.readouterr().out


def test_columns_that_name_no_series(tmp_path, capsys):
    for names in (
        ["A"] * ROWS,
        ["a", "b", "c"] * 10,
        ["a"] * 10 + ["b"] * 10 + ["a"] * 10,
        ["a"] * 28 + ["b"] * 2,  # too few rows of a series
        ["a"] * 20 + [""] * 10,  # a remark
        [f"n{row}" for row in range(ROWS)],
    ):
        content = lines(DAYS, names, VALUES, header="date,item,y")
        series = read(tmp_path, content, time_column="date")
        check(series, DAYS)
        assert "one series" not in capsys.readouterr().out
    months = [f"2021-0{1 + row // 15}" for row in range(ROWS)]
    check(read(tmp_path, lines(DAYS, months, VALUES, header="date,in,y")), DAYS)
    assert "one series" not in capsys.readouterr().out
    below = lines(["B"] * 10 + ["A"] * 20, DAYS, VALUES, header="item,d,y", below=",,\nTotal,,\n")
    with pytest.raises(Refusal, match="'item' has 2 values"):
        read(tmp_path, below)


def test_repeated_measurements_are_no_series(tmp_path, capsys):
    days, counts = DAYS.insert(9, DAYS[9]), [*range(1, 4)] * 10
    counts.insert(9, 9)
    series = read(tmp_path, lines(days, counts, header="date,y"))
    check(series, DAYS, np.where(np.arange(ROWS) == 9, 5, np.arange(ROWS) % 3 + 1))
    assert "averaged rows with the same time: 1 more rows than times" in capsys.readouterr().out
