"""Measure layers on a GPU next to Keras and PyTorch, and an epoch of every application.

    python -m benchmarks.gpu                 # about half an hour
    python -m benchmarks.gpu --quick         # tiny shapes, to see that it runs
    python -m benchmarks.gpu --quick --cpu   # the same where there is no GPU

Leaves gpu.json and gpu.md, with the name of the card. benchmarks/README.md tells more.
"""

import argparse
import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # before TensorFlow starts, and not where a test imports this
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf

import rnnlayers
from apps.common.applications import find_applications
from benchmarks.__main__ import QUICK, RESULTS
from benchmarks.contenders import LAYERS, TINY, Shape, Workload, draw, in_graph
from benchmarks.epoch_clock import time_epochs
from benchmarks.results import describe_machine, run, write
from benchmarks.suite import Bench, Check, Ratio, Row, Suite, all_at_most
from benchmarks.timing import Plan, Timer
from benchmarks.torch_process import torch_if_there

BATCH, TIMES, UNITS = 64, (100, 300, 1000), (128, 512, 1024)
DTYPES = ("float32", "bfloat16")
AN_EPOCH = "The second epoch of an application on its sample"


def measure(bench: Bench, *, cpu: bool = False, applications: Sequence[str] = ()) -> list[Row]:
    """Measure a training step of each layer at each shape, and an epoch of applications.

    Args:
        bench: What to measure with.
        cpu: Whether there is no GPU, and so no cuDNN.
        applications: The applications to train.
    """
    shapes = [Shape(BATCH, steps, units, units) for units in UNITS for steps in TIMES]
    rows = []
    for dtype in DTYPES:
        for layer in LAYERS:
            for shape in [TINY] if bench.quick else shapes:
                case = f"{layer}, {shape.time} steps, {shape.units} units"
                timers = contenders(bench, Workload(layer, shape, dtype=dtype), cpu)
                rows.append(bench.time(f"A training step in {dtype}", case, timers))
    rows += [epochs_of(bench, application, cpu) for application in applications]
    return rows


def contenders(bench: Bench, workload: Workload, cpu: bool) -> dict[str, Timer]:
    """Return the timers of all that compute a workload here; the others are said and left out."""
    arrays = draw(workload)

    def layer(ours: bool, **options: Any) -> Timer:
        call = in_graph(replace(workload, options=options), arrays, ours)
        return timed_to_the_end(call)

    def torch() -> Timer:
        bench.torch.prepare(workload, arrays)
        return bench.torch.time

    def leave_out(name: str, reason: str) -> None:
        bench.say(f"{name} does not run {workload.layer} in {workload.dtype}: {reason:.200}")

    timers = {"compiled": layer(True, engine="compiled")}
    if not cpu:
        # Another engine would run in its place, under its name.
        asked = replace(workload, options={"engine": "cudnn"}).make_layer(ours=True)
        explained = rnnlayers.explain_engine(asked, (None, *workload.shape[1:3]))
        if "runs on the cudnn engine" in explained:
            timers["cudnn"] = layer(True, engine="cudnn")
        else:
            leave_out("cudnn", explained.splitlines()[1])
    has_cudnn = workload.layer != "Elman"  # of Keras' layers
    timers["keras"] = layer(False, **({"use_cudnn": False} if has_cudnn else {}))
    peers: dict[str, Callable[[], Timer]] = {}
    if has_cudnn and not cpu:
        peers["keras_cudnn"] = lambda: layer(False, use_cudnn=True)
    if bench.torch:
        peers["torch"] = torch
    for name, make in peers.items():
        try:
            timer = make()
            first = timer(1)
        except (tf.errors.OpError, ValueError, RuntimeError) as error:
            leave_out(name, str(error).strip().partition("\n")[0])
        else:
            timers[name] = begun(timer, first)
    return timers


def begun(timer: Timer, first: float) -> Timer:
    """Return a timer whose first call was made before, and took `first` seconds."""
    seconds = [first]
    return lambda calls: seconds.pop() if seconds else timer(calls)


def timed_to_the_end(call: Callable[[], Any]) -> Timer:
    """Return the timer of a function whose kernels may still run when it returns."""

    def timer(calls: int) -> float:
        tf.test.experimental.sync_devices()
        start = time.perf_counter()
        for _ in range(calls):
            call()
        tf.test.experimental.sync_devices()
        return time.perf_counter() - start

    return timer


