"""Values of JSON as tensors: every number is taken exactly as it is, or refused.

`NaN` and `Infinity` are numbers. Bytes are `{"b64": "..."}`.
"""

import base64
import itertools
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import orjson

from apps.serve.errors import ServingError, invalid_argument

if TYPE_CHECKING:  # whoever reads JSON in a process of its own needs no TensorFlow
    import tensorflow as tf

    from apps.common.signatures import Spec

Tensors = dict[str, np.ndarray]
MAX_VALUES = 4 * 2**20  # numbers of an input
STRING = 16  # numbers cost as much as a string
EXACT = 2**53  # integers up to this size are exact in float64
DEEPEST = 32  # levels of lists
SHOWN = 40  # characters of a value in a message
# Base64 as absl::Base64Unescape takes it: without padding or with all of it, and white space
# anywhere.
BASE64 = re.compile(r"([A-Za-z0-9+/]*)([=.]*)")
WHITE_SPACE = str.maketrans("", "", " \t\n\v\f\r")


class Kind(NamedTuple):
    """The dtype of an input, as TensorFlow's `DType` has it, for processes without TensorFlow."""

    name: str
    is_floating: bool
    is_integer: bool
    is_bool: bool
    as_numpy_dtype: Any


class Input(NamedTuple):
    """The dtype and shape of an input."""

    dtype: Kind
    shape: tuple[int | None, ...] | None

    @classmethod
    def of(cls, spec: "Spec") -> "Input":
        """Return a spec as what another process can read."""
        return cls(Kind(*(getattr(spec.dtype, name) for name in Kind._fields)), spec.shape)


def is_bytes(value: Any) -> bool:
    """Return whether a value stands for bytes."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def to_tensor(
    value: Any, spec: "Spec | Input", name: str, max_values: int = MAX_VALUES
) -> np.ndarray:
    """Return the value of an input as an array.

    Args:
        value: Nested lists of numbers, booleans, strings or `{"b64": ...}`.
        spec: The dtype and shape it must have.
        name: The name of the input, for messages.
        max_values: The largest number of values. Strings count `STRING` times.

    Raises:
        ServingError: If its dtype or shape is another.
    """
    is_text = spec.dtype.name == "string"
    flat, shape = _flattened(value, name, max_values // (STRING if is_text else 1))
    if is_text:
        tensor = np.empty(len(flat), object)
        for place, item in enumerate(flat):  # one by one: NumPy would make all as long as one
            tensor[place] = text_of(item, name)
    else:
        tensor = _numbers(flat, spec.dtype, name)
    tensor = tensor.reshape(shape)
    fits = spec.shape is None or (
        tensor.ndim == len(spec.shape)
        and all(size in (None, own) for size, own in zip(spec.shape, tensor.shape, strict=True))
    )
    if not fits:
        expected = ",".join("?" if size is None else str(size) for size in spec.shape)
        raise invalid_argument(
            f"{name}: expecting shape [{expected}] but got: [{','.join(map(str, tensor.shape))}]"
        )
    return tensor


def _flattened(value: Any, name: str, most: int) -> tuple[list, list[int]]:
    """Return the values in nested lists, and the shape of the lists."""
    flat, shape = [value], []
    while flat and isinstance(flat[0], list):
        size = len(flat[0])
        if set(map(type, flat)) != {list} or set(map(len, flat)) != {size}:
            raise invalid_argument(f"{name}: lists on the same level must be of the same length")
        shape.append(size)
        if len(shape) > DEEPEST:
            raise invalid_argument(f"{name}: lists may be nested at most {DEEPEST} deep")
        if (count := len(flat) * size) > most:
            raise invalid_argument(
                f"{name} may have at most {most:,} values (rows x steps) in a request; received "
                f"{count:,}"
            )
        flat = list(itertools.chain.from_iterable(flat))
    return flat, shape


def _numbers(flat: list, dtype: "tf.DType | Kind", name: str) -> np.ndarray:
    """Return numbers as an array, each converted by itself."""
    if not (dtype.is_floating or dtype.is_integer or dtype.is_bool):
        raise ServingError("UNIMPLEMENTED", f"{name}: JSON cannot represent {dtype.name}")
    target = dtype.as_numpy_dtype
    admitted = {bool} if dtype.is_bool else {int} if dtype.is_integer else {int, float}
    kinds = set(map(type, flat))
    if not kinds <= admitted:
        wrong = next(item for item in flat if type(item) not in admitted)
        raise invalid_argument(f"{name}: {_shown(wrong)} is not of expected type: {dtype.name}")
    if dtype.is_bool:
        return np.array(flat, target)
    if dtype.is_integer:
        info = np.iinfo(target)
        for item in (min(flat, default=0), max(flat, default=0)):
            if not info.min <= item <= info.max:
                raise _inexact(item, dtype, name)
        return np.array(flat, target)
    whole = [item for item in flat if type(item) is int] if int in kinds else []
    if any(abs(item) > EXACT for item in whole):
        wrong = next((item for item in whole if not _is_exact(item, target)), None)
    else:
        with np.errstate(over="ignore"):
            same = np.array(whole, "float64").astype(target).astype("float64") == whole
        wrong = None if np.all(same) else whole[int(np.argmin(same))]
    if wrong is not None:
        raise _inexact(wrong, dtype, name)
    exact = np.array(flat, "float64")
    with np.errstate(over="ignore"):
        tensor = exact.astype(target)
    too_large = np.isinf(tensor.astype("float64")) & ~np.isinf(exact)
    if too_large.any():
        raise _inexact(flat[int(np.argmax(too_large))], dtype, name)
    return tensor


def _is_exact(number: int, target: type) -> bool:
    try:
        with np.errstate(over="ignore"):
            near = float(np.array(number, "float64").astype(target))
    except OverflowError:  # beyond float64
        return False
    return np.isfinite(near) and int(near) == number


def _inexact(number: Any, dtype: "tf.DType | Kind", name: str) -> ServingError:
    return invalid_argument(
        f"{name}: cannot convert {_shown(number)} to {dtype.name} without loss of precision"
    )


def _shown(value: Any) -> str:
    """Return a value as JSON, cut if it is long."""
    if isinstance(value, list | dict) and value:
        return "a list" if isinstance(value, list) else "an object"
    try:
        text = orjson.dumps(value).decode()
    except TypeError:  # such as an integer beyond 64 bits
        text = str(value)[: SHOWN + 1]
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def text_of(value: Any, name: str) -> bytes:
    """Return a string, or bytes in base64, as bytes.

    Args:
        value: A string, or `{"b64": ...}`.
        name: The name of the input, for messages.

    Raises:
        ServingError: If it is neither.
    """
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError as error:
            raise invalid_argument(f"{name}: a string is no valid Unicode") from error
    if not is_bytes(value):
        raise invalid_argument(f"{name}: {_shown(value)} is not of expected type: string")
    found = BASE64.fullmatch(value["b64"].translate(WHITE_SPACE))
    missing = -len(found[1]) % 4 if found else 3  # no text has three signs too few
    if missing == 3 or len(found[2]) not in (0, missing):
        raise invalid_argument(f"{name}: Unable to base64 decode")
    return base64.b64decode(found[1] + missing * "=")


def check_lengths(tensors: Tensors, max_length: int) -> None:
    """Refuse sequences of too many time steps.

    Raises:
        ServingError: If a sequence is longer.
    """
    for name, tensor in tensors.items():
        longest = max(tensor.shape[1:], default=0)
        if longest > max_length:
            raise invalid_argument(
                f"{name} may have at most {max_length:,} time steps; received {longest:,}"
            )
