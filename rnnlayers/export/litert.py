"""Writes a LiteRT file (`.tflite`): whole and verified, or not at all."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from rnnlayers.engines.target import Target
from rnnlayers.export.endpoints import Probe
from rnnlayers.export.files import check_file, replacing
from rnnlayers.export.graphs import trace
from rnnlayers.export.verify import check_answers

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
    """Exports a model as a LiteRT file (TensorFlow Lite), for phones and small devices.

    The batch is of one example: LiteRT keeps the outputs of a loop only if their size is known. The
    number of steps may stay open. The file holds LiteRT's own operators only and appears only after
    LiteRT has answered as the live model does; one that was there is replaced then.

    Args:
        model: See `export_model`.
        file: The file, which ends in `.tflite`.
        endpoints: See `export_model`; where a signature leaves the first dimension open, it is 1.
        probes: See `export_model`; each example of a batch is tried.
        weights: What the large kernels are kept as: `float16` halves the file, `int8` quarters it.
            The arithmetic stays in float32. They need a larger tolerance.
        tolerance: See `export_model`.

    Returns:
        The path of the file.

    Raises:
        ImportError: If `ai-edge-litert` is not installed, the extra `litert`.
        ValueError: If an argument is wrong, or LiteRT has no such operator: it knows none for
            strings, and keeps no output of a loop whose size depends on the input.
        RuntimeError: If the verification failed. Nothing is left behind.

    Example:
        >>> import tempfile, keras, rnnlayers
        >>> model = keras.Sequential([keras.Input((None, 3)), rnnlayers.LSTM(2)])
        >>> rnnlayers.export_litert(model, tempfile.mkdtemp() + "/lstm.tflite").name
        'lstm.tflite'

    References:
        https://ai.google.dev/edge/litert
    """
    path = check_file(file, ".tflite")
    if weights not in _WEIGHTS:
        raise ValueError(f"weights must be one of {', '.join(_WEIGHTS)}. Received: {weights!r}.")
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise ImportError(
            "ai-edge-litert is not installed: pip install 'rnnlayers[litert]'"
        ) from error
    traced = trace(model, endpoints, probes, tolerance, Target.ELSEWHERE, alone=True)
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
            content = converter.convert()
        except Exception as error:
            unknown = sorted(set(re.findall(r"'tf\.(\w+)' op", str(error))))
            raise ValueError(
                f"endpoints cannot be written for LiteRT, which has no {', '.join(unknown)} for "
                "these shapes. Leave that part out and export the rest: text is cut into ids, and "
                "ids are spelled, outside."
                if unknown
                else f"endpoints cannot be written for LiteRT: {error}"
            ) from error
    with replacing(path) as staged:
        staged.write_bytes(content)
        interpreter = Interpreter(str(staged))
        answers = (_answer(interpreter, name, probe) for name, probe, _ in traced.calls)
        check_answers(traced.calls, answers, tolerance, "LiteRT")
    return path


def _answer(interpreter: Any, endpoint: str, probe: Probe) -> dict[str, np.ndarray]:
    run = interpreter.get_signature_runner(endpoint)
    inputs = run.get_input_details()  # without those that nothing reads
    return dict(run(**{name: probe[name].numpy() for name in inputs}))
