"""Recordings and images in folders, with their labels, their speakers and their parts.

- folders by label, `{label}/*.wav`, with or without `train` and `test` above them;
- the same with `testing_list.txt`, as Speech Commands has it;
- `{label}_{speaker}_{take}.wav` in a folder or in `recordings.tar`, as the Free Spoken Digit
  Dataset has them: takes 0 to 4 are its test part;
- a table with a column of files and a column of labels or transcripts.
"""

import functools
import os
import re
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apps.common.data import columns, files
from apps.common.data.columns import Columns
from apps.common.data.records import Records
from apps.common.refusal import Refusal
from apps.recognition import audio, images

TAKE = re.compile(r"(?P<label>[^_]+)_(?P<speaker>[^_]+)_(?P<take>\d+)")
TEST_TAKES = 5  # of a speaker and a label, the first ones
SUFFIXES = (*audio.SUFFIXES, *images.SUFFIXES)
PEEK = 200  # records that tell which column is which
NAMES = {
    "file": ("filename", "filepath", "path", "audio", "audiofile", "wav", "recording", "image"),
    "label": ("class", "category", "word", "command", "target", "digit"),
    "transcript": ("label", "text", "sentence", "transcription", "words", "utterance"),
}


@dataclass(frozen=True)
class Entry:
    """A file that is read when needed, and what is known of it."""

    place: str
    read: Callable[[], bytes]
    answer: str
    speaker: str = ""


@dataclass
class Found:
    """The files of a source."""

    train: list[Entry] = field(default_factory=list)
    test: list[Entry] = field(default_factory=list)  # empty if there is no test part

    def kind(self, where: Path) -> str:
        """Return whether the files are `audio` or `images`.

        Raises:
            Refusal: If they are both.
        """
        suffixes = {Path(entry.place).suffix.lower() for entry in (*self.train, *self.test)}
        kinds = {"audio" if suffix in audio.SUFFIXES else "images" for suffix in suffixes}
        if len(kinds) != 1:
            raise Refusal(f"{where} must hold recordings or images; it holds both: move one away")
        return kinds.pop()


def find_files(folder: Path) -> Found | None:
    """Find the recordings or images of a folder in one of the layouts above without a table."""
    takes = folder / "recordings"
    if (packed := folder / "recordings.tar").is_file() and not takes.is_dir():
        return _takes(list(_in_tar(packed)))
    direct = _paths(takes if takes.is_dir() else folder)
    if direct and all(TAKE.fullmatch(path.stem) for path in direct):
        return _takes([(str(path), path.read_bytes) for path in direct])
    if (folder / "train").is_dir() and (folder / "test").is_dir():
        found = Found(_by_label(folder / "train"), _by_label(folder / "test"))
        for part, stem in ((found.train, "train"), (found.test, "test")):
            if not part:
                raise Refusal(
                    f"{folder / stem} must hold folders by label, with files that end in "
                    f"{', '.join(SUFFIXES)}; it holds none"
                )
        return found
    entries = _by_label(folder)
    if not entries:
        return None
    listed = folder / "testing_list.txt"
    if not listed.is_file():
        return Found(entries)
    names = {str(folder / line.strip()) for line in files.lines(listed) if line.strip()}
    return Found(
        [entry for entry in entries if entry.place not in names],
        [entry for entry in entries if entry.place in names],
    )


def read_table(
    path: Path, records: Records, file_column: str | None, answer_column: str | None, role: str
) -> list[Entry]:
    """Read a table of files and labels or transcripts.

    Args:
        path: The table; names of files are relative to its folder.
        records: Its rows.
        file_column: The column of the files; found if None.
        answer_column: The column of the labels or transcripts; found if None.
        role: `label` or `transcript`.

    Raises:
        Refusal: If a column is missing, or a file.
    """
    head = records.head(PEEK)
    if answer_column is not None and answer_column not in head:
        raise Refusal(
            f"{path}: there is no column {answer_column!r} for --label-column among {list(head)}"
        )
    given = {"file": file_column, role: answer_column}
    usual = {"file": NAMES["file"], role: NAMES[role]}
    try:
        names = columns.find_columns(head, path, given, usual, _complete(role))
    except Refusal as error:  # its option of a role is --ROLE-column
        raise Refusal(str(error).replace(f"--{role}-column", "--label-column")) from error
    entries = []
    for place, (name, answer) in records.select(names, free=names[1], filled=names):
        file = path.parent / os.path.normpath(str(name).strip())
        if not file.is_file():
            raise Refusal(f"{place}: there is no file {file}: correct the name, or leave it out")
        if file.suffix.lower() not in SUFFIXES:
            raise Refusal(
                f"{place}: expected a file that ends in {', '.join(SUFFIXES)}; received {file.name}"
            )
        spoken = TAKE.fullmatch(file.stem)
        speaker = spoken["speaker"] if spoken else ""
        entries.append(Entry(str(file), file.read_bytes, str(answer).strip(), speaker))
    return entries


def has_files(head: Columns) -> str | None:
    """Return the column of a table whose values are names of recordings or images, or None."""
    named = (name for name, values in head.items() if values and all(map(_is_file, values)))
    return next(named, None)


def _complete(role: str) -> Callable[[Columns, dict[str, str]], dict[str, str]]:
    def complete(left: Columns, found: dict[str, str]) -> dict[str, str]:
        if "file" not in found and (name := has_files(left)):
            found = {**found, "file": name}
        rest = [name for name in left if name not in found.values()]
        return {**found, role: rest[0]} if role not in found and len(rest) == 1 else found

    return complete


def _is_file(value: Any) -> bool:
    return isinstance(value, str) and value.strip().lower().endswith(SUFFIXES)


def _paths(folder: Path) -> list[Path]:
    # macOS keeps notes on a file in another one whose name begins with a dot.
    paths = (path for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(path for path in paths if path.suffix.lower() in SUFFIXES and path.is_file())


def _by_label(folder: Path) -> list[Entry]:
    """Return the files in the folders of a folder. Those that begin with _ or . do not count."""
    labels = sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] not in "._")
    return [
        Entry(str(path), path.read_bytes, label.name) for label in labels for path in _paths(label)
    ]


def _takes(found: Iterable[tuple[str, Callable[[], bytes]]]) -> Found:
    parts = Found()
    for place, read in sorted(found, key=lambda item: item[0]):
        match = TAKE.fullmatch(Path(place).stem)
        if match is None:
            continue
        part = parts.test if int(match["take"]) < TEST_TAKES else parts.train
        part.append(Entry(place, read, match["label"], match["speaker"]))
    if not parts.train:
        parts.train, parts.test = parts.test, []
    return parts


def _in_tar(path: Path) -> Iterable[tuple[str, Callable[[], bytes]]]:
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile() and member.name.lower().endswith(SUFFIXES):
                    content = archive.extractfile(member)
                    if content is not None:
                        kept = content.read()
                        yield f"{path.parent / member.name}", functools.partial(bytes, kept)
    except tarfile.TarError as error:
        raise Refusal(f"{path} is not a sound tar file: {error}") from error
