"""Tensors as JSON and back, by the rules of TensorFlow Serving's REST API.

A request names its tensors row by row, `{"instances": [{"a": 1, "b": 2}, ...]}`, or column by
column, `{"inputs": {"a": [1, ...], "b": [2, ...]}}`, and is answered likewise by `predictions` or
`outputs`. A single input or output goes without its name. Bytes are `{"b64": "..."}`.

The rules: https://www.tensorflow.org/tfx/serving/api_rest
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
import tensorflow as tf

from apps.common.signatures import Spec
from apps.serve.errors import ServingError, refused

BYTES_SUFFIX = "_bytes"  # strings under a name that ends so are answered as base64
Tensors = dict[str, np.ndarray]


def parse(body: bytes) -> dict[str, Any]:
    """Reads the JSON object of a request; `NaN` and `Infinity` are numbers.

    Raises:
        ServingError: If it is none.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if not (b"NaN" in body or b"Infinity" in body):
            raise refused(f"JSON Parse error: {error}") from error
        try:
            document = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise refused(f"JSON Parse error: {error}") from error
    if not isinstance(document, dict):
        raise refused("JSON Value: the request is not an object")
    return document


def signature_name(document: Mapping[str, Any]) -> str:
    """Returns the signature that a request asks for, or an empty string.

    Raises:
        ServingError: If it is no string.
    """
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise refused("'signature_name' key must be a string value")
    return name


def read_inputs(
    document: Mapping[str, Any], specs: Mapping[str, Spec], max_rows: int
) -> tuple[Tensors, bool]:
    """Reads the tensors of a predict request.

    Args:
        document: The request.
        specs: The inputs of the signature.
        max_rows: The largest first dimension.

    Returns:
        The tensors, and whether they came row by row.

    Raises:
        ServingError: If they are not what the signature takes.
    """
    by_row = "instances" in document
    if by_row and "inputs" in document:
        raise refused("expecting only one of 'inputs' or 'instances' keys to exist")
    if not by_row and "inputs" not in document:
        raise refused("Missing 'inputs' or 'instances' key")
    columns = (
        _columns_of_rows(document["instances"], specs, max_rows)
        if by_row
        else _columns(document["inputs"], specs)
    )
    tensors = {name: to_tensor(columns[name], spec, name) for name, spec in specs.items()}
    for name, tensor in tensors.items():
        if tensor.ndim and len(tensor) > max_rows:
            raise refused(
                f"{name}: at most {max_rows:,} rows in a request; received {len(tensor):,}"
            )
    return tensors, by_row


