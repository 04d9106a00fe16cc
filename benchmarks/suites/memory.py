"""The peak memory of a training step, and of training on a long file, each in its own process."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import long_csv
from benchmarks.contenders import TINY, Shape, Workload, draw
from benchmarks.memory import can_measure
from benchmarks.suite import SPEEDUPS, Bench, Check, Row, Suite, at_least, at_most, find, median
from benchmarks.torch_process import ROOT, TorchProcess

ROUNDS = 3
LENGTHS = (40, 4000)  # a short one too, for what a process takes whatever the length
ROWS = (100_000, 1_000_000)  # of a file


def measure(bench: Bench) -> list[Row]:
    """Measure each length, every contender in a fresh process each round."""
    if not can_measure():
        bench.say("memory: skipped, this system does not tell the peak of a process as Linux does")
        return []
    rows, count = [], min(ROUNDS, bench.plan.rounds)
    for length in (TINY.time,) if bench.quick else LENGTHS:
        workload = Workload("LSTM", Shape(16, length, 32, 64))
        names = ["ours", "keras", "keras_xla", *(["torch"] if bench.torch else [])]
        rounds: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(count):
            for name in names:
                rounds[name].append(_added(name, workload, bench))
        rows.append(bench.tell(Row("Peak", f"T = {length}", rounds), SUITE.unit))
    for length in (4000,) if bench.quick else ROWS:
        with tempfile.TemporaryDirectory() as folder:
            path = long_csv.write(Path(folder, "long.csv"), length)
            added = [_told("benchmarks.long_csv", str(path)) for _ in range(count)]
        row = Row("Training on a CSV file", f"{length:,} rows", {"ours": added})
        rows.append(bench.tell(row, SUITE.unit))
    return rows


def _added(name: str, workload: Workload, bench: Bench) -> int:
    """Return the bytes that training steps add to a new process."""
    if name == "torch":
        with TorchProcess(bench.torch.python) as worker:
            worker.prepare(workload, draw(workload))
            return worker.memory()
    return _told("benchmarks.memory", name, workload.layer, *map(str, workload.shape))


def _told(module: str, *arguments: str) -> int:
    """Return the bytes that a module prints when it is run."""
    command = [sys.executable, "-m", module, *arguments]
    ended = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return json.loads(ended.stdout)["bytes"]


def check(rows: Sequence[Row]) -> list[Check]:
    """Compare with Keras at T = 4000, and a long file with one of a tenth."""
    ratio = find(rows, "T = 4000").ratio("keras", "ours")
    short, long = (median(find(rows, f"{count:,} rows"), "ours") for count in ROWS)
    return [
        at_least("Keras' peak relative to ours at T = 4000", ratio, 1.0),
        at_most(
            "Memory of training on 1,000,000 rows relative to 100,000",
            long / short if short and long else None,
            1.5,
        ),
    ]


SUITE = Suite(
    about="Memory that training steps add to a fresh process which has imported its library and "
    "built the layer, compiling included: the peak of two steps of an LSTM, batch 16, 32 "
    "features, 64 units. And what reading a CSV file adds, and training both networks of "
    "`apps.forecasting` on ten batches of it.",
    measure=measure,
    ratios=SPEEDUPS,
    check=check,
    unit="MiB",
)
