"""Tables: separators, quotes, headers, and rows with too many fields."""

import csv
import io
from pathlib import Path

import pytest

from apps.common.data import tables
from apps.common.data.records import Reading
from apps.common.refusal import Refusal

FIELDS = ("text", "label")
PAIRS = [(f"Well, number {n}; it is", "good" if n % 2 else "bad") for n in range(40)]


def values(text, suffix=".csv", fields=FIELDS, free=None, filled=(), known=(), **reading):
    table = tables.parse(text, Path("a"), suffix, Reading(**reading), known or fields)
    return [record for _, record in table.select(fields, free=free, filled=filled)]


def written(rows=PAIRS, separator=",", header=FIELDS, **options):
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator="\n", **options).writerows([header, *rows])
    return text.getvalue()


def unquoted(rows, separator, header=FIELDS):
    return "".join(f"{separator.join(row)}\n" for row in [header, *rows])


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_separators_are_found(suffix, separator, quoting, capsys):
    assert values(written(separator=separator, quoting=quoting), suffix) == PAIRS
    unusual = separator != tables.USUAL.get(suffix, "\t")
    assert ("(--separator says otherwise)" in capsys.readouterr().out) == unusual


@pytest.mark.parametrize("separator", [":", ",", "\t"])
def test_a_line_of_excel_names_the_separator(separator, capsys):
    assert values(f"sep={separator}\n{written(separator=separator)}") == PAIRS
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("given", [";", "semicolon", "Semicolon"])
def test_a_separator_may_be_named(given):
    assert values(written(separator=";"), separator=given) == PAIRS


@pytest.mark.parametrize("given", ["", "ab", '"'])
def test_separators_that_are_none(given):
    with pytest.raises(Refusal, match="separator must be one character, or comma, semicolon, tab"):
        values(written(), separator=given)


def test_two_separators_that_fit():
    with pytest.raises(Refusal, match="separated by comma or semicolon: choose one by --separator"):
        values("a,b;c\nd,e;f\n", ".txt", ["a"])


# Quotes


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_texts_of_several_lines_with_quotes(separator):
    rows = [
        (f'He "said", {n}\n\nand {separator} went', label) for n, (_, label) in enumerate(PAIRS)
    ]
    assert values(written(rows, separator)) == rows


@pytest.mark.parametrize(
    "texts",
    [
        {3: '"Wow, really'},
        {3: '"Wow', 20: '"Wow'},
        {3: '"Wow', 20: 'great"'},
        {3: 'great"', 20: '"Wow" he said'},
        {3: '"', 4: '"'},
    ],
)
def test_a_lone_quote_swallows_no_rows(texts, capsys):
    rows = [(texts.get(n, "plain"), label) for n, (_, label) in enumerate(PAIRS)]
    assert values(unquoted(rows, "\t"), ".tsv") == rows
    lines = min(texts) + 2
    assert (
        f"a quote does not enclose a field and is kept as a character, the first is in line {lines}"
        in (capsys.readouterr().out)
    )
    if not any("," in text for text in texts.values()):
        assert values(unquoted(rows, ","), ".csv") == rows


def test_lines_in_quotes_that_look_like_rows_are_one_text():
    rows = [("Good, really\nI loved, it", "good"), *PAIRS]
    assert values(written(rows)) == rows


def test_quotes_that_are_written_with_a_backslash_or_after_a_space():
    text = 'text,label\n"He said \\"no\\", twice",bad\n"a\\b", "good"\n'
    assert values(text) == [('He said "no", twice', "bad"), ("a\\b", "good")]


def test_a_long_text():
    rows = [("x," * 100_000, "good")]
    assert values(written(rows)) == rows


# Rows of other lengths


def test_one_column_alone_can_hold_the_separator(capsys):
    assert values(unquoted(PAIRS, ","), free="text") == PAIRS
    said = capsys.readouterr().out
    assert "in 40 rows 'text' holds a comma without quotes and was put together again" in said
    turned = [pair[::-1] for pair in PAIRS]
    assert values(unquoted(turned, ",", FIELDS[::-1]), free="text") == PAIRS
    rows = [("1", label, '"a", b, "c"') for _, label in PAIRS]
    text = unquoted(rows, ",", ("id", "label", "text"))
    assert values(text, free="text") == [('"a", b, "c"', label) for _, label in PAIRS]


@pytest.mark.parametrize(
    ("text", "free", "words"),
    [
        ("text,label\nx,1\na, b,0\n", None, r"row 2 \(line 3\): expected 2 fields .* received 3"),
        ("text,label\nx,1\n\nx\n", "text", r"row 2 \(line 4\): expected 2 fields .* received 1"),
        ("id,text,label\n1,x,1\n2,a, b,0\n", "text", r"row 2 .* received 4, '2,a, b,0'"),
        ("sep=,\ntext,label\nx\n", None, r"row 1 \(line 3\): expected 2 fields"),
    ],
)
def test_a_row_of_another_length(text, free, words):
    with pytest.raises(Refusal, match=words):
        values(text, free=free)


def test_separators_at_the_end_of_lines_and_lines_without_anything():
    assert values("text,label\nx,1,\n\n  \ny,2,,\n\n") == [("x", "1"), ("y", "2")]


def test_records_without_a_value_are_left_out(capsys):
    assert values("text,label\n,1\n ,1\nx,\n", filled=["text"]) == [("x", "")]
    assert "2 records without a text are left out, the first is row 1" in capsys.readouterr().out
    with pytest.raises(Refusal, match="a: no record has a text"):
        values("text,label\n,1\n", filled=["text"])


# Headers


def test_a_table_without_a_header_is_recognised_by_values_that_come_again(capsys):
    text = written(PAIRS[1:], header=PAIRS[0])
    assert values(text, fields=("1", "2"), known=("text",)) == PAIRS
    assert "the first row is taken for data" in capsys.readouterr().out
    assert values(text, fields=("2", "1"), no_header=True)[0] == PAIRS[0][::-1]
    assert values(text, fields=PAIRS[0]) == PAIRS[1:]


def test_names_of_columns_that_are_numbers(capsys):
    rows = [("x", "0"), ("y", "1"), ("z", "1"), ("w", "0")]
    assert values(written(rows, header=("0", "1")), fields=("1",), known=("text",)) == [
        (label,) for _, label in rows
    ]


def test_a_column_that_is_not_there():
    with pytest.raises(Refusal, match=r"no column 'stars' among .*--no-header .* --separator"):
        values(written(), fields=["stars"])
