"""Records from files: JSON lines and tables, plain or compressed, and what is wrong with them."""

import gzip
import json

import pytest

from apps.common.data import files
from apps.common.refusal import Refusal

FIELDS = ("text", "label")
RECORDS = [(f"Text {n}, with a comma\u0085 and a break", "neg") for n in range(30)]
LINES = "".join(json.dumps(dict(zip(FIELDS, record, strict=True))) + "\n" for record in RECORDS)


def write(path, content):
    content = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def values(path, fields=FIELDS):
    return [record for _, record in files.read(path, fields)]


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize(("suffix", "separator"), [(".csv", ","), (".tsv", "\t")])
def test_tables(tmp_path, suffix, separator, ending):
    rows = [f'"{text}"{separator}{label}{separator}x' for text, label in RECORDS]
    write(tmp_path / f"a{suffix}{ending}", "\n".join([separator.join((*FIELDS, "more")), *rows]))
    assert files.find(tmp_path, "a") == tmp_path / f"a{suffix}{ending}"
    assert values(files.find(tmp_path, "a")) == RECORDS


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_json_lines_with_other_line_breaks_inside(tmp_path, ending):
    raw = LINES.replace("\\u0085", "\u0085")
    write(tmp_path / f"a.jsonl{ending}", raw)
    assert values(tmp_path / f"a.jsonl{ending}") == RECORDS
    assert files.lines(tmp_path / f"a.jsonl{ending}") == raw.split("\n")[:-1]


def test_words_that_pandas_takes_for_missing_are_text(tmp_path):
    write(tmp_path / "a.csv", "text,label\nNA,neg\n,pos\n")
    assert values(tmp_path / "a.csv") == [("NA", "neg"), ("", "pos")]


def test_each_record_has_its_place(tmp_path):
    write(tmp_path / "a.csv", "text\nx\ny\n")
    assert [place for place, _ in files.read(tmp_path / "a.csv", ["text"])] == [
        f"{tmp_path / 'a.csv'}, row 1",
        f"{tmp_path / 'a.csv'}, row 2",
    ]


def test_a_file_that_is_not_there_is_not_found(tmp_path):
    assert files.find(tmp_path, "train") is None
    (tmp_path / "train.csv").mkdir()
    assert files.find(tmp_path, "train") is None


PACKED = gzip.compress(LINES.encode(), mtime=0)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl", b"", "the file holds no records"),
        ("a.jsonl.gz", gzip.compress(b""), "the file holds no records"),
        ("a.csv", b"", "the file holds no records"),
        ("a.csv", b"text,label\n", "the file holds no records"),
        ("a.jsonl", LINES.encode() + b'{"text": "cut', "line 31: the line is not a JSON object"),
        ("a.jsonl", b'{"text": "\xff"}\n', "line 1: the line is not a JSON object"),
        ("a.jsonl", b"[1]\n", r"line 1: expected a JSON object; received \[1\]"),
        ("a.jsonl", b'{"text": "x"}\n', r"line 1: there is no field 'label' among \['text'\]"),
        ("a.csv", b"text,stars\nx,1\n", r"there is no column 'label' among \['text', 'stars'\]"),
        ("a.jsonl.gz", PACKED[:-20], "the file is not a sound gzip file"),
        ("a.jsonl.gz", PACKED[:30] + bytes(30) + PACKED[60:], "the file is not a sound gzip file"),
        ("a.jsonl.gz", b"plain", "the file is not a sound gzip file"),
        ("a.csv", b'text,label\n"x,1\n', "the file is not a table: "),
        ("a.csv", b"text,label\n\xff,1\n", "the file is not a table: .* can't decode byte"),
        (
            "a.xlsx",
            b"",
            r"expected a file that ends in \.jsonl, \.csv or \.tsv, plain or with \.gz",
        ),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Refusal, match=words) as refused:
        files.read(tmp_path / name, FIELDS)
    assert name in str(refused.value)


def test_a_file_that_does_not_exist_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.read(tmp_path / "a.csv", FIELDS)
