"""Classify and regress: signatures that read serialized `tf.train.Example` messages."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from apps.common.signatures import Signature
from apps.serve.errors import ServingError, invalid_argument
from apps.serve.json_tensors import Tensors, dump, read_examples

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
