"""Models for runtimes other than TensorFlow, which know numbers alone.

The program that runs them cuts texts into ids and spells ids; what an id means is written beside.
"""

import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import tensorflow as tf

import rnnlayers
from apps.common.refusal import Refusal

FOLDER = Path("assets.extra")  # of a version of a SavedModel
SUFFIXES = {"onnx": ".onnx", "litert": ".tflite"}
NEEDED = {"onnx": ("tf2onnx", "onnxruntime"), "litert": ("ai_edge_litert",)}
Format = Literal["onnx", "litert"]


class NumericEndpoints(NamedTuple):
    """What other runtimes are given: numbers in, numbers out."""

    endpoints: Mapping[str, tuple[Callable, Mapping[str, tf.TensorSpec]]]
    probes: Mapping[str, Mapping[str, Any]]  # an example for each
    vocabularies: Mapping[str, Sequence[str]] = {}  # by the name of the file: what ids mean


def check_installed(formats: Sequence[Format]) -> None:
    """Refuses runtimes that are not installed, before any work is done."""
    for kind in formats:
        for module in NEEDED[kind]:
            if importlib.util.find_spec(module) is None:
                raise Refusal(
                    f"also: {kind} needs {module}, which is not installed; install the extra "
                    f"`{kind}` of rnnlayers"
                )


def write_files(
    folder: Path, model: Any, formats: Sequence[Format], numeric: NumericEndpoints, tolerance: float
) -> dict[str, set[Format]]:
    """Writes a file for each endpoint and runtime, and says which the runtime cannot hold.

    Args:
        folder: Where to write to.
        model: See `rnnlayers.export_model`.
        formats: The runtimes.
        numeric: The endpoints.
        tolerance: See there, too.

    Returns:
        For each endpoint, the runtimes that have it.

    Raises:
        RuntimeError: If one answers differently.
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
