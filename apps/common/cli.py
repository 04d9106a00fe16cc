"""Commands: arguments come from signatures and dataclasses, mistakes are answered in one line."""

import contextlib
import functools
import glob
import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import tyro

from apps.common.refusal import Refusal

TEXTS = "text or file, or - for standard input"


def run_command(
    commands: Callable | Mapping[str, Callable],
    argv: Sequence[str] | None,
    name: str,
    description: str,
) -> None:
    """Run a command with the arguments of a command line.

    A `Refusal` ends the program with status 2 and one line on standard error. So does an error of
    the operating system about a file, a disk or a network. Any other exception is a bug and keeps
    its traceback.

    Args:
        commands: A function, or several by name, of which the first argument chooses one. Their
            arguments become options, and each field of a dataclass becomes one option. Docstrings
            and the comments behind the fields become the help.
        argv: The arguments, without the program's name; those of the process if None.
        name: The module, as `python -m` takes it.
        description: The first lines of the help.
    """
    command = _parse(commands, argv, f"python -m {name}", description)
    try:
        command()
    except Refusal as error:
        _fail(str(error))
    except OSError as error:
        if error.errno is None:  # not from the operating system
            raise
        _fail(str(error))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def _parse(
    commands: Callable | Mapping[str, Callable],
    argv: Sequence[str] | None,
    prog: str,
    description: str,
) -> Callable[[], None]:
    """Parse the arguments of one of the commands and bind them to it."""
    options = {"args": argv, "prog": prog, "description": description}
    options["config"] = (tyro.conf.OmitArgPrefixes,)
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            if callable(commands):
                return tyro.cli(_bound(commands), **options)
            bound = {name: _bound(command) for name, command in commands.items()}
            return tyro.extras.subcommand_cli_from_dict(bound, **options)
    except SystemExit as stop:
        if not stop.code:
            raise
        # Tyro explains a mistake in a box, with rules between its parts.
        lines = [line.strip("│| ") for line in errors.getvalue().splitlines()[1:-1]]
        _fail(" ".join(line if line.strip("─-") else "-" for line in lines).strip("- "))


def _bound(command: Callable) -> Callable:
    """Return a function with the signature of a command that binds arguments to the command."""
    return functools.wraps(command)(lambda **arguments: functools.partial(command, **arguments))


def _fail(message: str) -> NoReturn:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


def check(settings: Any, names: Sequence[str], allowed: Callable[[Any], bool], words: str) -> None:
    """Refuse settings outside their range.

    Args:
        settings: An instance of a dataclass.
        names: The fields to check.
        allowed: Returns whether a value is in the range.
        words: The range in words, for the message.

    Raises:
        Refusal: If a value is outside.
    """
    for name in names:
        if not allowed(value := getattr(settings, name)):
            raise Refusal(f"{name} must be {words}; received {value!r}")


def read_inputs(inputs: Sequence[str]) -> Iterator[bytes]:
    """Read the texts that a command was given, byte for byte.

    Args:
        inputs: Texts, names of files with one text each, or `-` for standard input with one text a
            line.

    Returns:
        An iterator over the texts, read one by one.

    Raises:
        Refusal: If there are none.
        OSError: If a file cannot be read.
    """
    return _texts(_given(inputs))


def _texts(inputs: Sequence[str]) -> Iterator[bytes]:
    for text in inputs:
        if text == "-":
            yield from (line.rstrip(b"\r\n") for line in sys.stdin.buffer)
        elif os.path.isfile(text):  # noqa: PTH113 (a long text is no error)
            yield Path(text).read_bytes()
        else:
            yield os.fsencode(text)


def read_lines(inputs: Sequence[str]) -> Iterator[tuple[str, list[bytes]]]:
    """Read the lines that a command was given, byte for byte.

    Args:
        inputs: Texts, or names of files or `-` for standard input, with one text a line.

    Yields:
        The name of a file and its lines, or an empty name and a text.

    Raises:
        Refusal: If there are none.
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
    """Find the files that a command was given.

    Args:
        inputs: Names of files, folders of them, or globs.
        suffixes: The endings of the files to find in folders.

    Raises:
        Refusal: If one of them leads to no file.
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
            raise Refusal(
                f"inputs: {given!r} is no file, and no folder or glob with files that end in "
                f"{', '.join(suffixes)}"
            )
        files += sorted(found)
    return files


def _given(inputs: Sequence[str], what: str = TEXTS) -> Sequence[str]:
    if not inputs:
        raise Refusal(f"inputs: give at least one {what}")
    return inputs
