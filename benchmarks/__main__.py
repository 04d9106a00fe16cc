"""Measure this library against Keras and PyTorch, side by side, and write tables.

    python -m benchmarks                       # all suites
    python -m benchmarks cells length          # some of them
    python -m benchmarks --quick               # tiny shapes, to see that everything runs
    python -m benchmarks family --only LEM CFN # some cells, in the suites that have all

Each suite leaves NAME.json and NAME.md. Set RNNLAYERS_TORCH_PYTHON to the Python of an
environment with torch and numpy to measure PyTorch too; benchmarks/README.md tells more.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":  # before TensorFlow starts, and not where a test imports this
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # every contender on the CPU

from benchmarks.results import describe_machine, run, write
from benchmarks.suite import Bench
from benchmarks.suites import SUITES
from benchmarks.timing import Plan
from benchmarks.torch_process import torch_if_there
from tests.family import EVERY

RESULTS = Path(__file__).parent / "results"
QUICK = Plan(rounds=2, least=2, slice_s=0.0)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the suites that a command line names."""
    arguments = _parse(argv)
    command = shlex.join(["python", "-m", "benchmarks", *(sys.argv[1:] if argv is None else argv)])
    plan = QUICK if arguments.quick else Plan(rounds=arguments.rounds)
    in_part = arguments.quick or arguments.only
    folder = arguments.to or (Path("runs/benchmarks") if in_part else RESULTS)
    with torch_if_there() as torch:
        cells = [name if name.endswith("Cell") else f"{name}Cell" for name in arguments.only]
        bench = Bench(plan, arguments.quick, torch, cells)
        machine = describe_machine(torch.facts if torch else {})  # before it is busy with this
        for name in arguments.suites or SUITES:
            bench.say(f"\n{name}: {SUITES[name].about}")
            path = write(run(name, SUITES[name], bench, command, machine), folder)
            bench.say(f"\n{path.read_text()}\n{path}")


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    description, _, epilog = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        "python -m benchmarks",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "suites", nargs="*", metavar="SUITE", help=f"any of {', '.join(SUITES)}; default: all"
    )
    parser.add_argument("--rounds", type=int, default=Plan.rounds, help="the most rounds")
    parser.add_argument("--quick", action="store_true", help="tiny shapes and two rounds")
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="CELL",
        help="names of layers or cells, for the suites accuracy and family",
    )
    parser.add_argument(
        "--to",
        type=Path,
        help="folder; default: benchmarks/results, or with --quick or --only runs/benchmarks",
    )
    arguments = parser.parse_args(argv)
    cells = {str(member).partition(",")[0].removesuffix("Cell") for member in EVERY}
    for name in arguments.only:
        if name.removesuffix("Cell") not in cells:
            parser.error(f"CELL must be one of {', '.join(sorted(cells))}; received {name!r}")
    for name in arguments.suites:
        if name not in SUITES:
            parser.error(f"SUITE must be one of {', '.join(SUITES)}; received {name!r}")
    if arguments.rounds < 1:
        parser.error(f"--rounds must be at least 1; received {arguments.rounds}")
    return arguments


if __name__ == "__main__":
    main()