def _is_bytes(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and not _is_bytes(value)


def _columns_of_rows(rows: Any, specs: Mapping[str, Spec], max_rows: int) -> dict[str, list]:
    if not isinstance(rows, list):
        raise refused("Expecting 'instances' to be a list/array")
    if not rows:
        raise refused("No values in 'instances' array")
    if len(rows) > max_rows:
        raise refused(f"'instances': at most {max_rows:,} in a request; received {len(rows):,}")
    named = _is_named(rows[0])
    if not named and len(specs) > 1:
        raise refused(
            "instances is a plain list, but expecting list of objects as there are several "
            f"inputs: {', '.join(specs)}"
        )
    for place, row in enumerate(rows):
        if _is_named(row) != named:
            raise refused(
                f"'instances' mixes objects and plain values: item {place} is not like the first"
            )
        if named and row.keys() != specs.keys():
            raise refused(
                f"Failed to process element: {place} of 'instances' list. Its keys must be equal "
                f"to: {','.join(sorted(specs))}"
            )
    if named:
        return {name: [row[name] for row in rows] for name in specs}
    return dict.fromkeys(specs, rows)


def _columns(inputs: Any, specs: Mapping[str, Spec]) -> dict[str, Any]:
    if not _is_named(inputs):
        if len(specs) > 1:
            raise refused(
                "inputs is a plain value/list, but expecting an object as there are several "
                f"inputs: {', '.join(specs)}"
            )
        return dict.fromkeys(specs, inputs)
    for name in specs:
        if name not in inputs:
            raise refused(f"Missing named input: {name} in 'inputs' object")
    return inputs


def to_tensor(value: Any, spec: Spec, name: str) -> np.ndarray:
    """Makes an array of the value of an input.

    Args:
        value: Nested lists of numbers, booleans, strings or `{"b64": ...}`.
        spec: What it has to be.
        name: The input, for messages.

    Raises:
        ServingError: If it is not of the type and shape expected.
    """
    tensor = _strings(value, name) if spec.dtype == tf.string else _numbers(value, spec.dtype, name)
    fits = spec.shape is None or (
        tensor.ndim == len(spec.shape)
        and all(size in (None, had) for size, had in zip(spec.shape, tensor.shape, strict=True))
    )
    if not fits:
        expected = ",".join("?" if size is None else str(size) for size in spec.shape)
        raise refused(
            f"{name}: expecting shape [{expected}] but got: [{','.join(map(str, tensor.shape))}]"
        )
    return tensor


def _numbers(value: Any, dtype: tf.DType, name: str) -> np.ndarray:
    if not (dtype.is_floating or dtype.is_integer or dtype.is_bool):
        raise ServingError("UNIMPLEMENTED", f"{name}: JSON has no word for {dtype.name}")
    target = dtype.as_numpy_dtype
    try:
        numbers = np.array(value)
    except (ValueError, OverflowError, RecursionError) as error:
        raise refused(f"{name}: lists on the same level must be of the same length") from error
    kinds = "b" if dtype.is_bool else "iu" if dtype.is_integer else "iuf"
    if not numbers.size:
        return numbers.astype(target)
    if numbers.dtype.kind not in kinds:
        raise refused(f"{name}: a value is not of expected type: {dtype.name}")
    if dtype.is_integer:
        info = np.iinfo(target)
        exact = info.min <= int(numbers.min()) and int(numbers.max()) <= info.max
    elif dtype.is_floating and numbers.dtype.kind == "f":
        with np.errstate(over="ignore"):
            exact = np.array_equal(np.isinf(numbers), np.isinf(numbers.astype(target)))
    elif dtype.is_floating:
        exact = np.array_equal(numbers.astype(target).astype("float64"), numbers)
    else:
        exact = True
    if not exact:
        raise refused(f"{name}: cannot convert a value to {dtype.name} without loss of precision")
    return numbers.astype(target)


def _strings(value: Any, name: str) -> np.ndarray:
    shape: list[int] = []
    level, flat = value, [value]
    while isinstance(level, list):
        shape.append(len(level))
        try:
            flat = [item for items in flat for item in _items(items, len(level))]
        except ValueError as error:
            raise refused(f"{name}: {error}") from error
        if not flat:
            break
        level = flat[0]
    tensor = np.empty(len(flat) if shape else 1, object)
    tensor[:] = [_string(item, name) for item in flat]
    return tensor.reshape(shape)


def _items(items: Any, count: int) -> list:
    if not isinstance(items, list) or len(items) != count:
        raise ValueError("lists on the same level must be of the same length")
    return items


def _string(value: Any, name: str) -> bytes:
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError as error:
            raise refused(f"{name}: a string is no valid Unicode") from error
    if _is_bytes(value):
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, ValueError) as error:
            raise refused(f"{name}: Unable to base64 decode") from error
    raise refused(f"{name}: a value is not of expected type: string")


def check_lengths(tensors: Tensors, max_length: int) -> None:
    """Refuses sequences of too many steps.

    Raises:
        ServingError: If there is one.
    """
    for name, tensor in tensors.items():
        longest = max(tensor.shape[1:], default=0)
        if longest > max_length:
            raise refused(f"{name}: at most {max_length:,} steps; received {longest:,}")


