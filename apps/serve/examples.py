"""Classify and regress: signatures that read serialized `tf.train.Example` messages."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from apps.common.signatures import Signature
from apps.serve.errors import ServingError, invalid_argument
from apps.serve.json_tensors import dump
from apps.serve.json_values import Tensors, is_bytes, text_of

LARGEST = float(np.finfo("float32").max)
# The outputs of each kind of signature. A classifier may lack one of them.
OUTPUTS = {"classify": ("classes", "scores"), "regress": ("outputs",)}


def read_request(
    verb: str, document: Mapping[str, Any], signature: Signature, max_rows: int
) -> Tensors:
    """Read the input of a signature that classifies or regresses.

    Raises:
        ServingError: If the signature does something else, or the examples are malformed.
    """
    expected = f"tensorflow/serving/{verb}"
    if signature.method != expected:
        raise invalid_argument(
            f"Expected {verb} signature method_name to be {expected}. Was: "
            f"{signature.method}; use :predict"
        )
    if len(signature.inputs) != 1 or not set(OUTPUTS[verb]) & set(signature.outputs):
        raise invalid_argument(f"The signature is not one that TensorFlow Serving can {verb} with")
    (name,) = signature.inputs
    return {name: read_examples(document, max_rows)}


def write_results(verb: str, outputs: Tensors) -> bytes:
    """Write a label and a score for each class of each example, or a number for each example."""
    if verb == "regress":
        values = outputs["outputs"]
        if values.ndim == 2 and values.shape[1] == 1:
            values = values[:, 0]
        if values.ndim != 1:
            raise ServingError("INTERNAL", "Expected one regression output for each example")
        return dump({"results": values}, values)
    tensors = {name: outputs[name] for name in OUTPUTS[verb] if name in outputs}
    if any(tensor.ndim != 2 for tensor in tensors.values()):
        raise ServingError("INTERNAL", "Expected classes and scores of shape (examples, classes)")
    shape = next(iter(tensors.values())).shape
    labels = tensors.get("classes", np.full(shape, b"", object)).tolist()
    scores = tensors.get("scores", np.zeros(shape, "float32"))
    results = [
        [[label.decode(errors="replace"), score] for label, score in zip(*row, strict=True)]
        for row in zip(labels, scores, strict=True)
    ]
    return dump({"results": results}, scores)


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
    if all(isinstance(item, str) or is_bytes(item) for item in values):
        strings = [text_of(item, name) for item in values]
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
