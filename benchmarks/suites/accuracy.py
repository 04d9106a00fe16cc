"""The worst error of every cell: against float64 equations, and against second implementations."""

from collections.abc import Sequence

from benchmarks.accuracy import compared_twin, error_against_equations, errors_against_twin
from benchmarks.suite import Bench, Check, Row, Suite, at_most
from benchmarks.twins import HARD_SIGMOID, TWINS
from tests.family import EVERY

EQUATIONS = "Against the equations in float64"
SECOND = "Against second implementations, both in float64"
ROUNDED = "Against second implementations whose derivative of `hard_sigmoid` has float32's 1 / 6"
BOUNDS = {"float32": 1e-5, "float64": 1e-12}


def measure(bench: Bench) -> list[Row]:
    """Compare each cell, and with PyTorch each that it has too."""
    rows = []
    for member in bench.choose(EVERY):
        errors = {dtype: [error_against_equations(member, dtype)] for dtype in BOUNDS}
        rows.append(bench.tell(Row(EQUATIONS, str(member), errors), "error"))
        twin = compared_twin(member)
        if bench.torch is None or twin is None:
            continue
        outputs, gradients = errors_against_twin(member, bench.torch)
        library = "torch" if twin.module.startswith("nn.") else "torchrecurrent"
        case = f"{member}, {library}.{twin.module}"
        found = {"outputs": [outputs], "gradients": [gradients]}
        table = ROUNDED if twin.bound == HARD_SIGMOID else SECOND
        rows.append(bench.tell(Row(table, case, found), "error"))
    return rows


def check(rows: Sequence[Row]) -> list[Check]:
    """Compare the worst errors with what rounding explains."""
    checks = []
    for table, bounds in (
        (EQUATIONS, BOUNDS),
        (SECOND, dict.fromkeys(("outputs", "gradients"), BOUNDS["float64"])),
        (ROUNDED, {"outputs": BOUNDS["float64"], "gradients": HARD_SIGMOID}),
    ):
        for name, bound in bounds.items():
            found = {row.case: row.rounds[name][0] for row in rows if row.table == table}
            worst = max(found, key=lambda case: found[case], default="none")
            claim = f"{table}: the worst error, {name}, that of {worst}"
            checks.append(at_most(claim, found.get(worst), bound))
    return checks


def about() -> str:
    """Return what is compared, and which twins have other equations."""
    others = "; ".join(
        f"`{twin.module}` ({name}): {twin.differs}" for name, twin in TWINS.items() if twin.differs
    )
    return (
        "Every cell of the one list of cases, random weights, inputs and states. An error is the "
        "largest difference, relative to the largest number compared, or to one where all are "
        "smaller. Equations are written in NumPy from the papers; outputs and final states of a "
        "sequence with masked steps are compared. Second implementations are those of PyTorch and "
        "torchrecurrent, with the weights carried over: outputs, and gradients of the inputs and "
        "of all weights that both have.\n\nNot compared, because the equations of torchrecurrent "
        f"are not those of the paper: {others}."
    )


SUITE = Suite(about=about(), measure=measure, ratios=(), check=check, unit="error")
