"""JSON that may be damaged or nonsense: read with the name of its place, checked by type."""

import dataclasses
import json
import os
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from apps.common.refusal import Refusal

SHOWN = 40  # characters of a value in a message

Record = TypeVar("Record")


def parse(content: str | bytes) -> Any:
    """Return the value that a JSON text holds.

    Raises:
        ValueError: If it is not JSON, or is nested too deeply to be read.
    """
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_object(file: Path, what: str, remedy: str) -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Args:
        file: The file.
        what: What it must hold, for the message.
        remedy: What to do if it does not, for the message.

    Raises:
        Refusal: If it is damaged or holds something else.
        OSError: If it cannot be read.
    """
    try:
        values = parse(file.read_bytes())
    except ValueError as error:
        raise Refusal(f"{file} cannot be read ({error}): {remedy}") from error
    if not isinstance(values, dict):
        raise Refusal(f"{file} must hold {what}; received {shown(values)}: {remedy}")
    return values


def shown(value: Any) -> str:
    """Return a value for a message, in a few characters."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def check_types(record: Record, place: str, remedy: str) -> Record:
    """Return an instance of a dataclass with the types that its fields have.

    These are the types that the command line gives: a list becomes a tuple, and a whole number is
    a number.

    Args:
        record: The instance, with values from JSON.
        place: Where they come from, for the message.
        remedy: What to do if one is wrong, for the message.

    Raises:
        Refusal: If a value has another type.
    """
    kind = type(record)
    hints = get_type_hints(kind)
    converted = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        value, hint = getattr(record, field.name), hints[field.name]
        try:
            converted[field.name] = _convert(value, hint)
        except ValueError:
            raise Refusal(
                f"{place}: {field.name} must be {_in_words(hint)}; received {shown(value)}: "
                f"{remedy}"
            ) from None
    return kind(**converted)


def _convert(value: Any, hint: Any) -> Any:
    """Return a value of JSON as one of a type.

    Raises:
        ValueError: If it is none.
    """
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return None if value is None else _convert(value, _without_none(inner))
    if origin is Literal:
        fits = any(type(value) is type(each) and value == each for each in inner)
    elif origin in (tuple, list):
        if isinstance(value, list | tuple):
            return origin(_convert(each, inner[0]) for each in value)
        fits = False
    elif isinstance(origin, type) and issubclass(origin, Mapping):
        if isinstance(value, dict):
            return {name: _convert(each, inner[1]) for name, each in value.items()}
        fits = False
    elif hint is float:
        if type(value) not in (int, float):
            raise ValueError
        try:
            return float(value)
        except OverflowError:
            raise ValueError from None
    elif hint is str:
        fits = isinstance(value, str) and _is_argument(value)
    else:
        fits = type(value) is hint
    if not fits:
        raise ValueError
    return value


def _is_argument(text: str) -> bool:
    """Return whether a command line can hold a text."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _without_none(hints: tuple[Any, ...]) -> Any:
    (hint,) = (each for each in hints if each is not types.NoneType)
    return hint


def _in_words(hint: Any) -> str:
    """Return what a value of a type is called in JSON."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return f"{_in_words(_without_none(inner))} or null"
    if origin is Literal:
        return " or ".join(repr(each) for each in inner)
    if origin in (tuple, list):
        return f"a list, each {_in_words(inner[0])}"
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    return names.get(hint, "an object")
