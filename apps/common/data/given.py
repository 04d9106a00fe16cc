"""Files of texts that a command is given to answer: what `train` can read is read alike."""

import codecs
import contextlib
import io
import sys
from pathlib import Path

from apps.common.data import encodings, files
from apps.common.refusal import Refusal


def read_utf8(path: Path) -> bytes:
    """Read a text file in any encoding as UTF-8, and print what was guessed to standard error.

    Bytes for which no encoding is certain stay as they are: every text has an answer.

    Raises:
        Refusal: If the file is empty, damaged, or of a format that holds no plain text.
        OSError: If it cannot be read.
    """
    content = files.read_bytes(path)
    if not content:
        raise Refusal(f"{path}: the file is empty: there is no text to answer")
    is_format = content.startswith((*encodings.FORMATS,))
    if _is_utf8(content) and not (is_format or b"\0" in content):
        return content.removeprefix(codecs.BOM_UTF8)
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            text = encodings.decode(content, path)
    except Refusal:
        if is_format:
            raise
        if not _is_utf8(content):
            _note(f"{path}: no encoding is certain: bytes that are not UTF-8 stand for no letter")
        return content
    if guess := printed.getvalue().strip().removesuffix(encodings.OTHERWISE):
        _note(f"{guess}; if that is wrong, save the file as UTF-8")
    return text.encode()


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _note(message: str) -> None:
    print(message, file=sys.stderr)
