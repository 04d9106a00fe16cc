"""The peak memory of a training step, each in a process of its own."""

from collections.abc import Sequence

from benchmarks.contenders import TINY, Shape, Workload, draw
from benchmarks.memory import added_by, can_measure
from benchmarks.suite import SPEEDUPS, Bench, Check, Row, Suite, at_least, find
from benchmarks.torch_process import TorchProcess

ROUNDS = 3
LENGTHS = (40, 4000)  # a short one too, for what a process takes whatever the length


def measure(bench: Bench) -> list[Row]:
    """Measure each length, every contender in a fresh process each round."""
    if not can_measure():
        bench.say("memory: skipped, this system does not tell the peak of a process as Linux does")
        return []
    rows = []
    for length in (TINY.time,) if bench.quick else LENGTHS:
        workload = Workload("LSTM", Shape(16, length, 32, 64))
        names = ["ours", "keras", "keras_xla", *(["torch"] if bench.torch else [])]
        rounds: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(min(ROUNDS, bench.plan.rounds)):
            for name in names:
                rounds[name].append(_added(name, workload, bench))
        rows.append(bench.tell(Row("Peak", f"T = {length}", rounds), SUITE.unit))
    return rows


def _added(name: str, workload: Workload, bench: Bench) -> int:
    """Return the bytes that training steps add to a new process."""
    if name == "torch":
        with TorchProcess(bench.torch.python) as worker:
            worker.prepare(workload, draw(workload))
            return worker.memory()
    return added_by("benchmarks.memory", name, workload.layer, *map(str, workload.shape))


def check(rows: Sequence[Row]) -> list[Check]:
    """Compare with Keras at T = 4000."""
    ratio = find(rows, "T = 4000").ratio("keras", "ours")
    return [at_least("Keras' peak relative to ours at T = 4000", ratio, 1.0)]


SUITE = Suite(
    about="Memory that training steps add to a fresh process which has imported its library and "
    "built the layer, compiling included: the peak of two steps of an LSTM, batch 16, 32 "
    "features, 64 units.",
    measure=measure,
    ratios=SPEEDUPS,
    check=check,
    unit="MiB",
)
