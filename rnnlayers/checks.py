"""What arguments must be, with one wording for each kind.

Each check raises a ValueError that names the argument, what is expected and what was received. It
refuses True and False where a number is expected.
"""

from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np


def is_integer(value: Any) -> bool:
    """Return whether a value is an integer of Python or NumPy, and not a boolean."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def check_positive_integer(
    name: str, value: Any, meaning: str, *, or_none: bool = False, hint: str = ""
) -> None:
    """Raise a ValueError unless a value is a positive integer.

    Args:
        name: The argument.
        value: Its value.
        meaning: What it stands for, such as "the size of the output".
        or_none: Whether None is allowed too.
        hint: A sentence that says what to do.
    """
    if not (or_none and value is None) and not (is_integer(value) and value > 0):
        meaning += ", or None" if or_none else ""
        _refuse(name, f"a positive integer, {meaning}", value, hint)


def check_number(name: str, value: Any, interval: str, meaning: str = "", hint: str = "") -> None:
    """Raise a ValueError unless a value is a number in an interval.

    Args:
        name: The argument.
        value: Its value.
        interval: Such as "[0, 1)" or "(0, inf)": a bracket includes the end, a parenthesis
            excludes it.
        meaning: What the number stands for.
        hint: A sentence that says what to do.
    """
    low, high = map(float, interval[1:-1].split(","))
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if (
        not is_number
        or not (low <= value if interval[0] == "[" else low < value)
        or not (value <= high if interval[-1] == "]" else value < high)
    ):
        expected = f"a number in {interval}"
        if high == float("inf"):
            expected = f"a finite number {'of at least' if interval[0] == '[' else 'above'} {low:g}"
        _refuse(name, f"{expected}, {meaning}" if meaning else expected, value, hint)


def check_rate(name: str, value: Any) -> None:
    """Raise a ValueError unless a value is a dropout rate."""
    hint = "Pass 0.3 to drop 30 %. (Keras accepts 1 and larger rates, and then drops nothing.)"
    check_number(name, value, "[0, 1)", "the share of values to drop", hint)


def check_one_of(name: str, value: Any, choices: Iterable[Any], hint: str = "") -> None:
    """Raise a ValueError unless a value is one of the choices."""
    choices = tuple(choices)
    if value not in choices:
        _refuse(name, f"one of {', '.join(map(repr, choices))}", value, hint)


def _refuse(name: str, expected: str, value: Any, hint: str) -> None:
    hint = f" {hint}" if hint else ""
    raise ValueError(f"`{name}` must be {expected}; received {value!r}.{hint}")
