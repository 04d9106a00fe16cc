"""Export of a LiteRT file (`.tflite`): complete and verified, or not at all."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from rnnlayers.checks import check_one_of
from rnnlayers.engines.target import Target
from rnnlayers.export.graphs import Traced, trace
from rnnlayers.export.runtimes import (
    UnsupportedOperatorError,
    check_file,
    lacks,
    verify_running,
    write_file,
)

_WEIGHTS = ("float32", "float16", "int8")


def export_litert(
    model: Any,
    file: str | os.PathLike[str],
    endpoints: Mapping[str, tuple[Any, Mapping[str, Any]]] | None = None,
    probes: Mapping[str, Any] | None = None,
    *,
    weights: Literal["float32", "float16", "int8"] = "float32",
    tolerance: float = 1e-5,
) -> Path:
    """Export a model as a LiteRT file (TensorFlow Lite), for phones and small devices.

    The batch has one example, since LiteRT keeps the outputs of a loop only if their size is known.
    The number of steps may be open. A state `h` that is an input is returned as `next_h`. The file
    has LiteRT's own operators only. It appears, or replaces an older one, only after LiteRT has
    given the answers of the live model.

    Args:
        model: See `export_model`.
        file: The file, which ends in `.tflite`.
        endpoints: See `export_model`; a first dimension that a signature leaves open becomes 1.
        probes: See `export_model`; each example of a batch is tried.
        weights: The dtype of large kernels in the file. `float16` halves the file and still
            computes in float32. `int8` quarters it, and computes products in 8-bit integers from
            rounded inputs. Both need a larger tolerance.
        tolerance: See `export_model`.

    Returns:
        The path of the file.

    Raises:
        ImportError: If `ai-edge-litert` is not installed, the extra `litert`.
        ValueError: If an argument is wrong. As `UnsupportedOperatorError`, if LiteRT lacks an
            operator: it has none for strings, and keeps no output of a loop whose size depends on
            the input.
        RuntimeError: If the verification fails. Nothing is left behind.

    Example:
        >>> import tempfile, keras, rnnlayers
        >>> model = keras.Sequential([keras.Input((None, 3)), rnnlayers.LSTM(2)])
        >>> rnnlayers.export_litert(model, tempfile.mkdtemp() + "/lstm.tflite").name
        'lstm.tflite'

    References:
        https://ai.google.dev/edge/litert
    """
    path = check_file(file, ".tflite")
    check_one_of("weights", weights, _WEIGHTS)
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise ImportError(
            "ai-edge-litert is not installed: pip install 'rnnlayers[litert]'"
        ) from error
    traced = trace(model, endpoints, probes, tolerance, Target.ELSEWHERE, batch_of_one=True)
    content = _convert(traced, weights)

    def answer(endpoint: str, probe: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        run = interpreter.get_signature_runner(endpoint)
        # The converter removes inputs that nothing reads.
        return dict(run(**{name: probe[name] for name in run.get_input_details()}))

    try:
        interpreter = Interpreter(model_content=content)
    except Exception as error:
        raise UnsupportedOperatorError(f"LiteRT cannot load the endpoints: {error}") from error
    verify_running(traced.calls, answer, tolerance, "LiteRT")
    write_file(path, content)
    return path


def _convert(traced: Traced, weights: str) -> bytes:
    """Convert endpoints to LiteRT."""
    if traced.tables:
        raise lacks("LiteRT", ["lookup tables"])
    with tempfile.TemporaryDirectory() as folder:
        traced.write(Path(folder))
        converter = tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=[*traced.functions]
        )
        if weights != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if weights == "float16":
            converter.target_spec.supported_types = [tf.float16]
        try:
            return converter.convert()
        except Exception as error:
            unknown = sorted(set(re.findall(r"'tf\.(\w+)' op", str(error))))
            kinds = _other_kinds(traced)
            if kinds:
                raise UnsupportedOperatorError(
                    f"LiteRT computes in float32, but the endpoints have {', '.join(kinds)}. "
                    "Build the model with dtype float32."
                ) from error
            if unknown:
                raise lacks("LiteRT", unknown) from error
            raise UnsupportedOperatorError(
                f"The endpoints cannot be written for LiteRT: {error}"
            ) from error


def _other_kinds(traced: Traced) -> list[str]:
    """Return the floating-point dtypes in the graphs, except float32."""
    kinds = {
        output.dtype.name
        for function in traced.functions.values()
        for operation in function.graph.get_operations()
        for output in operation.outputs
        if output.dtype.is_floating
    }
    return sorted(kinds - {"float32"})
