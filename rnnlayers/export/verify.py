"""The verification of a SavedModel against the live model, in a process with TensorFlow only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from rnnlayers.export import fresh
from rnnlayers.export.endpoints import Endpoint, Probe

# None in sys.modules makes an import fail. The search path is passed on because -I would hide a
# TensorFlow that is installed for the user alone or found through PYTHONPATH.
LAUNCH = """
import json, runpy, sys
sys.modules.update(keras=None, rnnlayers=None)
sys.path += [entry for entry in json.loads(sys.argv[1]) if entry and entry not in sys.path]
runpy.run_path(sys.argv[2], run_name="__main__")
"""

_ADVICE = (
    "An endpoint must depend on its inputs and weights alone: not on Python values that change, "
    "random numbers without a seed among the inputs, the batch size while tracing, or the state of "
    "an earlier call (make the states of a stateful layer inputs and outputs)."
)

Call = tuple[str, Probe, dict[str, np.ndarray]]


def answer_live(endpoints: Sequence[Endpoint], probes: Mapping[str, Sequence[Probe]]) -> list[Call]:
    """Return the live answers, computed eagerly on the CPU: no trace, no rounding of a GPU."""
    calls = []
    for endpoint in endpoints:
        for probe in probes[endpoint.name]:
            try:
                with tf.device("CPU:0"):
                    outputs = endpoint(probe)
            except Exception as error:
                error.add_note(
                    f"This happened in the live model, called by endpoints[{endpoint.name!r}] on "
                    f"{_describe(probe)}. Pass other example inputs as probes=."
                )
                raise
            calls.append((endpoint.name, probe, {k: array(v) for k, v in outputs.items()}))
    return calls


def verify(saved_model: Path, calls: Sequence[Call], tolerance: float) -> None:
    """Compare a SavedModel with the live answers.

    Args:
        saved_model: The folder that holds `saved_model.pb`. Its parent takes temporary files.
        calls: The result of `answer_live`.
        tolerance: See `export_model`.

    Raises:
        RuntimeError: If the SavedModel does not load, does not run, or answers differently.
    """
    for loader, given in _ask_fresh_process(saved_model, calls).items():
        check_answers(calls, map(fresh.decode, given), tolerance, loader, _ADVICE)


def check_answers(
    calls: Sequence[Call],
    answers: Iterable[Mapping[str, np.ndarray]],
    tolerance: float,
    loader: str,
    advice: str,
) -> None:
    """Compare the answers of an export with the live answers.

    Args:
        calls: The result of `answer_live`.
        answers: The outputs of each call.
        tolerance: See `export_model`.
        loader: Name of the loader, for the error message.
        advice: The end of the error message.

    Raises:
        RuntimeError: If an answer differs.
    """
    for (endpoint, probe, expected), received in zip(calls, answers, strict=True):
        for name in sorted(expected.keys() | received.keys()):
            complaint = compare(expected.get(name), received.get(name), tolerance)
            if complaint is not None:
                raise RuntimeError(
                    f"The export was withdrawn: endpoint {endpoint!r}, output {name!r}, "
                    f"called with {_describe(probe)} and loaded with {loader}: {complaint}. "
                    f"{advice}"
                )


def _ask_fresh_process(saved_model: Path, calls: Sequence[Call]) -> dict[str, Any]:
    questions = saved_model.with_name("questions.json")
    answers = saved_model.with_name("answers.json")
    questions.write_text(
        json.dumps(
            [
                (name, fresh.encode({k: array(v) for k, v in probe.items()}))
                for name, probe, _ in calls
            ]
        )
    )
    command = [sys.executable, "-I", "-c", LAUNCH, json.dumps(sys.path), fresh.__file__]
    done = subprocess.run(  # noqa: S603 (this very interpreter, with our own script)
        [*command, str(saved_model), str(questions), str(answers)],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode != 0:
        cause = done.stderr.rpartition("Traceback (most recent call last):")[2].strip()
        raise RuntimeError(
            "The export was withdrawn: a fresh process with nothing but TensorFlow could not load "
            f"and run it (exit status {done.returncode}):\n{cause}"
        )
    return json.loads(answers.read_text())


def compare(live: np.ndarray | None, exported: np.ndarray | None, tolerance: float) -> str | None:
    """Return in words how an exported output differs, or None if it does not."""
    if live is None or exported is None:
        return f"only the {'exported' if live is None else 'live'} model returns it"
    if live.shape != exported.shape or live.dtype != exported.dtype:
        return (
            f"the live model gives {live.dtype} {live.shape}, "
            f"the exported one {exported.dtype} {exported.shape}"
        )
    if np.iscomplexobj(live):
        live, exported = (np.stack([value.real, value.imag]) for value in (live, exported))
    if not tf.as_dtype(live.dtype).is_floating:
        different = int(np.sum(live != exported))
        return f"{different} of {live.size} values differ, and must not" if different else None
    allowed = max(tolerance, 2 * float(np.spacing(live.dtype.type(1))))
    a, b = live.astype(np.float64), exported.astype(np.float64)
    with np.errstate(invalid="ignore"):  # inf - inf
        difference = np.abs(b - a) / np.maximum(1, np.abs(a))
    equal = (a == b) | (np.isnan(a) & np.isnan(b))
    unequal = np.nan_to_num(difference, nan=np.inf, posinf=np.inf)
    largest = float(np.max(np.where(equal, 0, unequal), initial=0))
    if largest <= allowed:
        return None
    return (
        f"the largest difference, |exported - live| / max(1, |live|), is {largest:.3g}, "
        f"more than the tolerance of {allowed:.3g}"
    )


def array(tensor: tf.Tensor) -> np.ndarray:
    """Return a tensor as an array, without dimensions for a scalar."""
    return np.asarray(tensor.numpy(), tensor.dtype.as_numpy_dtype)


def _describe(probe: Probe) -> str:
    return ", ".join(
        f"{name} {value.dtype.name} {tuple(value.shape)}" for name, value in probe.items()
    )
