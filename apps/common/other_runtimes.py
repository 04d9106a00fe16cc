"""Models for runtimes other than TensorFlow, which take and return only numbers.

A program that runs such a model turns texts into ids and ids into texts. The vocabularies are
written next to the model.
"""

import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf

import rnnlayers
from apps.common.refusal import Refusal
from apps.common.settings import Format

FOLDER = Path("assets.extra")  # of a version of a SavedModel
SUFFIXES = {"onnx": ".onnx", "litert": ".tflite"}
NEEDED = {"onnx": ("tf2onnx", "onnxruntime"), "litert": ("ai_edge_litert",)}


class NumericEndpoints(NamedTuple):
    """Endpoints for other runtimes: numbers in, numbers out."""

    endpoints: Mapping[str, tuple[Callable, Mapping[str, tf.TensorSpec]]]
    probes: Mapping[str, Mapping[str, Any]]  # an example of the inputs of each
    vocabularies: Mapping[str, Sequence[str]] = {}  # by file name, the meaning of ids 0, 1, ...


def check_installed(formats: Sequence[Format]) -> None:
    """Refuse runtimes that are not installed, before any work is done.

    Raises:
        Refusal: If one is not.
    """
    for kind in formats:
        for module in NEEDED[kind]:
            if importlib.util.find_spec(module) is None:
                raise Refusal(
                    f"also: {kind} needs {module}, which is not installed; run "
                    f"pip install '.[{kind}]' in a clone of the project"
                )


def write_files(
    folder: Path, model: Any, formats: Sequence[Format], numeric: NumericEndpoints, tolerance: float
) -> dict[str, set[Format]]:
    """Write a file for each endpoint and runtime, and print those that a runtime cannot hold.

    Args:
        folder: The folder for the files.
        model: See `rnnlayers.export_model`.
        formats: The runtimes.
        numeric: The endpoints.
        tolerance: See `rnnlayers.export_model`.

    Returns:
        For each endpoint, the runtimes that have it.

    Raises:
        RuntimeError: If a file answers differently from the model.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written: dict[str, set[Format]] = {name: set() for name in numeric.endpoints}
    for name, endpoint in numeric.endpoints.items():
        for kind in formats:
            file, probe = folder / f"{name}{SUFFIXES[kind]}", numeric.probes[name]
            try:
                if kind == "onnx":
                    rnnlayers.export_onnx(model, file, endpoint, probe, tolerance=tolerance)
                else:
                    points, probes = {name: endpoint}, {name: probe}
                    rnnlayers.export_litert(model, file, points, probes, tolerance=tolerance)
            except rnnlayers.UnsupportedOperatorError as error:
                print(f"No {file.name}: {error}")
            else:
                written[name].add(kind)
    for name, strings in numeric.vocabularies.items():
        (folder / name).write_text(json.dumps(list(strings), ensure_ascii=False), "utf-8")
    return written
