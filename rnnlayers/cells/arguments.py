"""The arguments of a class of cells: those it shows, and those it refuses."""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any


def arguments_of(cell: type, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration without the arguments that a class of cells is `without`.

    Cells took and saved some of them in earlier versions, without effect.
    """
    without = getattr(cell, "without", ())
    return {name: value for name, value in config.items() if name not in without}


def check_arguments(cell: type, arguments: Iterable[str]) -> None:
    """Raise a ValueError if one of the arguments is one that a class of cells is `without`."""
    for name in arguments:
        if name in getattr(cell, "without", ()):
            raise ValueError(
                f"`{name}` is no argument of {cell.__name__}, whose equations have no place for "
                f"it; received `{name}`. Leave it out."
            )


def signature_of(cls: Any) -> inspect.Signature:
    """Return the signature of a class, with those of its parent in place of `**kwargs`."""
    parent = inspect.signature(cls.__mro__[1]).parameters.values()
    if "__init__" in vars(cls):
        _, *own = inspect.signature(vars(cls)["__init__"]).parameters.values()
    else:
        own = list(parent)
    own = [parameter for parameter in own if parameter.name not in cls.without]
    if not own or own[-1].kind is not inspect.Parameter.VAR_KEYWORD:
        return inspect.Signature(own)
    names = {*cls.without, *(parameter.name for parameter in own)}
    more = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in parent
        if parameter.name not in names
    ]
    return inspect.Signature([*own[:-1], *more, own[-1]])
