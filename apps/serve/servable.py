"""One loaded version of a model: its signatures, and predictions by them."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.json_format import MessageToDict

from apps.common.refusal import Refusal
from apps.common.signatures import DEFAULT, WARMUP, Signature, read_definitions, signature_of
from apps.serve.about import example_of, read_about
from apps.serve.errors import ServingError, from_tensorflow, invalid_argument
from apps.serve.json_values import Input, Tensors


class Servable:
    """A SavedModel in memory, with its default signature warmed up.

    Args:
        path: The folder of the version.

    Raises:
        OSError: If it cannot be read.
        Refusal: If it is damaged, or no SavedModel for serving.
    """

    def __init__(self, path: Path):
        self.definitions = read_definitions(path)
        try:
            self._loaded = tf.saved_model.load(str(path))  # the signatures need it alive
        except (tf.errors.OpError, RuntimeError, KeyError) as error:
            raise Refusal(f"{path} cannot be loaded: {str(error).splitlines()[0]}") from error
        self.signatures = {
            name: signature_of(definition)
            for name, definition in self.definitions.items()
            if name in self._loaded.signatures
        }
        self.readable = {
            name: {key: Input.of(spec) for key, spec in signature.inputs.items()}
            for name, signature in self.signatures.items()
        }
        self._cold: dict[str, list[Tensors]] = {}
        for name, inputs in warmup_requests(path / WARMUP):
            self._cold.setdefault(name, []).append(inputs)
        self.about = read_about(path)
        self.examples = {
            name: example
            for name, requests in self._cold.items()
            if name in self.signatures and (example := example_of(requests)) is not None
        }
        self.warm_up([DEFAULT])

    def warm_up(self, names: Sequence[str] | None = None) -> int:
        """Answer the warm-up requests of the export, since a first request is slow.

        Args:
            names: The signatures to warm up. If None, all that are still cold.

        Returns:
            The number of requests answered.

        Raises:
            ServingError: If the model refuses one.
        """
        count = 0
        for name in [*self._cold] if names is None else names:
            for inputs in self._cold.pop(name, []):
                self.predict(name, inputs)
                count += 1
        return count

    def signature(self, name: str) -> tuple[str, Signature]:
        """Return the name of a signature and the signature. Without a name it is the default one.

        Raises:
            ServingError: If there is no such signature.
        """
        name = name or DEFAULT
        if name not in self.signatures:
            raise invalid_argument(f'Serving signature name: "{name}" not found in signature def')
        return name, self.signatures[name]

    def predict(self, name: str, inputs: Mapping[str, np.ndarray]) -> Tensors:
        """Compute the outputs of a signature.

        Raises:
            ServingError: If the graph refuses the inputs.
        """
        with _as_serving_error():
            tensors = {key: tf.constant(value) for key, value in inputs.items()}
            outputs = self._loaded.signatures[name](**tensors)
            return {
                key: np.asarray(value.numpy(), value.dtype.as_numpy_dtype)
                for key, value in outputs.items()
            }

    def metadata(self) -> dict[str, Any]:
        """Return the signatures as TensorFlow Serving does: its protocol buffers as JSON."""
        described = {
            name: MessageToDict(
                definition,
                always_print_fields_with_no_presence=True,
                preserving_proto_field_name=True,
            )
            for name, definition in self.definitions.items()
        }
        return {"signature_def": {"signature_def": described}}


@contextlib.contextmanager
def _as_serving_error() -> Iterator[None]:
    try:
        yield
    except tf.errors.OpError as error:
        raise from_tensorflow(error) from error
    except (TypeError, ValueError) as error:
        raise ServingError("INVALID_ARGUMENT", str(error).splitlines()[0]) from error


def warmup_requests(file: Path) -> Iterator[tuple[str, Tensors]]:
    """Read the warm-up requests of an export, as TensorFlow Serving replays them."""
    if not file.exists():
        return
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
        request = PredictionLog.FromString(record).predict_log.request
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        yield request.model_spec.signature_name or DEFAULT, inputs