def write_outputs(outputs: Tensors, by_row: bool) -> bytes:
    """Writes the answer to a predict request.

    Args:
        outputs: The tensors.
        by_row: Whether the request came row by row.

    Raises:
        ServingError: If there is no such way to write them.
    """
    if by_row:
        return dump({"predictions": rows_of(outputs)}, *outputs.values())
    values = _writable(outputs)
    answer = values if len(values) > 1 else next(iter(values.values()))
    return dump({"outputs": answer}, *outputs.values())


def rows_of(outputs: Tensors) -> list | np.ndarray:
    """Returns for each row its outputs by name, or the one output, for `dump`.

    Raises:
        ServingError: If they have no rows in common.
    """
    sizes = {np.shape(tensor)[:1] for tensor in outputs.values()}
    if () in sizes or len(sizes) > 1:
        raise refused(
            "the outputs have no batch size in common, as rows need; ask with 'inputs' instead of "
            "'instances'"
        )
    values = _writable(outputs)
    if len(values) == 1:
        return next(iter(values.values()))
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def _writable(outputs: Tensors) -> dict[str, list | np.ndarray]:
    """Returns what `dump` can write, by name in order."""
    values: dict[str, list | np.ndarray] = {}
    for name, tensor in sorted(outputs.items()):
        if tensor.dtype == object:
            values[name] = _texts(tensor.tolist(), name.endswith(BYTES_SUFFIX))
        elif tensor.dtype.kind not in "biuf":  # half precision of the kinds that NumPy lacks
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
    """Writes an answer as JSON.

    Args:
        answer: Arrays and numbers of NumPy may be in it.
        tensors: What it is made of.
    """
    if all(tensor.dtype.kind != "f" or np.isfinite(tensor).all() for tensor in tensors):
        return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY, default=_plain)
    return json.dumps(answer, default=_plain).encode()  # `orjson` would write null


def _plain(value: np.ndarray | np.generic) -> Any:
    """Returns numbers as Python knows them, with no more digits than their type has."""
    if value.dtype == "float32" or value.dtype == "float16":
        return value.astype(str).astype("float64").tolist()
    return value.tolist()


def read_examples(document: Mapping[str, Any], max_rows: int) -> np.ndarray:
    """Reads the examples of a classify or regress request as serialized `tf.train.Example`.

    Raises:
        ServingError: If they are malformed.
    """
    examples, context = document.get("examples"), document.get("context", {})
    if not isinstance(examples, Sequence) or isinstance(examples, str) or not examples:
        raise refused("'examples' is expected, a list with at least one object")
    if len(examples) > max_rows:
        raise refused(f"'examples': at most {max_rows:,} in a request; received {len(examples):,}")
    rows = np.empty(len(examples), object)
    for place, example in enumerate(examples):
        if not isinstance(example, dict) or not isinstance(context, dict):
            raise refused("Example must be JSON object")
        if shared := example.keys() & context.keys():
            raise refused(f"'context' and example {place} both have: {', '.join(sorted(shared))}")
        features = {name: _feature(value, name) for name, value in {**context, **example}.items()}
        message = tf.train.Example(features=tf.train.Features(feature=features))
        rows[place] = message.SerializeToString()
    return rows


def _feature(value: Any, name: str) -> tf.train.Feature:
    values = value if isinstance(value, list) else [value]
    if all(isinstance(item, str) or _is_bytes(item) for item in values):
        strings = [_string(item, name) for item in values]
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=strings))
    if all(isinstance(item, int) for item in values):
        if not all(-(2**63) <= item < 2**63 for item in values):
            raise refused(f"Feature: {name} has an element beyond int64")
        return tf.train.Feature(int64_list=tf.train.Int64List(value=map(int, values)))
    if all(isinstance(item, float) for item in values):
        if any(np.finfo("float32").max < abs(item) < np.inf for item in values):
            raise refused(f"Feature: {name} has an element beyond float32")
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    raise refused(f"Feature: {name} has elements of unexpected or different types")
