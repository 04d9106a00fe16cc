"""Commands: arguments from signatures and dataclasses, mistakes answered with one line."""

import contextlib
import functools
import glob
import io
import linecache
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import tyro

OURS = ("apps", "rnnlayers")
TEXTS = "text or file, or - for standard input"


def run_command(
    commands: Mapping[str, Callable], argv: Sequence[str] | None, name: str, description: str
) -> None:
    """Runs one of several commands with the arguments of a command line.

    A mistake of the user ends the program with status 2 and one line on standard error. Anything
    else that goes wrong is a bug of ours and keeps its traceback.

    Args:
        commands: The functions by name. Their arguments become options, dataclasses one option a
            field; docstrings and the fields' comments become the help.
        argv: The arguments, without the program's name; those of the process if None.
        name: The module, as `python -m` takes it.
        description: The first lines of the help.
    """
    command = _parse(commands, argv, f"python -m {name}", description)
    try:
        command()
    except (ValueError, OSError) as error:
        if not is_users_mistake(error):
            raise
        _fail(str(error))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def _parse(
    commands: Mapping[str, Callable], argv: Sequence[str] | None, prog: str, description: str
) -> Callable[[], None]:
    """Parses the arguments of one of the commands and binds them to it."""
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            return tyro.extras.subcommand_cli_from_dict(
                {name: _bound(command) for name, command in commands.items()},
                args=argv,
                prog=prog,
                description=description,
                config=(tyro.conf.OmitArgPrefixes,),
            )
    except SystemExit as stop:
        if not stop.code:
            raise
        # Tyro explains a mistake in a box, with rules between its parts.
        lines = [line.strip("│| ") for line in errors.getvalue().splitlines()[1:-1]]
        _fail(" ".join(line if line.strip("─-") else "-" for line in lines).strip("- "))


def _bound(command: Callable) -> Callable:
    """Returns a function with the signature of a command that binds its arguments to it."""
    return functools.wraps(command)(lambda **arguments: functools.partial(command, **arguments))


def _fail(message: str) -> NoReturn:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


def check(settings: Any, names: Sequence[str], allowed: Callable[[Any], bool], words: str) -> None:
    """Refuses settings outside their range.

    Args:
        settings: An instance of a dataclass.
        names: The fields to check.
        allowed: Tells whether a value is in the range.
        words: The range in words, for the message.

    Raises:
        ValueError: If a value is outside.
    """
    for name in names:
        if not allowed(value := getattr(settings, name)):
            raise ValueError(f"{name} must be {words}; received {value!r}")


def read_inputs(inputs: Sequence[str]) -> Iterator[bytes]:
    """Reads the texts that a command was given, as they are, byte for byte.

    Args:
        inputs: Texts, names of files with one text each, or `-` for standard input, which holds
            one text a line.

    Yields:
        The texts.

    Raises:
        ValueError: If there are none.
        OSError: If a file cannot be read.
    """
    for text in _given(inputs):
        if text == "-":
            yield from (line.rstrip(b"\r\n") for line in sys.stdin.buffer)
        elif os.path.isfile(text):  # noqa: PTH113 (a long text is no error)
            yield Path(text).read_bytes()
        else:
            yield os.fsencode(text)


def read_lines(inputs: Sequence[str]) -> Iterator[tuple[str, list[bytes]]]:
    """Reads the lines that a command was given, as they are, byte for byte.

    Args:
        inputs: Texts, names of files with one text a line, or `-` for standard input likewise.

    Yields:
        The name of a file, and its lines; or no name, and texts that were given themselves.

    Raises:
        ValueError: If there are none.
        OSError: If a file cannot be read.
    """
    for text in _given(inputs):
        if text == "-":
            yield "standard input", [line.rstrip(b"\r\n") for line in sys.stdin.buffer]
        elif os.path.isfile(text):  # noqa: PTH113 (a long text is no error)
            with Path(text).open("rb") as lines:
                yield text, [line.rstrip(b"\r\n") for line in lines]
        else:
            yield "", [os.fsencode(text)]


def find_files(inputs: Sequence[str], suffixes: Sequence[str]) -> list[Path]:
    """Finds the files that a command was given.

    Args:
        inputs: Names of files, folders of them, or globs.
        suffixes: How the names of files in folders end.

    Raises:
        ValueError: If one of them leads to no file.
    """
    files = []
    for given in _given(inputs, "file, folder or glob"):
        if Path(given).is_dir():
            found = [path for path in Path(given).rglob("*") if path.suffix.lower() in suffixes]
            found = [path for path in found if path.is_file()]
        elif Path(given).exists():  # what looks like a glob may be a name
            found = [Path(given)]
        else:
            found = [path for path in map(Path, glob.glob(given)) if path.is_file()]  # noqa: PTH207
        if not found:
            raise ValueError(
                f"inputs: {given!r} is no file, and no folder or glob with files that end in "
                f"{', '.join(suffixes)}"
            )
        files += sorted(found)
    return files


def _given(inputs: Sequence[str], what: str = TEXTS) -> Sequence[str]:
    if not inputs:
        raise ValueError(f"inputs: give at least one {what}")
    return inputs


def is_users_mistake(error: Exception) -> bool:
    """Tells what the user can mend, a file or an argument, from a bug.

    Every OSError is about the user's files, disk or network. A ValueError is meant for the user
    if a `raise` statement in this project made it; one out of a library, or out of an operation
    of ours that went wrong, is a bug.
    """
    if isinstance(error, OSError):
        return True
    frame, line = list(traceback.walk_tb(error.__traceback__))[-1]
    package = (frame.f_globals.get("__package__") or "").partition(".")[0]
    statement = linecache.getline(frame.f_code.co_filename, line, frame.f_globals)
    return package in OURS and statement.lstrip().startswith("raise ")