def epochs_of(bench: Bench, application: str, cpu: bool, options: Sequence[str] = ()) -> Row:
    """Train an application on its sample, on the GPU and on the CPU.

    Args:
        bench: What to measure with.
        application: Its name.
        cpu: Whether there is no GPU.
        options: Further options of its command.
    """
    rounds, firsts = {}, {}
    for name in ["cpu"] if cpu else ["gpu", "cpu"]:
        hidden = {"CUDA_VISIBLE_DEVICES": "-1"} if name == "cpu" else {}
        grows = {"TF_FORCE_GPU_ALLOW_GROWTH": "true"}  # this process holds a part of the memory
        try:
            seconds = time_epochs(application, {**grows, **hidden}, options)
        except RuntimeError as error:
            bench.say(f"{application} does not train on the {name}: {error!s:.200}")
            continue
        firsts[name], rounds[name] = seconds[0], [seconds[1]]
    return bench.tell(Row(AN_EPOCH, application, rounds, firsts), "ms")


def check(rows: Sequence[Row]) -> list[Check]:
    """Ask that cuDNN is as fast here as in Keras and in PyTorch."""
    steps = [row for row in rows if {"cudnn", "keras_cudnn"} <= row.rounds.keys()]
    by_torch = {f"{row.table}, {row.case}": row.ratio("cudnn", "torch") for row in steps}
    by_keras = {f"{row.table}, {row.case}": row.ratio("cudnn", "keras_cudnn") for row in steps}
    return [
        all_at_most("The largest time of cudnn relative to Keras with cuDNN", by_keras, 1.1),
        all_at_most("The largest time of cudnn relative to PyTorch", by_torch, 1.2),
    ]


def suite(cpu: bool, applications: Sequence[str]) -> Suite:
    """Return the suite for this machine."""
    return Suite(
        about=f"A training step: all outputs, and the gradients of the inputs and of all weights; "
        f"{BATCH} sequences, as many features as units, weights and inputs of the dtype. "
        "`compiled` and `cudnn` are the engines of our layer, `keras_cudnn` and `keras` its twin "
        "with and without cuDNN, `torch` is PyTorch's. In float32 all multiply as their libraries "
        "do by default, which may be TF32. Of applications, `gpu` and `cpu` say where one is "
        "trained by the same command, and the first epoch stands under the first call.",
        measure=lambda bench: measure(bench, cpu=cpu, applications=applications),
        ratios=(
            Ratio("compiled / cudnn", "compiled", "cudnn"),
            Ratio("keras_cudnn / cudnn", "keras_cudnn", "cudnn"),
            Ratio("torch / cudnn", "torch", "cudnn"),
            Ratio("keras / compiled", "keras", "compiled"),
            Ratio("cpu / gpu", "cpu", "gpu"),
        ),
        check=check,
    )


def card() -> str | None:
    """Return the name of the first GPU that TensorFlow can use, None without one.

    Memory of all of them is taken as it is needed, so that PyTorch finds some.
    """
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    if not gpus:
        return None
    return tf.config.experimental.get_device_details(gpus[0]).get("device_name", "a GPU")


def main(argv: Sequence[str] | None = None, applications: Sequence[str] | None = None) -> None:
    """Run the suite.

    Args:
        argv: The command line, without the program.
        applications: The applications to train; all by default.
    """
    arguments = _parse(argv)
    gpu = None if arguments.cpu else card()
    if gpu is None and not arguments.cpu:
        print(
            "benchmarks.gpu needs a GPU, and TensorFlow finds none here: install rnnlayers[gpu] on "
            "a machine with one (docs/gpus.md), or try it with --quick --cpu",
            file=sys.stderr,
        )
        sys.exit(2)
    words = ["python", "-m", "benchmarks.gpu", *(sys.argv[1:] if argv is None else argv)]
    plan = QUICK if arguments.quick else Plan()
    folder = arguments.to or (Path("runs/benchmarks") if arguments.quick else RESULTS)
    chosen = suite(arguments.cpu, find_applications() if applications is None else applications)
    with torch_if_there("cuda" if gpu else "cpu") as torch:
        bench = Bench(plan, arguments.quick, torch)
        machine = describe_machine(torch.facts if torch else {}, gpu)
        path = write(run("gpu", chosen, bench, shlex.join(words), machine), folder)
        bench.say(f"\n{path.read_text()}\n{path}")


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    description, _, epilog = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        "python -m benchmarks.gpu",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="tiny shapes and two rounds")
    parser.add_argument("--cpu", action="store_true", help="with --quick: without a GPU")
    parser.add_argument(
        "--to", type=Path, help="folder; default: benchmarks/results, or runs/benchmarks if quick"
    )
    arguments = parser.parse_args(argv)
    if arguments.cpu and not arguments.quick:
        parser.error("--cpu needs --quick: on a CPU `python -m benchmarks` measures")
    return arguments


if __name__ == "__main__":
    main()
