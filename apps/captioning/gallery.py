"""The image files of a source, found by name in folders and tar files, and read when needed."""

import functools
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from apps.common.refusal import Refusal

SUFFIXES = (".jpg", ".jpeg", ".png", ".gif")
DEPTH = 3  # folders below a table in which its images are looked for


class Picture(NamedTuple):
    """An image file, read only when it is needed: all together may be larger than memory."""

    name: str
    read: Callable[[], bytes]


class Gallery:
    """Image files by name, or by name without regard to capitals if only one has it.

    Args:
        folder: The folder, for messages.
        paths: Image files.
        others: Images of other places, which count less.
    """

    def __init__(self, folder: Path, paths: Iterable[Path], others: Iterable[Picture] = ()):
        self.folder = folder
        self.paths: dict[str, list[Path]] = {}
        self.folded: dict[str, set[str]] = {}
        for path in sorted(paths):
            self.paths.setdefault(path.name, []).append(path)
        self.others: dict[str, Picture] = {}
        for picture in others:
            self.others.setdefault(picture.name, picture)
        for name in self.paths.keys() | self.others.keys():
            self.folded.setdefault(name.casefold(), set()).add(name)

    def __len__(self) -> int:
        return len(self.paths) + len(self.others)

    def find(self, name: str) -> Picture | None:
        """Return the image of a name, or None.

        Raises:
            Refusal: If several different images have the name.
        """
        if path := self.path(name):
            return Picture(path.name, path.read_bytes)
        return self.others.get(self._spelling(name) or "")

    def path(self, name: str) -> Path | None:
        """Return the file of a name, or None if there is none or it is packed.

        Raises:
            Refusal: If several different files have the name.
        """
        first, *more = self.paths.get(self._spelling(name) or "", [None])
        if first is None:
            return None
        if other := next((path for path in more if path.read_bytes() != first.read_bytes()), None):
            raise Refusal(
                f"{self.folder} has two images called {name}, {first.relative_to(self.folder)} and "
                f"{other.relative_to(self.folder)}: remove or rename one"
            )
        return first

    def _spelling(self, name: str) -> str | None:
        if name in self.paths or name in self.others:
            return name
        alike = self.folded.get(name.casefold(), set())
        return next(iter(alike)) if len(alike) == 1 else None


def search(folder: Path) -> Gallery:
    """Find all images below a folder, also those in its tar files.

    Raises:
        Refusal: If there are none, or a tar file is damaged.
    """
    packed = (picture for path in sorted(folder.glob("*.tar")) for picture in _in_tar(path))
    gallery = Gallery(folder, filter(is_image, folder.rglob("*")), packed)
    if not gallery:
        raise Refusal(
            f"{folder} must hold images that end in {', '.join(SUFFIXES)}, in folders or in a tar "
            f"file; it holds none"
        )
    return gallery


def search_near(folder: Path) -> Gallery:
    """Find the images in a folder and a few folders below."""
    levels = ("/".join(["*"] * depth) for depth in range(1, DEPTH + 1))
    return Gallery(
        folder, (path for level in levels for path in folder.glob(level) if is_image(path))
    )


def is_image(path: Path) -> bool:
    """Return whether a path is a file with the name of an image."""
    # macOS keeps notes on a file in another one whose name begins so.
    return has_image_suffix(path.name) and not path.name.startswith("._") and path.is_file()


def has_image_suffix(name: str) -> bool:
    """Return whether a name ends as those of images do."""
    return name.strip().lower().endswith(SUFFIXES)


class Store:
    """Bytes kept in an unnamed file, which vanishes when the program ends."""

    def __init__(self) -> None:
        self.file = tempfile.TemporaryFile()  # noqa: SIM115 (it stays open as long as the pictures)
        self.lock = threading.Lock()  # one thread at a time moves the place of the file

    def add(self, content: bytes) -> Callable[[], bytes]:
        """Keep bytes at the end, and return a function that reads them."""
        with self.lock:
            start = self.file.seek(0, 2)
            self.file.write(content)
        return functools.partial(self._read, start, len(content))

    def _read(self, start: int, size: int) -> bytes:
        with self.lock:
            self.file.seek(start)
            return self.file.read(size)


def _in_tar(path: Path) -> Iterator[Picture]:
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                name = Path(member.name).name
                if member.isfile() and has_image_suffix(name):
                    place = (path, member.offset_data, member.size)
                    yield Picture(name, functools.partial(_slice, *place))
            # At a damaged header tarfile stops as at the end, where there are zeros.
            if any(_slice(path, archive.offset, tarfile.BLOCKSIZE)):
                raise tarfile.ReadError(f"damaged from byte {archive.offset:,} on")
    except tarfile.TarError as error:
        raise Refusal(f"{path} is not a sound tar file: {error}") from error


def _slice(path: Path, start: int, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(size)
