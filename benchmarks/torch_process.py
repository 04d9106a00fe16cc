"""This side of PyTorch: starts the worker in its own environment and asks it."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from benchmarks.contenders import Arrays, Workload
from benchmarks.twins import Twin
from rnnlayers.cells.base import Cell
from rnnlayers.convert import to_torch_state_dict

VARIABLE = "RNNLAYERS_TORCH_PYTHON"
ROOT = Path(__file__).parents[1]
MODES = {"Elman": "RNN_TANH", "LSTM": "LSTM", "GRU": "GRU"}


class TorchProcess:
    """A worker process, to be used in a `with` block.

    Args:
        python: The Python of an environment with PyTorch and NumPy.
        device: Where PyTorch computes, `cpu` or `cuda`.

    Attributes:
        facts: The worker's versions and number of threads.

    Raises:
        ValueError: if that Python cannot be run or cannot import PyTorch, or PyTorch does not find
            the device.
    """

    def __init__(self, python: str, device: str = "cpu") -> None:
        self.python = python
        self._files = tempfile.TemporaryDirectory()
        self._errors = Path(self._files.name) / "errors"
        try:
            with self._errors.open("w") as errors:
                self._process = subprocess.Popen(
                    [python, "-m", "benchmarks.torch_worker"],
                    env={**os.environ, "PYTHONPATH": str(ROOT)},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                )
        except OSError as error:
            self._files.cleanup()
            raise ValueError(_advice(python, str(error))) from error
        try:
            self.facts = self._ask("hello", threads=os.cpu_count(), device=device)
        except RuntimeError as error:
            self.close()
            raise ValueError(_advice(python, str(error))) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the worker."""
        self._process.communicate()
        self._files.cleanup()

    def prepare(self, workload: Workload, arrays: Arrays) -> None:
        """Make a workload the one that `time`, `results` and `memory` are about."""
        layer = replace(workload, dtype="float32").make_layer(ours=True)
        layer.set_weights(arrays.weights)
        path = Path(self._files.name) / "arrays.npz"
        state = to_torch_state_dict(layer)
        np.savez(path, inputs=arrays.inputs, upstream=arrays.upstream, **state)
        self._ask(
            "prepare",
            mode=MODES[workload.layer],
            training=workload.training,
            arrays=str(path),
            dtype=workload.dtype,
        )

    def prepare_twin(
        self,
        twin: Twin,
        cell: Cell,
        inputs: np.ndarray,
        upstream: np.ndarray,
        weights: Mapping[str, np.ndarray],
        training: bool = True,
    ) -> None:
        """Make the twin of a cell the one that `time` and `results` are about.

        Args:
            twin: The second implementation.
            cell: Our cell.
            inputs: `(batch, timesteps, features)`.
            upstream: The gradient of the outputs.
            weights: PyTorch's, from `twin.carry`.
            training: Whether gradients are computed.
        """
        path = Path(self._files.name) / "arrays.npz"
        np.savez(path, inputs=inputs, upstream=upstream, **weights)
        self._ask(
            "prepare_twin",
            module=twin.module,
            units=cell.units,
            options=twin.options_for(cell),
            training=training,
            arrays=str(path),
        )

    def time(self, calls: int) -> float:
        """Return the seconds that a number of calls took together."""
        return self._ask("time", calls=calls)["seconds"]

    def results(self) -> dict[str, np.ndarray]:
        """Return the outputs and, in training, the gradients by PyTorch's names."""
        path = Path(self._files.name) / "results.npz"
        self._ask("results", to=str(path))
        with np.load(path) as stored:
            return dict(stored)

    def memory(self) -> int:
        """Return how many bytes two calls added to the worker."""
        return self._ask("memory")["bytes"]

    def _ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        try:
            print(json.dumps({"do": do, **arguments}), file=self._process.stdin, flush=True)
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            self._process.wait()
            said = self._errors.read_text().strip() or "it said nothing"
            raise RuntimeError(f"PyTorch's worker ended at {do!r}: {said.splitlines()[-1]}")
        return json.loads(answer)


@contextlib.contextmanager
def torch_if_there(device: str = "cpu") -> Iterator[TorchProcess | None]:
    """Start the worker where `VARIABLE` names a Python that has PyTorch, and say so if not.

    Raises:
        SystemExit: If it names another.
    """
    if not (python := os.environ.get(VARIABLE)):
        print(f"PyTorch is skipped: {VARIABLE} names no Python that has it")
        yield None
        return
    try:
        torch = TorchProcess(python, device)
    except ValueError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    with torch:
        yield torch


def _advice(python: str, reason: str) -> str:
    return (
        f"`{VARIABLE}` must name the Python of an environment with torch and numpy; received "
        f"{python!r}: {reason}. Unset it to measure without PyTorch."
    )
