"""Files to answer are read as `train` reads them, and odd bytes stay as they are."""

import gzip

import pytest

from apps.common.cli import read_inputs, read_lines
from apps.common.refusal import Refusal

TEXT = "Déjà vu: ein schöner Film.\nUn café, très bien."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_a_file_is_read_in_its_encoding(tmp_path, encoding, capsys):
    path = tmp_path / "a.txt"
    path.write_bytes(TEXT.encode(encoding))
    assert list(read_inputs([str(path)])) == [TEXT.encode()]
    said = capsys.readouterr()
    assert said.out == ""
    guessed = encoding in ("utf-16-le", "cp1252")
    assert said.err.startswith(f"{path}: read as {encoding}, for example Déjà") == guessed
    assert ("; if that is wrong, save the file as UTF-8\n" in said.err) == guessed
    assert "--encoding" not in said.err
    assert list(read_lines([str(path)])) == [(str(path), TEXT.encode().split(b"\n"))]


def test_a_packed_file_is_unpacked(tmp_path):
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(TEXT.encode("cp1252")))
    assert list(read_inputs([str(tmp_path / "a.txt.gz")])) == [TEXT.encode()]


@pytest.mark.parametrize("content", [b"Superb \xff film", b"\xff\xfe caf\xe9 \x00 super"])
def test_bytes_without_a_certain_encoding_stay(tmp_path, content, capsys):
    (tmp_path / "a.txt").write_bytes(content)
    assert list(read_inputs([str(tmp_path / "a.txt")])) == [content]
    assert "a.txt: no encoding is certain" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"a \x00 b", "a \ufffd b".encode(), b"\n", b" \r\n\r\n"])
def test_odd_text_in_utf8_stays(tmp_path, content, capsys):
    (tmp_path / "a.txt").write_bytes(content)
    assert list(read_inputs([str(tmp_path / "a.txt")])) == [content]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "a.txt: the file is empty"), (b"%PDF-1.5\n", "a.txt: expected text; .* a PDF document")],
)
def test_files_without_text_are_refused(tmp_path, content, message):
    (tmp_path / "a.txt").write_bytes(content)
    for read in (read_inputs, read_lines):
        with pytest.raises(Refusal, match=message):
            list(read([str(tmp_path / "a.txt")]))
