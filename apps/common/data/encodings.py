"""Bytes of text files as text: the encoding is certain, guessed and printed, or refused.

A file is read as its byte order mark says, else as UTF-8. What is neither is guessed: in texts of
Latin letters a byte beyond ASCII stands alone in its word, in other scripts many follow each other,
and `charset_normalizer` tells the encodings of either group apart by the frequency of letters.
"""

import codecs
import contextlib
import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import charset_normalizer

from apps.common.refusal import Refusal

MARKS = {  # that of UTF-32 begins with that of UTF-16
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
FORMATS = {
    b"\x1f\x8b": "a gzip file: let its name end in .gz",
    b"PK\x03\x04": "a zip archive or an office document: unpack it, or save it as text",
    b"\xd0\xcf\x11\xe0": "an office document: save it as text",
    b"%PDF": "a PDF document: save it as text",
    b"\xff\xd8\xff": "a JPEG image",
    b"\x89PNG": "a PNG image",
}
# Encodings of Latin letters, the most likely first, with the letters of their languages.
WESTERN = "àâæçèéêëîïôœùûü äöüßé áéíñóúü¿¡ àáâãçéêíóôõú àèéìíîòóùú åäöé æøåé ëïéèöü áðéíóúýþæö"
CENTRAL = "ąćęłńóśźż áčďéěíňóřšťúůýž áäčďéíĺľňóôŕšťúýž áéíóöőúüű ăâîşţ čšžćđ"
LATIN = {
    "cp1252": WESTERN,
    "cp1250": CENTRAL,
    "iso8859_2": CENTRAL,
    "cp1254": "çğ\u0131öşüâîûi̇",
    "mac_roman": WESTERN,
    "cp850": WESTERN,
}
OTHER = ("cp1251", "koi8_r", "cp1253", "cp1255", "cp1256", "cp932", "euc_jp", "gb18030")
OTHER += ("big5", "cp949")
MAX_LATIN_RUN = 1.5  # bytes beyond ASCII that follow each other in Latin texts, on average
PUNCTUATION = bytes([0x85, *range(0x91, 0x98), 0xA0, 0xAB, 0xBB])  # of cp1252
MAX_RIGHT, MAX_RIGHT_OTHER = 50, 4  # times the words that are UTF-8, of the words beyond ASCII
ALL_LETTERS = 0.98  # of one language
MAX_CHAOS, MIN_LEAD = 0.1, 0.15  # of charset_normalizer: disorder, and the lead in coherence
SAMPLE = 65_536  # bytes of lines beyond ASCII from which an encoding is guessed
MAX_ODD = 0.01  # of the characters of a text after a byte order mark
OTHERWISE = " (--encoding says otherwise)"  # the end of a line about a guess
SHOWN = 24  # characters of a text in a message


def decode(content: bytes, where: Path | str, encoding: str | None = None) -> str:
    """Decode the content of a text file, and print the encoding if it is guessed.

    Args:
        content: The bytes of the file.
        where: The file, for messages.
        encoding: The encoding; found if None.

    Returns:
        The text without a byte order mark. Line breaks are those of the file.

    Raises:
        Refusal: If the content is no text, the encoding is unknown or not certain, or a byte does
            not fit. The message names the line and the byte.
    """
    text = _decode(content, where, encoding)
    if place := text.find("\0") + 1:
        raise Refusal(f"{where}, {_place(text[: place - 1])}: a NUL is in no text; remove it")
    if place := text.find("\ufffd") + 1:
        raise Refusal(
            f"{where}, {_place(text[: place - 1])}: U+FFFD stands for what another program could "
            f"not read, {text.count(chr(0xFFFD)):,} times in the file; take the original file, or "
            f"remove them"
        )
    return text


def decode_all(
    contents: Sequence[bytes], places: Sequence[Path], encoding: str | None = None
) -> list[str]:
    """Decode files that belong together, whose encoding is the same if it must be guessed.

    Args:
        contents: The bytes of each file.
        places: The files, for messages.
        encoding: The encoding; found if None.

    Raises:
        Refusal: As `decode`.
    """
    strange = [place for place, content in enumerate(contents) if _is_strange(content)]
    encodings = [encoding] * len(contents)
    if encoding is None and len(strange) > 1:
        joined = b"\n".join(contents[place] for place in strange)
        name, _ = _guess(joined)
        if name is not None:
            _guessed(joined, name, f"{len(strange):,} files, such as {places[strange[0]]}")
            for place in strange:
                encodings[place] = name
    return [decode(*file) for file in zip(contents, places, encodings, strict=True)]


def _is_strange(content: bytes) -> bool:
    """Return whether the encoding of a file must be guessed."""
    if content.startswith((*MARKS, *FORMATS)) or b"\0" in content:
        return False
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


def _decode(content: bytes, where: Path | str, encoding: str | None) -> str:
    if encoding is not None:
        return _strictly(content, encoding, where).removeprefix("\ufeff")
    for mark, name in MARKS.items():
        if content.startswith(mark):
            text = _strictly(content[len(mark) :], name, where)
            odd = _odd(text) - {"\x85"}  # a line break
            if sum(map(text.count, odd)) > len(text) * MAX_ODD:
                raise Refusal(f"{where}: the file begins as text in {name} does, and is no text")
            return text
    for start, words in FORMATS.items():
        if content.startswith(start):
            raise Refusal(f"{where}: expected text; the file is {words}")
    if name := _unmarked_utf16(content):
        return _guessed(content, name, where)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        start = error.start
    place = f"{_place(content[:start].decode('utf-8'))}: the byte 0x{content[start]:02x}"
    advice = "save the file as UTF-8, or name its encoding by --encoding, such as cp1252"
    if b"\0" in content:
        raise Refusal(f"{where}, {place} is not UTF-8, and NULs follow: the file is no text")
    name, right = _guess(content)
    if name is not None:
        return _guessed(content, name, where)
    why = f"and {right:,} words are" if right else "and no other encoding is certain"
    raise Refusal(f"{where}, {place} is not UTF-8, {why}: {advice}")


def _guess(content: bytes) -> tuple[str | None, int]:
    """Return the encoding of bytes that are not UTF-8, or None and how many words are UTF-8."""
    words = re.findall(rb"[^\s]*[\x80-\xff][^\s]*", content)
    runs = re.findall(rb"[\x80-\xff]+", b" ".join(words).translate(None, PUNCTUATION)) or words
    latin = sum(map(len, runs)) / len(runs) <= MAX_LATIN_RUN
    right = _are_utf8(words)
    # Letters of another script look like UTF-8 now and then, Latin ones hardly ever.
    if right * (MAX_RIGHT if latin else MAX_RIGHT_OTHER) > len(words):
        return None, right
    if latin:
        return _guess_latin(_sample(words, b" ")), 0
    lines = [line for line in content.split(b"\n") if not line.isascii()]
    return _guess_other(_sample(lines, b"\n")), 0


def _strictly(content: bytes, encoding: str, where: Path | str) -> str:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        before = content[: error.start].decode(encoding, "ignore")
        raise Refusal(
            f"{where}, {_place(before)}: the byte 0x{content[error.start]:02x} is not {encoding}; "
            f"correct it, or name the encoding of the file by --encoding"
        ) from error
    except LookupError as error:
        raise Refusal(
            f"encoding must be an encoding that Python knows, such as utf-8, cp1252 or utf-16; "
            f"received {encoding!r}"
        ) from error
    if not isinstance(text, str):  # such as base64
        raise Refusal(f"encoding must be one of texts, such as utf-8; received {encoding!r}")
    return text


def _place(before: str) -> str:
    """Return the line and the character after a text in words."""
    return f"line {before.count(chr(10)) + 1}, character {len(before) - before.rfind(chr(10))}"


def _guessed(content: bytes, encoding: str, where: Path | str) -> str:
    text = _strictly(content, encoding, where)
    words = re.findall(r"[\w'-]*[^\W\x00-\x7f][\w'-]*", text[:1_000_000]) or [text]
    shown = ", ".join(word[:SHOWN] for word in dict.fromkeys(words[:3]))
    print(f"{where}: read as {encoding}, for example {shown}{OTHERWISE}")
    return text


def _unmarked_utf16(content: bytes) -> str | None:
    """Return the order of UTF-16 without a mark, in which every other byte of ASCII is NUL."""
    if len(content) % 2 or b"\0" not in content:
        return None
    for name, high in (("utf-16-le", 1), ("utf-16-be", 0)):
        empty, other = (content[side::2].count(0) for side in (high, 1 - high))
        # Line breaks and spaces alone are a tenth of most texts.
        if not other and empty > len(content) / 20:
            return name if _is_text(content, name) else None
    return None


def _is_text(content: bytes, encoding: str) -> bool:
    """Return whether bytes have the encoding and signs stand where signs may stand."""
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return False
    if _odd(text):
        return False
    inside = re.findall(r"(?<=[^\W\d_])[^\w\s](?=[^\W\d_])", text)
    return not any(
        sign in "§¶†‡¿¡" or unicodedata.category(sign) in ("Sc", "Sm", "So", "Sk")
        for sign in inside
        if not sign.isascii()
    )


def _odd(text: str) -> set[str]:
    """Return the characters that stand in no text: controls, and those without a meaning."""
    return {
        character
        for character in set(text) - set("\t\n\v\f\r\x1a\x1b")
        if unicodedata.category(character) in ("Cc", "Cn", "Co", "Cs")
    }


def _are_utf8(words: list[bytes]) -> int:
    """Return how many words are UTF-8."""
    count = 0
    for word in words:
        with contextlib.suppress(UnicodeDecodeError):
            count += bool(word.decode("utf-8"))
    return count


def _guess_latin(sample: bytes) -> str | None:
    """Return the encoding of words of Latin letters, or None if none fits.

    Bytes that the encodings read differently tell: the letters they stand for must be those of one
    language. If they do not tell, all letters may.
    """
    fits = [name for name in LATIN if _is_text(sample, name)]
    if not fits:
        return None
    readings = {name: bytes(range(256)).decode(name, "replace") for name in fits}
    beyond = Counter(byte for byte in sample if byte >= 0x80)
    telling = {
        byte: n for byte, n in beyond.items() if len({readings[name][byte] for name in fits}) > 1
    }
    first, *others = fits
    for name in others:
        ours, theirs = (_score(telling, readings[which], which) for which in (first, name))
        if theirs >= ours + MIN_LEAD:
            first = name
        elif theirs >= ours:
            all_ours, all_theirs = (
                _score(beyond, readings[which], which) for which in (first, name)
            )
            if all_theirs > ALL_LETTERS and all_ours < all_theirs - MIN_LEAD:
                first = name
    has_letters = any(readings[first][byte].isalpha() for byte in beyond)
    return first if not has_letters or _score(beyond, readings[first], first) > 0.5 else None


def _score(counts: Mapping[int, int], reading: str, encoding: str) -> float:
    """Return which part of bytes are letters of one language that has the encoding."""
    letters: Counter[str] = Counter()
    for byte, n in counts.items():
        if reading[byte].isalpha():
            letters[reading[byte].lower()] += n
    languages = [{*language} for language in LATIN[encoding].split()]
    most = max(sum(letters[letter] for letter in language) for language in languages)
    return most / max(letters.total(), 1)


def _guess_other(sample: bytes) -> str | None:
    """Return the encoding of lines in other letters, or None if none is certain."""
    matches = charset_normalizer.from_bytes(sample, cp_isolation=[*OTHER])
    found = [match for match in matches if _is_text(sample, match.encoding)]
    found.sort(key=lambda match: (match.chaos, -match.coherence))
    if not found:
        return None
    rivals = [match.coherence for match in found[1:] if match.chaos < MAX_CHAOS]
    if rivals and found[0].coherence - max(rivals) < MIN_LEAD:
        return None
    return found[0].encoding


def _sample(pieces: list[bytes], separator: bytes) -> bytes:
    sizes = itertools.accumulate(map(len, pieces))
    chosen = [piece for piece, size in zip(pieces, sizes, strict=True) if size <= SAMPLE]
    return separator.join(chosen or [pieces[0][:SAMPLE]])
