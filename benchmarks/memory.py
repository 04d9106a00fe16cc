"""The peak memory of a process, and the process that takes one training step of a layer.

`getrusage` would not do: a process starts with the peak of the one that started it.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")


def can_measure() -> bool:
    """Say whether this system tells the peak of a process and lets it be reset: Linux does."""
    return _CLEAR_REFS.exists()


def reset_peak() -> int:
    """Begin a new peak at the memory resident now, and return that, in bytes."""
    _CLEAR_REFS.write_text("5")
    return peak()


def peak() -> int:
    """Return the most memory that was resident since `reset_peak`, in bytes."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"{_STATUS} has no line VmHWM.")
    return int(found[1]) * 1024


def added_by(module: str, *arguments: str) -> int:
    """Run a module of which `main` prints what it adds, in a process of its own."""
    return printed_by(module, *arguments)["bytes"]


def printed_by(module: str, *arguments: str) -> Any:
    """Run a module of which `main` prints JSON, in a process of its own."""
    command = [sys.executable, "-m", module, *arguments]
    root = Path(__file__).parents[1]
    ended = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, check=True)
    return json.loads(ended.stdout)


def main(name: str, layer: str, *sizes: str) -> None:
    """Print how many bytes two training steps add to the process that built the layer."""
    # Not at the top: PyTorch's worker, which has no TensorFlow, measures with this module too.
    from benchmarks.contenders import Shape, Workload, draw, in_graph

    workload = Workload(layer, Shape(*map(int, sizes)))
    step = in_graph(workload, draw(workload), ours=name == "ours", xla=name == "keras_xla")
    before = reset_peak()
    for _ in range(2):
        step()
    print(json.dumps({"bytes": peak() - before}))


if __name__ == "__main__":
    main(*sys.argv[1:])
