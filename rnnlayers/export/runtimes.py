"""Shared parts of exports for other runtimes: one file, which is run before it appears."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from rnnlayers.export.verify import Call, array, check_answers

_ADVICE = (
    "If the numbers differ by rounding, raise tolerance. If they depend on anything but inputs and "
    "weights, make that an input. Otherwise the converter is wrong: leave that part out."
)

Answer = Callable[[str, dict[str, np.ndarray]], dict[str, np.ndarray]]


class UnsupportedOperatorError(ValueError):
    """Raised if a runtime lacks an operator of a model. Export the model without that part.

    Args:
        message: The runtime, and what it lacks.

    Example:

    >>> words = {"text": tf.TensorSpec([None], tf.string)}
    >>> try:
    ...     rnnlayers.export_onnx(tf.Module(), "words.onnx", (tf.strings.length, words))
    ... except rnnlayers.UnsupportedOperatorError as error:
    ...     print(error)
    The endpoint cannot be written for ONNX, which has no StringLength as it is used here. ...
    """


def lacks(runtime: str, operators: Sequence[str]) -> UnsupportedOperatorError:
    """Return the error for operators that a runtime does not have."""
    texts = [name for name in operators if "String" in name or "Regex" in name]
    hint = " Convert text to ids, and ids to text, outside." if texts else ""
    return UnsupportedOperatorError(
        f"The endpoint cannot be written for {runtime}, which has no {', '.join(operators)} as it "
        f"is used here. Leave that part out and export the rest.{hint}"
    )


def check_file(file: str | os.PathLike[str], suffix: str) -> Path:
    """Return the path of a file to write, which must have this suffix."""
    path = Path(file)
    if path.suffix != suffix or path.is_dir():
        raise ValueError(f"file must be the path of a file that ends in {suffix}. Received: {path}")
    return path


def verify_running(calls: Sequence[Call], answer: Answer, tolerance: float, runtime: str) -> None:
    """Run a model on another runtime and compare it with the live model.

    Args:
        calls: The probes of the live model and its answers.
        answer: Returns the outputs of the other runtime, by the name of the endpoint and inputs.
        tolerance: See `export_model`.
        runtime: Its name, for the error message.

    Raises:
        RuntimeError: If it cannot run, or answers differently.
    """
    answers = []
    for endpoint, probe, _ in calls:
        try:
            answers.append(answer(endpoint, {name: array(value) for name, value in probe.items()}))
        except Exception as error:
            raise RuntimeError(
                f"The export was withdrawn: {runtime} cannot run endpoint {endpoint!r}: {error}"
            ) from error
    check_answers(calls, answers, tolerance, runtime, _ADVICE)


def write_file(path: Path, content: bytes) -> None:
    """Write a file under another name, and rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        staged.write_bytes(content)
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)
