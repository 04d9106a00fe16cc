"""Every core layer at five shapes, training and inference."""

from collections.abc import Sequence

from benchmarks.contenders import LAYERS, SHAPES, Workload
from benchmarks.suite import (
    SPEEDUPS,
    Bench,
    Check,
    Ratio,
    Row,
    Suite,
    all_at_most,
    at_least,
    geometric_mean,
    median,
)


def measure(bench: Bench) -> list[Row]:
    """Measure each layer at each shape."""
    return [
        bench.time_layer(table, f"{layer} {name}", Workload(layer, shape, training))
        for table, training in (("Training", True), ("Inference", False))
        for layer in LAYERS
        for name, shape in bench.shapes().items()
    ]


def check(rows: Sequence[Row]) -> list[Check]:
    """Compare with Keras in both its modes, and with PyTorch."""
    training = [row for row in rows if row.table == "Training"]
    inference = [row for row in rows if row.table == "Inference"]
    by_torch = {row.case: row.ratio("ours", "torch") for row in training}
    slower = [f"{case} ({r:.2f})" for case, r in by_torch.items() if r is not None and r > 1]
    return [
        all_at_most(
            "Training: the largest time relative to the better of the two Keras modes",
            {row.case: row.ratio("ours", _better(row)) for row in training},
            1.0,
        ),
        at_least(
            "Training: geometric mean of the speed-up over Keras as `fit` runs it",
            geometric_mean(row.ratio("keras", "ours") for row in training),
            2.5,
        ),
        at_least(
            "Training: geometric mean of the speed-up over PyTorch",
            geometric_mean(row.ratio("torch", "ours") for row in training),
            1.5,
            f"PyTorch is faster at {', '.join(slower)}" if slower else "",
        ),
        at_least(
            "Inference: geometric mean of the speed-up over Keras as `predict` runs it",
            geometric_mean(row.ratio("keras", "ours") for row in inference),
            1.8,
        ),
        all_at_most(
            "Inference: the largest time relative to Keras with XLA",
            {row.case: row.ratio("ours", "keras_xla") for row in inference},
            1.1,
        ),
        *(
            all_at_most(
                f"Inference: the largest time relative to {words}",
                {row.case: row.ratio("ours", name) for row in inference},
                1.03,
            )
            for name, words in (("torch", "PyTorch"), ("onnx_runtime", "ONNX Runtime"))
        ),
    ]


def _better(row: Row) -> str:
    return min(("keras", "keras_xla"), key=lambda name: median(row, name))


SUITE = Suite(
    about="One call on sequences with all outputs returned; training adds the gradients of the "
    "weights and of the inputs. Shapes (batch, timesteps, features, units): "
    + ", ".join(f"{name} = {tuple(shape)}" for name, shape in SHAPES.items())
    + ".",
    measure=measure,
    ratios=(*SPEEDUPS, Ratio("onnx_runtime / ours", "onnx_runtime", "ours")),
    check=check,
    mean=True,
)
