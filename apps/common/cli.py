"""Commands: arguments come from signatures and dataclasses, mistakes are answered in one line."""

import argparse
import contextlib
import dataclasses
import functools
import glob
import inspect
import io
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, get_type_hints

import tyro

from apps.common.data.given import read_utf8
from apps.common.files import listing_written
from apps.common.refusal import Refusal
from apps.common.settings import read_settings

TEXTS = "text or file, or - for standard input"
CONFIG = "--config"
CONFIG_HELP = (
    f"{CONFIG} FILE takes the settings of another run from its settings.json. Options that are "
    f"given count more."
)


def run_command(
    commands: Callable | Mapping[str, Callable],
    argv: Sequence[str] | None,
    name: str,
    description: str,
    default: str | None = None,
) -> None:
    """Run a command with the arguments of a command line, and print which files it wrote.

    A `Refusal` ends the program with status 2 and one line on standard error. So does an error of
    the operating system about a file, a disk or a network. Any other exception is a bug and keeps
    its traceback.

    Args:
        commands: A function, or several by name, of which the first argument chooses one. Their
            arguments become options, and each field of a dataclass becomes one option. Docstrings
            and the comments behind the fields become the help. A command with a dataclass that has
            no default also takes `--config` with the settings file of a run, whose values become
            the defaults, unless a field has that name.
        argv: The arguments, without the program's name; those of the process if None.
        name: The module, as `python -m` takes it.
        description: The first lines of the help.
        default: The command that is meant if the first argument names none.
    """
    with _answering_mistakes():
        command = _parse(commands, argv, f"python -m {name}", description, default)
        with listing_written():
            command()


def check_arguments(
    commands: Mapping[str, Callable], description: str, name: str, default: str | None
) -> None:
    """End the program if the arguments of the process ask for help or are mistaken.

    Arguments are those of `run_command`.
    """
    with _answering_mistakes():
        _parse(commands, None, f"python -m {name}", description, default)


@contextlib.contextmanager
def _answering_mistakes() -> Iterator[None]:
    try:
        yield
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
    default: str | None,
) -> Callable[[], None]:
    """Parse the arguments of one of the commands and bind them to it.

    Raises:
        Refusal: If the file of `--config` holds no settings for the command.
        OSError: If it cannot be read.
    """
    options = {"prog": prog, "description": description, "config": (tyro.conf.OmitArgPrefixes,)}
    args = list(sys.argv[1:] if argv is None else argv)
    if default is not None and (not args or args[0] not in (*commands, "-h", "--help")):  # type: ignore[misc]
        args.insert(0, default)
    each = [commands] if callable(commands) else commands.values()
    config = None
    if not any(map(_has_own_config, each)):
        config, args = _take_config(args)
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            if callable(commands):
                return tyro.cli(_bound(commands, config), args=args, **options)
            chosen = args[0] if args else None
            bound = {
                name: _bound(command, config if name == chosen else None)
                for name, command in commands.items()
            }
            return tyro.extras.subcommand_cli_from_dict(bound, args=args, **options)
    except SystemExit as stop:
        if not stop.code:
            raise
        # Tyro explains a mistake in a box, with rules between its parts.
        lines = [line.strip("│| ") for line in errors.getvalue().splitlines()[1:-1]]
        text = " ".join(line if line.strip("─-") else "-" for line in lines).strip("- ")
        _fail(re.sub(r" in python \S+ --help", "", text))  # not the whole name of the command


def _has_own_config(command: Callable) -> bool:
    """Return whether a command has an option of the name `--config` that means something else."""
    hints = get_type_hints(command).values()
    return any(
        field.name == CONFIG.strip("-")
        for hint in hints
        if dataclasses.is_dataclass(hint)
        for field in dataclasses.fields(hint)
    )


def _take_config(argv: Sequence[str]) -> tuple[Path | None, list[str]]:
    """Return the file of `--config`, and the other arguments."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument(CONFIG, type=Path)
    try:
        found, others = parser.parse_known_args(argv)
    except argparse.ArgumentError as error:
        raise Refusal(f"{CONFIG} must be followed by the settings.json of a run") from error
    return found.config, others


def _bound(command: Callable, config: Path | None) -> Callable:
    """Return a function with the signature of a command that binds arguments to the command."""

    @functools.wraps(command)
    def bound(**arguments: Any) -> Callable[[], None]:
        return functools.partial(command, **arguments)

    signature = inspect.signature(command)
    parameters = dict(signature.parameters)
    hints = get_type_hints(command, include_extras=True)
    settings = [
        name
        for name, one in parameters.items()
        if dataclasses.is_dataclass(hints.get(name)) and one.default is one.empty
    ]
    if config is not None and not settings:
        raise Refusal(f"{CONFIG} has no effect with this command: leave it out")
    for name in settings:
        if config is not None:
            default = read_settings(config, hints[name])
            parameters[name] = parameters[name].replace(default=default)
    # Those with defaults follow those without.
    order = sorted(parameters.values(), key=lambda one: one.default is not one.empty)
    bound.__signature__ = signature.replace(parameters=order)  # type: ignore[attr-defined]
    if settings and not _has_own_config(command):
        summary, *rest = inspect.cleandoc(command.__doc__ or "").split("\n\n")
        bound.__doc__ = "\n\n".join([summary, CONFIG_HELP, *rest])
    return bound


def _fail(message: str) -> NoReturn:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


def read_inputs(inputs: Sequence[str]) -> Iterator[bytes]:
    """Read the texts that a command was given, those of files in UTF-8.

    Args:
        inputs: Texts, names of files with one text each, or `-` for standard input with one text a
            line, byte for byte.

    Returns:
        An iterator over the texts, read one by one.

    Raises:
        Refusal: If there are none, or a file is empty or holds no text.
        OSError: If a file cannot be read.
    """
    return _texts(_given(inputs))


def _texts(inputs: Sequence[str]) -> Iterator[bytes]:
    for text in inputs:
        if text == "-":
            yield from (line.rstrip(b"\r\n") for line in sys.stdin.buffer)
        elif os.path.isfile(text):  # noqa: PTH113 (a long text is no error)
            yield read_utf8(Path(text))
        else:
            yield os.fsencode(text)


def read_lines(inputs: Sequence[str]) -> Iterator[tuple[str, list[bytes]]]:
    """Read the lines that a command was given, those of files in UTF-8.

    Args:
        inputs: Texts, or names of files or `-` for standard input, with one text a line.

    Yields:
        The name of a file and its lines, or an empty name and a text.

    Raises:
        Refusal: If there are none, or a file is empty or holds no text.
        OSError: If a file cannot be read.
    """
    for text in _given(inputs):
        if text == "-":
            yield "standard input", [line.rstrip(b"\r\n") for line in sys.stdin.buffer]
        elif os.path.isfile(text):  # noqa: PTH113 (a long text is no error)
            lines = io.BytesIO(read_utf8(Path(text)))
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
