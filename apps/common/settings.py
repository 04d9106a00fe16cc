"""Settings: what they may be, their file, and range checks. Imports nothing that takes long."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from apps.common.files import replacing
from apps.common.refusal import Refusal

CellName = Literal["elman", "lstm", "gru"]
Format = Literal["onnx", "litert"]  # of exports for other runtimes
MAX_SEED = 2**32 - 1  # of NumPy
APP = "app"  # the key of the application in the file

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


def write_settings(file: Path, settings: Any) -> None:
    """Write settings as JSON, with the application that their class belongs to."""
    values = {APP: _application(type(settings)), **dataclasses.asdict(settings)}
    with replacing(file) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n", "utf-8")


def read_settings(file: Path, kind: type[Settings]) -> Settings:
    """Read what `write_settings` wrote, as an instance of the dataclass `kind`.

    Raises:
        Refusal: If the file is damaged, or is that of another application or a later version.
        OSError: If it cannot be read.
    """
    try:
        values = json.loads(file.read_bytes())
    except ValueError as error:
        raise Refusal(
            f"{file} cannot be read ({error}): restore it, or train again in a new folder"
        ) from error
    if not isinstance(values, dict):
        raise Refusal(f"{file} must hold settings of this application; received {values!r:.40}")
    ours = _application(kind)
    app = values.pop(APP, ours)  # runs of the first versions do not say
    if app != ours:
        raise Refusal(
            f"{file.parent} is a run of apps.{app}, and this is apps.{ours}: "
            f"use python -m apps.{app}, or choose another run"
        )
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(values.keys() - names):
        raise Refusal(
            f"{file} must hold settings of this application; received "
            f"{', '.join(unknown)}: choose a run of this application"
        )
    return kind(**values)


def _application(kind: type) -> str:
    """Return the folder of the module of a class: `x` for a class of `apps.x.settings`."""
    return kind.__module__.rpartition(".")[0].rpartition(".")[2]
