"""What a suite is: rows of measured numbers, how they compare, and what they must show."""

import gc
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from benchmarks.contenders import SHAPES, TINY, Shape, Workload, draw, floor, in_graph
from benchmarks.onnx_runtime import in_onnx_runtime
from benchmarks.timing import Plan, Timer, interleave, paired_ratio, timed
from benchmarks.torch_process import TorchProcess

UNITS = {"ms": 1e3, "MiB": 2**-20, "error": 1.0}  # what one second or one byte is in them


class Ratio(NamedTuple):
    """A column of a table: one contender's numbers over another's."""

    title: str
    above: str
    below: str


@dataclass
class Row:
    """One workload, and the numbers of each contender, one a round."""

    table: str  # the table it stands in
    case: str
    rounds: Mapping[str, Sequence[float]]
    first_call_s: Mapping[str, float] = field(default_factory=dict)

    def ratio(self, above: str, below: str) -> float | None:
        """Return the paired ratio of two contenders, None where one is missing."""
        if not {above, below} <= self.rounds.keys():
            return None
        return paired_ratio(self.rounds[above], self.rounds[below])


@dataclass
class Check:
    """A claim about the numbers. `reached` is None where they were not measured."""

    claim: str
    wanted: str
    measured: float | None
    reached: bool | None
    where: str = ""  # the cases that miss it


@dataclass(frozen=True)
class Bench:
    """What a suite measures with."""

    plan: Plan
    quick: bool = False  # tiny shapes, to see that it runs
    torch: TorchProcess | None = None
    only: Sequence[str] = ()  # the cells to measure; all if it is empty

    def choose(self, cells: Sequence[Any]) -> list[Any]:
        """Return the cells that were asked for, in a quick run by default a few."""
        if self.only:
            return [cell for cell in cells if str(cell).partition(",")[0] in self.only]
        return list(cells[::12] if self.quick else cells)

    def say(self, line: str) -> None:
        """Print a line at once, for a run takes long."""
        print(line, flush=True)

    def shapes(self) -> dict[str, Shape]:
        """Return the named shapes."""
        return {"s1": TINY} if self.quick else SHAPES

    def time(self, table: str, case: str, timers: Mapping[str, Timer]) -> Row:
        """Time contenders side by side."""
        gc.collect()  # of the functions and tensors of the row before
        measured = interleave(timers, self.plan)
        seconds = {name: contender.seconds for name, contender in measured.items()}
        firsts = {name: contender.first_call_s for name, contender in measured.items()}
        return self.tell(Row(table, case, seconds, firsts), "ms")

    def tell(self, row: Row, unit: str) -> Row:
        """Say what was measured, and return it."""
        medians = [f"{name} {UNITS[unit] * median(row, name):.3g}" for name in row.rounds]
        self.say(f"{row.table}, {row.case}: {', '.join(medians)} {unit}")
        return row

    def time_layer(self, table: str, case: str, workload: Workload, xla: bool = True) -> Row:
        """Time the floor, ours, Keras without and, if wanted, with XLA, and others.

        PyTorch is measured if there is one; ONNX Runtime in inference without options.
        """
        arrays = draw(workload)
        timers = {
            "floor": timed(floor(workload, arrays)),
            "ours": timed(in_graph(workload, arrays, ours=True)),
            "keras": timed(in_graph(workload, arrays, ours=False)),
        }
        if xla:
            timers["keras_xla"] = timed(in_graph(workload, arrays, ours=False, xla=True))
        if self.torch:
            self.torch.prepare(workload, arrays)
            timers["torch"] = self.torch.time
        if workload == Workload(workload.layer, workload.shape, training=False):
            timers["onnx_runtime"] = timed(in_onnx_runtime(workload, arrays))
        return self.time(table, case, timers)


@dataclass(frozen=True)
class Suite:
    """A benchmark: what it is about, how to measure it, what it must show."""

    about: str  # the paragraph above its tables
    measure: Callable[[Bench], list[Row]]
    ratios: Sequence[Ratio]
    check: Callable[[Sequence[Row]], list[Check]] = lambda rows: []
    unit: str = "ms"  # a key of UNITS
    mean: bool = False  # whether the rows of a table are alike, so that their mean says something


# "keras / ours" is how many times faster ours is.
SPEEDUPS = tuple(Ratio(f"{name} / ours", name, "ours") for name in ("keras", "keras_xla", "torch"))


def geometric_mean(ratios: Iterable[float | None]) -> float | None:
    """Return the geometric mean, None where a ratio is missing or there is none."""
    ratios = list(ratios)
    return statistics.geometric_mean(ratios) if ratios and None not in ratios else None


def at_least(claim: str, measured: float | None, bound: float, where: str = "") -> Check:
    """Return the check that a number reaches a bound."""
    reached = None if measured is None else measured >= bound
    return Check(claim, f"at least {bound:g}", measured, reached, where)


def at_most(claim: str, measured: float | None, bound: float, where: str = "") -> Check:
    """Return the check that a number stays below a bound."""
    reached = None if measured is None else measured <= bound
    return Check(claim, f"at most {bound:g}", measured, reached, where)


def all_at_most(claim: str, ratios: Mapping[str, float | None], bound: float) -> Check:
    """Return the check that the largest ratio stays below a bound, with the cases that miss it."""
    if not ratios or None in ratios.values():
        return at_most(claim, None, bound)
    over = [f"{case} ({ratio:.2f})" for case, ratio in ratios.items() if ratio > bound]
    return at_most(claim, max(ratios.values()), bound, ", ".join(over))


def find(rows: Sequence[Row], case: str) -> Row:
    """Return the row of a case, one without numbers where it was not measured."""
    return next((row for row in rows if row.case == case), Row("", case, {}))


def median(row: Row, name: str) -> float | None:
    """Return the median of a contender, None where it was not measured."""
    return statistics.median(row.rounds[name]) if name in row.rounds else None
