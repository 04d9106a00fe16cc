"""Locks on files: the system releases them when their process ends, however it ends."""

import contextlib
import errno
import os
import platform
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import IO

from apps.common.refusal import Refusal

SHOWN = 200  # bytes of what a lock says of its holder
WITHOUT_LOCKS = (errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS)  # of a file system that has none

if sys.platform == "win32":
    import msvcrt

    def _take(stream: IO[bytes]) -> None:
        stream.seek(2**30)  # a byte behind the text, which others must be able to read
        msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(stream: IO[bytes]) -> None:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


def open_locked(file: Path) -> IO[bytes]:
    """Open a file, which is made, and hold its lock until it is closed.

    Raises:
        BlockingIOError: If somebody else holds the lock.
        OSError: If the file cannot be written, or its file system has no locks.
    """
    while True:
        stream = file.open("a+b")
        try:
            _take(stream)
            # Its holder may have removed the file since it was opened here.
            if os.path.samestat(file.stat(), os.fstat(stream.fileno())):
                return stream
        except FileNotFoundError:
            pass
        except OSError as error:
            stream.close()
            if error.errno in WITHOUT_LOCKS:
                raise
            raise BlockingIOError(error.errno, error.strerror, str(file)) from error
        stream.close()


def is_abandoned(file: Path) -> bool:
    """Return whether a file exists whose lock no process holds."""
    try:
        with file.open("r+b") as stream:
            _take(stream)
            return True
    except OSError:  # it is gone or locked, belongs to somebody else, or cannot be locked
        return False


class Lock:
    """The lock of a thread on a file; it ends with this object, or with the process.

    Args:
        file: The file, which is made. It says who holds the lock.

    Raises:
        Refusal: If somebody else holds the lock.
        OSError: If the file cannot be written.
    """

    def __init__(self, file: Path):
        stream = _opened(file)
        began = time.strftime("%Y-%m-%d %H:%M:%S")
        holder = f"process {os.getpid()} on {platform.node() or 'this machine'} since {began}"
        stream.truncate(0)
        stream.write(holder.encode())
        stream.flush()
        weakref.finalize(self, stream.close)


_locks: weakref.WeakValueDictionary[tuple[int, int, Path], Lock] = weakref.WeakValueDictionary()


def lock(file: Path) -> Lock:
    """Return the lock on a file, the same one if this thread holds it already.

    Raises:
        Refusal: If somebody else holds the lock.
        OSError: If the file cannot be written.
    """
    key = (os.getpid(), threading.get_ident(), file.resolve())  # a fork does not inherit it
    held = _locks.get(key)
    if held is None:
        held = _locks[key] = Lock(file)
    return held


def _opened(file: Path) -> IO[bytes]:
    try:
        return open_locked(file)
    except BlockingIOError as error:
        raise Refusal(_in_use(file)) from error
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise
        print(
            f"{file.parent}: the file system has no locks; make sure that no other process writes "
            f"there"
        )
        return file.open("a+b")


def _in_use(file: Path) -> str:
    holder = b""
    with contextlib.suppress(OSError), file.open("rb") as stream:
        holder = stream.read(SHOWN)
    words = holder.decode("utf-8", "replace") or "another process"
    return (
        f"{file.parent} is in use by {words}: wait until it ends, end it, or choose another folder"
    )
