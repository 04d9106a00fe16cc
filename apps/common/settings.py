"""Settings: what they may be, their file, and range checks. Imports nothing that takes long."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from apps.common.files import replacing
from apps.common.json_files import SHOWN, check_types, read_object, shown
from apps.common.refusal import Refusal

CellName = Literal["elman", "lstm", "gru"]
Format = Literal["onnx", "litert"]  # of exports for other runtimes
MAX_SEED = 2**32 - 1  # of NumPy
MAX_SIZE = 2**31 - 1  # of an axis of a tensor
APP = "app"  # the key of the application in the file
RESTORE = "restore it, or train again in a new folder"

Settings = TypeVar("Settings")


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


def check_sizes(settings: Any, names: Sequence[str]) -> None:
    """Refuse sizes below one, or too large for a tensor; one that is not given may be None.

    Args:
        settings: An instance of a dataclass.
        names: The fields to check.

    Raises:
        Refusal: If a value is outside.
    """
    check(settings, names, lambda size: size is None or size >= 1, "at least 1")
    words = f"at most {MAX_SIZE:,}"
    check(settings, names, lambda size: size is None or size <= MAX_SIZE, words)


def write_settings(file: Path, settings: Any) -> None:
    """Write settings as JSON, with the application that their class belongs to."""
    values = {APP: _application(type(settings)), **dataclasses.asdict(settings)}
    with replacing(file) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n", "utf-8")


def read_settings(file: Path, kind: type[Settings]) -> Settings:
    """Read what `write_settings` wrote, as an instance of the dataclass `kind`.

    A file is held to what the command line is held to: the types of the fields, and their ranges
    by the method `check` of the class. Its static method `upgraded`, if it has one, makes the
    values of earlier versions those of today before.

    Raises:
        Refusal: If the file is damaged, is that of another application or a later version, or has
            a value of another type or outside its range.
        OSError: If it cannot be read.
    """
    values = read_object(file, "settings of this application", RESTORE)
    ours = _application(kind)
    app = values.pop(APP, ours)  # runs of the first versions do not say
    if not isinstance(app, str):
        raise Refusal(f"{file}: {APP} must be a text; received {shown(app)}: {RESTORE}")
    if app != ours:
        raise Refusal(
            f"{file.parent} is a run of apps.{app:.{SHOWN}}, and this is apps.{ours}: "
            f"use python -m apps.{app:.{SHOWN}}, or choose another run"
        )
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(values.keys() - names):
        raise Refusal(
            f"{file} must hold settings of this application; received "
            f"{', '.join(unknown):.{SHOWN}}: choose a run of this application"
        )
    upgraded = getattr(kind, "upgraded", dict)
    settings = check_types(kind(**upgraded(values)), str(file), RESTORE)
    try:
        getattr(settings, "check", lambda: None)()
    except Refusal as error:
        raise Refusal(f"{file}: {error}; {RESTORE}") from error
    return settings


def _application(kind: type) -> str:
    """Return the folder of the module of a class: `x` for a class of `apps.x.settings`."""
    return kind.__module__.rpartition(".")[0].rpartition(".")[2]
