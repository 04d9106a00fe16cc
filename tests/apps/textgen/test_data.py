"""Texts from each source."""

import gzip

import pytest

from apps.common.refusal import Refusal
from apps.textgen.data import load


def test_the_sample_is_split_at_its_end():
    splits = load("sample")
    total = len(splits.train) + len(splits.validation) + len(splits.test)
    assert len(splits.test) == pytest.approx(0.05 * total, abs=1)
    assert len(splits.validation) == pytest.approx(0.05 * total, abs=1)
    assert set(splits.test) <= set(splits.train)


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_a_text_file(tmp_path, name, capsys):
    text = "".join(chr(number) for number in range(1000, 5000))
    content = text.encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    splits = load(str(tmp_path / name))
    assert splits.train + splits.validation + splits.test == text
    assert (len(splits.validation), len(splits.test)) == (200, 200)
    assert "3,600 training and 200 test characters" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("binary", b"\xff\xfe\x00\x01\xff" * 2000, "binary: the file begins as text in utf-16-le"),
        ("picture", b"\x89PNG\r\n\x1a\n" + bytes(3000), "picture: expected text; .* a PNG image"),
        ("nul", b"a line\n" * 999 + b"a\0b", "nul, line 1000, character 2: a NUL is in no text"),
        ("short", b"hello", "source must have at least 2,000 characters; .*short has 5"),
        ("empty", b"", "source must have at least 2,000 characters; .*empty has 0"),
        ("damaged.gz", b"no gzip", "not a sound gzip file"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Refusal, match=words):
        load(str(tmp_path / name))


TEXT = "".join(f"Line {n} of a café: 一只狗.\n" for n in range(300))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_line_ends_and_encodings_are_not_learned(tmp_path, end, encoding, capsys):
    (tmp_path / "a").write_bytes(TEXT.replace("\n", end).encode(encoding))
    options = {"encoding": "gb18030"} if encoding == "gb18030" else {}
    splits = load(str(tmp_path / "a"), **options)
    assert splits.train + splits.validation + splits.test == TEXT
    said = capsys.readouterr().out
    assert ("300 carriage returns are read as the ends of lines" in said) == (end != "\n")


def test_latin_1_is_read_and_said(tmp_path, capsys):
    text = TEXT.replace("一只狗", "Größe")
    (tmp_path / "a").write_bytes(text.encode("latin-1"))
    splits = load(str(tmp_path / "a"))
    assert splits.train + splits.validation + splits.test == text
    assert "read as cp1252, for example café, Größe" in capsys.readouterr().out


def test_a_folder_of_texts_is_joined_in_the_order_of_their_numbers(tmp_path, capsys):
    (tmp_path / "part").mkdir()
    for name in ("2.txt", "10.TXT", "1.txt", "part/3.txt", "notes.md"):
        (tmp_path / name).write_text(f"{name} {TEXT}", "utf-8")
    splits = load(str(tmp_path))
    joined = splits.train + splits.validation + splits.test
    found = [word for word in joined.split() if ".t" in word.lower()]
    assert found == ["1.txt", "2.txt", "10.TXT", "part/3.txt"]
    assert "4 files: " in capsys.readouterr().out


def test_a_folder_without_texts(tmp_path):
    with pytest.raises(Refusal, match=r"folder with files that end in .txt; .* has none"):
        load(str(tmp_path))


def test_parts(tmp_path):
    (tmp_path / "a").write_text(TEXT, "utf-8")
    splits = load(str(tmp_path / "a"), test_part=0.25, validation_part=0.5)
    assert len(splits.train) == pytest.approx(len(TEXT) / 4, abs=2)
    assert len(splits.validation) == pytest.approx(len(TEXT) / 2, abs=2)
    for part in (0.0, 0.97):
        with pytest.raises(Refusal, match=r"test_part .*must be"):
            load(str(tmp_path / "a"), test_part=part)
