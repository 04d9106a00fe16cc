"""What a suite leaves behind: its numbers as JSON, with all that is needed to read them."""

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnxruntime
import tensorflow as tf

import rnnlayers
from benchmarks.suite import Bench, Suite
from benchmarks.tables import render


def describe_machine(torch: Mapping[str, Any], gpu: str | None = None) -> dict[str, Any]:
    """Return what the numbers depend on: processor, versions, threads, and how busy it is.

    Args:
        torch: What PyTorch's worker says of itself; empty where there is none.
        gpu: The name of the card that is measured; None for the CPU.
    """
    libraries = tf.sysconfig.get_build_info() if gpu else {}
    config = tf.config.threading
    threads = {
        "tensorflow": config.get_intra_op_parallelism_threads() or os.cpu_count(),
        "torch": torch.get("threads"),
    }
    return {
        "gpu": gpu,
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "load_before": round(os.getloadavg()[0], 2),
        "threads": threads,
        "versions": {
            "python": platform.python_version(),
            "rnnlayers": rnnlayers.__version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
            "onnxruntime": onnxruntime.__version__,
            "torch": torch.get("torch"),
            "CUDA": libraries.get("cuda_version"),
            "cuDNN": libraries.get("cudnn_version"),
        },
    }


def run(
    name: str, suite: Suite, bench: Bench, command: str, machine: Mapping[str, Any]
) -> dict[str, Any]:
    """Measure a suite and return its results as they are written."""
    about = {
        "suite": name,
        "about": suite.about,
        "command": command,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": bench.quick,
        "machine": machine,
        "plan": asdict(bench.plan),
        "unit": suite.unit,
        "mean": suite.mean,
        "ratios": [ratio._asdict() for ratio in suite.ratios],
    }
    rows = suite.measure(bench)
    return {
        **about,
        "rows": [asdict(row) for row in rows],
        "checks": [asdict(check) for check in suite.check(rows)],
    }


def write(results: Mapping[str, Any], folder: Path) -> Path:
    """Write the results and their tables, and return the path of the tables."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / results["suite"]
    _write(path.with_suffix(".json"), json.dumps(results, indent=1) + "\n")
    _write(path.with_suffix(".md"), render(results))
    return path.with_suffix(".md")


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
