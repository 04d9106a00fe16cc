"""Tensors as JSON and back, by the rules of TensorFlow Serving's REST API.

A request gives its tensors by row, `{"instances": [{"a": 1, "b": 2}, ...]}`, or by column,
`{"inputs": {"a": [1, ...], "b": [2, ...]}}`. The answer is `predictions` by row or `outputs` by
column. The name of a single input or output is left out. Bytes are `{"b64": "..."}`.

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
from apps.serve.errors import ServingError, invalid_argument

BYTES_SUFFIX = "_bytes"  # strings of outputs with this ending are answered as base64
LARGEST = float(np.finfo("float32").max)
Tensors = dict[str, np.ndarray]


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
    document: Mapping[str, Any], specs: Mapping[str, Spec], max_rows: int
) -> tuple[Tensors, bool]:
    """Read the tensors of a predict request.

    Args:
        document: The request.
        specs: The inputs of the signature.
        max_rows: The largest first dimension.

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
    tensors = {name: to_tensor(columns[name], spec, name) for name, spec in specs.items()}
    for name, tensor in tensors.items():
        if tensor.ndim and len(tensor) > max_rows:
            raise invalid_argument(
                f"{name} may have at most {max_rows:,} rows in a request; received {len(tensor):,}"
            )
    return tensors, by_row


def _is_bytes(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and not _is_bytes(value)


def _columns_of_rows(rows: Any, specs: Mapping[str, Spec], max_rows: int) -> dict[str, list]:
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


def _columns(inputs: Any, specs: Mapping[str, Spec]) -> dict[str, Any]:
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


def to_tensor(value: Any, spec: Spec, name: str) -> np.ndarray:
    """Return the value of an input as an array.

    Args:
        value: Nested lists of numbers, booleans, strings or `{"b64": ...}`.
        spec: The dtype and shape it must have.
        name: The name of the input, for messages.

    Raises:
        ServingError: If its dtype or shape is another.
    """
    tensor = _strings(value, name) if spec.dtype == tf.string else _numbers(value, spec.dtype, name)
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


def _numbers(value: Any, dtype: tf.DType, name: str) -> np.ndarray:
    if not (dtype.is_floating or dtype.is_integer or dtype.is_bool):
        raise ServingError("UNIMPLEMENTED", f"{name}: JSON cannot represent {dtype.name}")
    target = dtype.as_numpy_dtype
    try:
        numbers = np.array(value)
    except (ValueError, OverflowError, RecursionError) as error:
        raise invalid_argument(
            f"{name}: lists on the same level must be of the same length"
        ) from error
    kinds = "b" if dtype.is_bool else "iu" if dtype.is_integer else "iuf"
    if not numbers.size:
        return numbers.astype(target)
    if numbers.dtype.kind not in kinds:
        raise invalid_argument(f"{name}: a value is not of expected type: {dtype.name}")
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
        raise invalid_argument(
            f"{name}: cannot convert a value to {dtype.name} without loss of precision"
        )
    return numbers.astype(target)


def _strings(value: Any, name: str) -> np.ndarray:
    shape: list[int] = []
    level, flat = value, [value]
    while isinstance(level, list):
        shape.append(len(level))
        try:
            flat = [item for items in flat for item in _items(items, len(level))]
        except ValueError as error:
            raise invalid_argument(f"{name}: {error}") from error
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
            raise invalid_argument(f"{name}: a string is no valid Unicode") from error
    if _is_bytes(value):
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, ValueError) as error:
            raise invalid_argument(f"{name}: Unable to base64 decode") from error
    raise invalid_argument(f"{name}: a value is not of expected type: string")


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
        return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY, default=_plain)
    return json.dumps(answer, default=_plain).encode()  # orjson would write null for NaN


def _plain(value: np.ndarray | np.generic) -> Any:
    """Return Python numbers, with no more digits than the dtype holds."""
    if value.dtype == "float32" or value.dtype == "float16":
        return value.astype(str).astype("float64").tolist()
    return value.tolist()


def read_examples(document: Mapping[str, Any], max_rows: int) -> np.ndarray:
    """Read the examples of a classify or regress request as serialized `tf.train.Example`.

    Raises:
        ServingError: If they are malformed.
    """
    examples, context = document.get("examples"), document.get("context", {})
    if not isinstance(examples, Sequence) or isinstance(examples, str) or not examples:
        raise invalid_argument("'examples' is expected, a list with at least one object")
    if len(examples) > max_rows:
        raise invalid_argument(
            f"'examples' may have at most {max_rows:,} items; received {len(examples):,}"
        )
    rows = np.empty(len(examples), object)
    for place, example in enumerate(examples):
        if not isinstance(example, dict) or not isinstance(context, dict):
            raise invalid_argument("Example must be JSON object")
        if shared := example.keys() & context.keys():
            raise invalid_argument(
                f"'context' and example {place} both have: {', '.join(sorted(shared))}"
            )
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
            raise invalid_argument(f"Feature: {name} has an element beyond int64")
        return tf.train.Feature(int64_list=tf.train.Int64List(value=map(int, values)))
    if all(isinstance(item, float) for item in values):
        if any(LARGEST < abs(item) < np.inf for item in values):
            raise invalid_argument(f"Feature: {name} has an element beyond float32")
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    raise invalid_argument(f"Feature: {name} has elements of unexpected or different types")
