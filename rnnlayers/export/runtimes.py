"""What exports for other runtimes have in common: one file, run before it is there."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from rnnlayers.export.verify import Call, array, check_answers

_ADVICE = (
    "If the numbers differ by rounding, raise tolerance. If they depend on anything but inputs and "
    "weights, make them inputs. Else the converter has misread an operator: leave that part out."
)

Answer = Callable[[str, dict[str, np.ndarray]], dict[str, np.ndarray]]


class UnsupportedOperatorError(ValueError):
    """A runtime lacks what a model needs: leave that part out, and export the rest.

    Args:
        message: Which runtime, and what it lacks.

    Example:

    >>> words = {"text": tf.TensorSpec([None], tf.string)}
    >>> try:
    ...     rnnlayers.export_onnx(tf.Module(), "words.onnx", (tf.strings.length, words))
    ... except rnnlayers.UnsupportedOperatorError as error:
    ...     print(error)
    The endpoint cannot be written for ONNX, which has no StringLength as it is used here. ...
    """


def lacks(runtime: str, operators: Sequence[str]) -> UnsupportedOperatorError:
    """The error for operators that a runtime does not have."""
    texts = [name for name in operators if "String" in name or "Regex" in name]
    hint = " Text is cut into ids, and ids are spelled, outside." if texts else ""
    return UnsupportedOperatorError(
        f"The endpoint cannot be written for {runtime}, which has no {', '.join(operators)} as it "
        f"is used here. Leave that part out and export the rest.{hint}"
    )


def check_file(file: str | os.PathLike[str], suffix: str) -> Path:
    """Returns the path of a file to be written, of this suffix."""
    path = Path(file)
    if path.suffix != suffix or path.is_dir():
        raise ValueError(f"file must be the path of a file that ends in {suffix}. Received: {path}")
    return path


def verify_running(calls: Sequence[Call], answer: Answer, tolerance: float, runtime: str) -> None:
    """Runs a model elsewhere and compares it with the live one.

    Args:
        calls: What the live model was asked and answered.
        answer: Asks the other one, by the name of the endpoint and the inputs.
        tolerance: See `export_model`.
        runtime: Its name, for the error message.

    Raises:
        RuntimeError: If it cannot be run, or answers differently.
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
    """Writes a file under another name, and renames it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        staged.write_bytes(content)
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)
