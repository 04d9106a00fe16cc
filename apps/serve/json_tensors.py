"""Tensors as JSON and back, by the rules of TensorFlow Serving's REST API.

A request gives its tensors by row, `{"instances": [{"a": 1, "b": 2}, ...]}`, or by column,
`{"inputs": {"a": [1, ...], "b": [2, ...]}}`. The answer is `predictions` by row or `outputs` by
column. The name of a single input or output is left out. Bytes are `{"b64": "..."}`.

The rules: https://www.tensorflow.org/tfx/serving/api_rest
"""

import base64
import functools
import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from apps.serve.errors import invalid_argument
from apps.serve.json_values import MAX_VALUES, Input, Tensors, is_bytes, to_tensor

if TYPE_CHECKING:
    from apps.common.signatures import Spec

PIECE = 2**15  # numbers that are written without a pause
BYTES_SUFFIX = "_bytes"  # strings of outputs with this ending are answered as base64


def parse(body: bytes) -> dict[str, Any]:
    """Parse the JSON object of a request. `NaN` and `Infinity` are numbers.

    Raises:
        ServingError: If it is no JSON object.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if not (b"NaN" in body or b"Infinity" in body):
            raise invalid_argument(f"JSON Parse error: {error}") from error
        try:
            document = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise invalid_argument(f"JSON Parse error: {error}") from error
    if not isinstance(document, dict):
        raise invalid_argument("JSON Value: the request is not an object")
    return document


def signature_name(document: Mapping[str, Any]) -> str:
    """Return the name of the signature that a request names, or an empty string.

    Raises:
        ServingError: If it is not a string.
    """
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid_argument("'signature_name' key must be a string value")
    return name


def read_inputs(
    document: Mapping[str, Any],
    specs: "Mapping[str, Spec | Input]",
    max_rows: int,
    max_values: int = MAX_VALUES,
) -> tuple[Tensors, bool]:
    """Read the tensors of a predict request.

    Args:
        document: The request.
        specs: The inputs of the signature.
        max_rows: The largest first dimension.
        max_values: The largest number of values of an input; see `to_tensor`.

    Returns:
        The tensors, and whether they came by row.

    Raises:
        ServingError: If they do not fit the signature.
    """
    by_row = "instances" in document
    if by_row and "inputs" in document:
        raise invalid_argument("expecting only one of 'inputs' or 'instances' keys to exist")
    if not by_row and "inputs" not in document:
        raise invalid_argument("Missing 'inputs' or 'instances' key")
    columns = (
        _columns_of_rows(document["instances"], specs, max_rows)
        if by_row
        else _columns(document["inputs"], specs)
    )
    tensors = {
        name: to_tensor(columns[name], spec, name, max_values) for name, spec in specs.items()
    }
    for name, tensor in tensors.items():
        if tensor.ndim and len(tensor) > max_rows:
            raise invalid_argument(
                f"{name} may have at most {max_rows:,} rows in a request; received {len(tensor):,}"
            )
    return tensors, by_row


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and not is_bytes(value)


def _columns_of_rows(rows: Any, specs: Mapping[str, Any], max_rows: int) -> dict[str, list]:
    if not isinstance(rows, list):
        raise invalid_argument("Expecting 'instances' to be a list/array")
    if not rows:
        raise invalid_argument("No values in 'instances' array")
    if len(rows) > max_rows:
        raise invalid_argument(
            f"'instances' may have at most {max_rows:,} items; received {len(rows):,}"
        )
    named = _is_named(rows[0])
    if not named and len(specs) > 1:
        raise invalid_argument(
            "instances is a plain list, but expecting list of objects as there are several "
            f"inputs: {', '.join(specs)}"
        )
    for place, row in enumerate(rows):
        if _is_named(row) != named:
            raise invalid_argument(
                f"'instances' mixes objects and plain values: item {place} is not like the first"
            )
        if named and row.keys() != specs.keys():
            raise invalid_argument(
                f"Failed to process element: {place} of 'instances' list. Its keys must be equal "
                f"to: {','.join(sorted(specs))}"
            )
    if named:
        return {name: [row[name] for row in rows] for name in specs}
    return dict.fromkeys(specs, rows)


def _columns(inputs: Any, specs: Mapping[str, Any]) -> dict[str, Any]:
    if not _is_named(inputs):
        if len(specs) > 1:
            raise invalid_argument(
                "inputs is a plain value/list, but expecting an object as there are several "
                f"inputs: {', '.join(specs)}"
            )
        return dict.fromkeys(specs, inputs)
    for name in specs:
        if name not in inputs:
            raise invalid_argument(f"Missing named input: {name} in 'inputs' object")
    return inputs


def write_outputs(outputs: Tensors, by_row: bool) -> bytes:
    """Write the answer to a predict request.

    Args:
        outputs: The tensors.
        by_row: Whether the request came by row.

    Raises:
        ServingError: If they cannot be written by row.
    """
    if by_row:
        return dump({"predictions": rows_of(outputs)}, *outputs.values())
    values = _writable(outputs)
    answer = values if len(values) > 1 else next(iter(values.values()))
    return dump({"outputs": answer}, *outputs.values())


def rows_of(outputs: Tensors) -> list | np.ndarray:
    """Return for each row its outputs by name, or its only output, as `dump` takes them.

    Raises:
        ServingError: If the outputs differ in their number of rows.
    """
    sizes = {np.shape(tensor)[:1] for tensor in outputs.values()}
    if () in sizes or len(sizes) > 1:
        raise invalid_argument(
            "The outputs have no common batch size, so there are no rows; send 'inputs' "
            "instead of 'instances'"
        )
    values = _writable(outputs)
    if len(values) == 1:
        return next(iter(values.values()))
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def _writable(outputs: Tensors) -> dict[str, list | np.ndarray]:
    """Return the outputs as `dump` takes them, sorted by name."""
    values: dict[str, list | np.ndarray] = {}
    for name, tensor in sorted(outputs.items()):
        if tensor.dtype == object:
            values[name] = _texts(tensor.tolist(), name.endswith(BYTES_SUFFIX))
        elif tensor.dtype.kind not in "biuf":  # bfloat16 and other kinds that NumPy lacks
            values[name] = tensor.astype("float32")
        else:
            values[name] = np.ascontiguousarray(tensor) if tensor.ndim else tensor
    return values


def _texts(value: Any, as_bytes: bool) -> Any:
    if isinstance(value, list):
        return [_texts(item, as_bytes) for item in value]
    if as_bytes:
        return {"b64": base64.b64encode(value).decode()}
    return value.decode(errors="replace")


def dump(answer: Any, *tensors: np.ndarray) -> bytes:
    """Write an answer as JSON.

    Args:
        answer: The answer. It may hold arrays and numbers of NumPy.
        tensors: The tensors in it.
    """
    if all(tensor.dtype.kind != "f" or np.isfinite(tensor).all() for tensor in tensors):
        write: Callable[[Any], bytes] = functools.partial(
            orjson.dumps, option=orjson.OPT_SERIALIZE_NUMPY, default=_plain
        )
    else:  # orjson would write null for NaN
        write = lambda part: json.dumps(part, default=_plain).encode()  # noqa: E731
    size = size_of(*tensors)
    return write(answer) if size <= PIECE else b"".join(_in_pieces(answer, write, size))


def size_of(*tensors: np.ndarray) -> int:
    """Return about how many numbers tensors have; of texts, eight bytes count as one."""
    return sum(
        sum(map(len, tensor.flat)) // 8 + tensor.size if tensor.dtype == object else tensor.size
        for tensor in tensors
    )


def _is_divisible(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return bool(value.ndim and value.size)
    return isinstance(value, dict | list) and bool(value)


def _in_pieces(value: Any, write: Callable[[Any], bytes], size: int) -> Iterator[bytes]:
    """Write a value of some size in pieces, between which other threads go on.

    A library that writes JSON holds Python's lock until it has written all.
    """
    if size <= PIECE or not _is_divisible(value):
        yield write(value)
    elif isinstance(value, dict):
        for place, (name, item) in enumerate(value.items()):
            yield b"{" if place == 0 else b","
            yield orjson.dumps(name) + b":"
            yield from _in_pieces(item, write, size)
        yield b"}"
    elif len(value) == 1:
        yield b"["
        yield from _in_pieces(value[0], write, size)
        yield b"]"
    else:
        half = len(value) // 2
        for end, part in ((b"[", value[:half]), (b",", value[half:])):
            yield end
            yield b"".join(_in_pieces(part, write, size // 2))[1:-1]
        yield b"]"


def _plain(value: np.ndarray | np.generic) -> Any:
    """Return Python numbers, with no more digits than the dtype holds."""
    if value.dtype == "float32" or value.dtype == "float16":
        return value.astype(str).astype("float64").tolist()
    return value.tolist()
