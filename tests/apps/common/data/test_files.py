"""Records from files: JSON lines and tables, plain or compressed, and what is wrong with them."""

import gzip
import json
import zipfile

import pytest

from apps.common.data import files
from apps.common.data.records import Reading
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
        ("a.jsonl.gz", gzip.compress(b"", mtime=0), "the file holds no records"),
        ("a.csv", b"", "the file holds no records"),
        ("a.csv", b"text,label\n", "the file holds no records"),
        ("a.jsonl", LINES.encode() + b'{"text": "cut', "line 31: the line is not a JSON object"),
        ("a.jsonl", b'{"text": "\xff"}\n', "line 1, character 11: the byte 0xff is not UTF-8"),
        ("a.jsonl", b'{"text": "\xc3\xa9 \xe9"}\n', "the byte 0xe9 is not UTF-8, and 1 words are"),
        ("a.json", b'[{"text": 1},', "the file is not JSON"),
        ("a.json", b'[{"text": 1, "label": 2}, 3]', "record 2: expected a JSON object; received 3"),
        ("a.jsonl", b"[1]\n", r"line 1: expected a JSON object; received \[1\]"),
        ("a.jsonl", b'{"text": "x"}\n', r"line 1: there is no field 'label' among \['text'\]"),
        ("a.csv", b"text,stars\nx,1\n", r"there is no column 'label' among \['text', 'stars'\]"),
        ("a.jsonl.gz", PACKED[:-20], "the file is not a sound gzip file"),
        ("a.jsonl.gz", PACKED[:30] + bytes(30) + PACKED[60:], "the file is not a sound gzip file"),
        ("a.jsonl.gz", b"plain", "the file is not a sound gzip file"),
        ("a.csv", b"text,label\n\xff,1\n", "line 2, character 1: the byte 0xff is not UTF-8"),
        ("a.csv", b"text,label\nx\0y,1\n", "line 2, character 2: a NUL is in no text"),
        ("a.csv", b"text,label\nx,1\ny\n", r"row 2 \(line 3\): expected 2 fields .* received 1"),
        ("a.csv", b"text,label,text\nx,1,y\n", r"there are 2 columns 'text' among"),
        ("a.xlsx", b"", "the file is not a sound spreadsheet"),
        ("a.docx", b"", r"expected a file that ends in \.jsonl, .* plain or with \.gz; received"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Refusal, match=words) as refused:
        files.read(tmp_path / name, FIELDS)
    assert name in str(refused.value)


@pytest.mark.parametrize("ending", ["CSV", "Csv.GZ"])
def test_suffixes_in_capitals(tmp_path, ending):
    content = b"text,label\nx,1\n"
    path = tmp_path / f"train.{ending}"
    path.write_bytes(gzip.compress(content) if "GZ" in ending else content)
    assert files.find(tmp_path, "train") == path
    assert values(path) == [("x", "1")]


def test_one_of_two_files_of_a_name_is_not_taken_silently(tmp_path):
    for name in ("train.csv", "train.jsonl"):
        write(tmp_path / name, "")
    with pytest.raises(Refusal, match=r"expected one file train; received train.csv, train.jsonl"):
        files.find(tmp_path, "train")


def test_an_array_of_json(tmp_path):
    write(
        tmp_path / "a.json",
        json.dumps([dict(zip(FIELDS, record, strict=True)) for record in RECORDS]),
    )
    assert values(tmp_path / "a.json") == RECORDS
    assert files.load(tmp_path / "a.json").head(1) == {"text": [RECORDS[0][0]], "label": ["neg"]}


OFFICE = "http://schemas.openxmlformats.org"
SHEET = {
    "[Content_Types].xml": f'<Types xmlns="{OFFICE}/package/2006/content-types"/>',
    "_rels/.rels": f'''<Relationships xmlns="{OFFICE}/package/2006/relationships"><Relationship
        Id="a" Type="{OFFICE}/officeDocument/2006/relationships/officeDocument"
        Target="xl/workbook.xml"/>
        </Relationships>''',
    "xl/workbook.xml": f'''<workbook xmlns="{OFFICE}/spreadsheetml/2006/main"
        xmlns:r="{OFFICE}/officeDocument/2006/relationships">
        <sheets><sheet name="Reviews" sheetId="1" r:id="a"/></sheets></workbook>''',
    "xl/_rels/workbook.xml.rels": f'''<Relationships
        xmlns="{OFFICE}/package/2006/relationships"><Relationship Id="a"
        Type="{OFFICE}/officeDocument/2006/relationships/worksheet"
        Target="worksheets/sheet1.xml"/></Relationships>''',
}


def test_a_spreadsheet(tmp_path):
    rows = [
        "".join(
            f'<c r="{c}{n}" t="inlineStr"><is><t>{v}</t></is></c>'
            for c, v in zip("AB", row, strict=True)
        )
        for n, row in enumerate([FIELDS, *RECORDS], start=1)
    ]
    rows = "".join(f'<row r="{n}">{row}</row>' for n, row in enumerate(rows, start=1))
    sheet = f'<worksheet xmlns="{OFFICE}/spreadsheetml/2006/main"><sheetData>{rows}'
    sheet += "</sheetData></worksheet>"
    with zipfile.ZipFile(tmp_path / "a.XLSX", "w") as archive:
        for name, content in (SHEET | {"xl/worksheets/sheet1.xml": sheet}).items():
            archive.writestr(name, content)
    assert values(tmp_path / "a.XLSX") == RECORDS


def test_options_of_tables_have_no_effect_with_json(tmp_path):
    write(tmp_path / "a.jsonl", LINES)
    for option in ({"separator": ";"}, {"no_header": True}):
        with pytest.raises(Refusal, match=f"^{next(iter(option))} has no effect with a.jsonl"):
            files.read(tmp_path / "a.jsonl", FIELDS, Reading(**option))


@pytest.mark.parametrize("content", [b"one\r\ntwo\r\n", b"one\rtwo\r", b"\xef\xbb\xbfone\ntwo"])
def test_lines_of_other_systems(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    assert files.lines(tmp_path / "a") == ["one", "two"]


def test_a_file_that_does_not_exist_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.read(tmp_path / "a.csv", FIELDS)
