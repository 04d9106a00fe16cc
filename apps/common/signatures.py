"""The inputs and outputs of a SavedModel, read from its files without loading it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from apps.common.refusal import Refusal

DEFAULT = "serving_default"
CARD_FILE = "model_card.md"
WARMUP = Path("assets.extra/tf_serving_warmup_requests")


class Spec(NamedTuple):
    """The dtype and shape of a tensor of a signature."""

    dtype: tf.DType
    shape: tuple[int | None, ...] | None  # None if not even the rank is known


class Signature(NamedTuple):
    """A function of a SavedModel."""

    inputs: dict[str, Spec]
    outputs: dict[str, Spec]
    method: str  # tensorflow/serving/predict, classify or regress

    @property
    def batchable(self) -> bool:
        """Return whether rows of several requests can be computed together."""
        specs = [*self.inputs.values(), *self.outputs.values()]
        # Scalars have no rows, and neither has a signature without inputs.
        return bool(self.inputs) and all(spec.shape and spec.shape[0] is None for spec in specs)


def read_signatures(path: Path) -> dict[str, Signature]:
    """Read the signatures of a SavedModel without loading it.

    Args:
        path: The folder of the version.

    Raises:
        OSError: If it cannot be read.
        Refusal: If it is damaged, or no SavedModel for serving.
    """
    definitions = read_definitions(path)
    return {
        name: signature_of(definition)
        for name, definition in definitions.items()
        if not name.startswith("__")  # TensorFlow's own
    }


def signature_of(definition: Any) -> Signature:
    """Return the signature that a `SignatureDef` describes."""
    inputs, outputs = _specs(definition.inputs), _specs(definition.outputs)
    return Signature(inputs, outputs, definition.method_name)


def read_definitions(path: Path) -> dict[str, Any]:
    """Read the `SignatureDef` of each signature of a SavedModel, as `read_signatures` does."""
    file = path / "saved_model.pb"
    try:
        saved = SavedModel.FromString(file.read_bytes())
    except DecodeError as error:
        raise Refusal(f"{file} is damaged ({error}); export the model again") from error
    for graph in saved.meta_graphs:
        if "serve" in graph.meta_info_def.tags:
            return dict(graph.signature_def)
    raise Refusal(
        f"{file} has no graph with the tag 'serve', as servers need; export the model again"
    )


def _specs(tensors: Mapping[str, Any]) -> dict[str, Spec]:
    specs = {}
    for name, info in tensors.items():
        known = not info.tensor_shape.unknown_rank
        shape = tuple(None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim)
        specs[name] = Spec(tf.as_dtype(info.dtype), shape if known else None)
    return specs
