"""Encodings of text files: certain, guessed and printed, or refused."""

import codecs
from pathlib import Path

import pytest

from apps.common.data.encodings import decode, decode_all
from apps.common.refusal import Refusal

FRENCH = "Le chien très âgé mange déjà à la forêt. L\u2019été, où êtes-vous\u00a0? Ça va.\n"
TEXTS = {
    "cp1252": FRENCH,
    "latin-1": "Größe und Übermut: das Mädchen läuft über die Straße.\n",
    "mac_roman": "Größe und Übermut: das Mädchen läuft über die Straße.\n",
    "cp850": "¿Dónde está el niño? El año pasado comió en la montaña.\n",
    "cp1250": "Příliš žluťoučký kůň úpěl ďábelské ódy, říká bába ženě.\n",
    "iso8859_2": "Wiedźmin jest świetną grą i książką, którą można czytać.\n",
    "cp1254": "G\u00fcnayd\u0131n d\u00fcnya, \u015fu a\u011fa\u00e7 \u0131\u015f\u0131k iyi.\n",
    "cp1251": "Привет, мир! Это очень хороший фильм, всё понравилось.\n",
    "koi8_r": "Привет, мир! Это очень хороший фильм, всё понравилось.\n",
    "cp932": "これは日本語のテキストです。映画はとても面白かった。\n",
    "gb18030": "这是一个中文文本。电影非常好看。我很喜欢。\n",
    "cp949": "이것은 한국어 텍스트입니다. 영화가 아주 좋았습니다.\n",
}


@pytest.mark.parametrize("encoding", TEXTS)
@pytest.mark.parametrize("beside", ["", "The dog is big.\t"])
def test_encodings_that_are_guessed_are_printed_with_words(encoding, beside, capsys):
    text = (beside + TEXTS[encoding]) * 20
    assert decode(text.encode(encoding), "a.txt") == text
    said = capsys.readouterr().out
    word = next(word for word in text.split() if not word.isascii()).strip("¿,.")
    assert said.startswith("a.txt: read as ")
    assert word[:5] in said
    assert "(--encoding says otherwise)" in said


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
    ],
)
def test_what_is_certain_is_read_without_a_word(mark, encoding, capsys):
    text = f"{FRENCH}日本\r\n"
    assert decode(mark + text.encode(encoding), "a.txt") == text
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["plain words\n", FRENCH])
def test_utf_16_without_a_mark(encoding, text, capsys):
    assert decode(text.encode(encoding), "a.txt") == text
    assert f"read as {encoding}" in capsys.readouterr().out


def test_an_encoding_may_be_named(capsys):
    content = "żółć".encode("iso8859_2")
    assert decode(content, "a.txt", "iso8859_2") == "żółć"
    assert decode(codecs.BOM_UTF8 + b"x", "a.txt", "utf-8") == "x"
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("content", "encoding", "words"),
    [
        (b"one\ntw\0o\n", None, "a.txt, line 2, character 3: a NUL is in no text"),
        (b"one\n\xff\xfe\0\x01", None, "line 2, character 1: the byte 0xff .* NULs follow"),
        (
            "été à\n".encode() * 9 + b"\xe9t\xe9",
            None,
            "line 10, .* 0xe9 is not UTF-8, and 18 words",
        ),
        ("a\nb\ufffdc\ufffd".encode(), None, "a.txt, line 2, character 2: U\\+FFFD .* 2 times"),
        (b"\xff\n\xff", None, "0xff is not UTF-8, and no other encoding is certain.*--encoding"),
        ("שלום עולם הסרט היה טוב".encode("cp1255"), None, "no other encoding is certain"),
        (b"caf\xe9", "utf-8", "line 1, character 4: the byte 0xe9 is not utf-8; .*--encoding"),
        (b"x", "latin-9000", "encoding must be an encoding that Python knows"),
        (b"eA==", "base64", "encoding must be"),
        (codecs.BOM_UTF16_LE + b"a\0b", None, "the byte 0x62 is not utf-16-le"),
        (b"\x1f\x8b\x08", None, "expected text; the file is a gzip file"),
        (b"PK\x03\x04", None, "expected text; the file is a zip archive"),
        (b"\x89PNG\r\n", None, "expected text; the file is a PNG image"),
    ],
)
def test_what_is_no_text_or_not_certain_is_refused(content, encoding, words):
    with pytest.raises(Refusal, match=words):
        decode(content, "a.txt", encoding)


def test_files_that_belong_together_have_one_guess_and_one_line(capsys):
    texts = [FRENCH, "plain", "Größe", "Übermut: das Mädchen"]
    contents = [texts[0].encode("utf-8"), *(text.encode("cp1252") for text in texts[1:])]
    places = [Path(f"{n}.txt") for n in range(4)]
    assert decode_all(contents, places) == texts
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("2 files, such as 2.txt: read as cp1252, for example Größe, Übermut")
    assert decode_all(contents[2:], places[2:], "cp1252") == texts[2:]
    with pytest.raises(Refusal, match=r"^3\.txt, line 1"):
        decode_all([*contents[:2], contents[3][:-3] + b"\0\xff"], [places[0], places[1], places[3]])
