"""A layer called outside a graph."""

from benchmarks.contenders import LAYERS, TINY, Shape, Workload, draw, eager
from benchmarks.suite import Bench, Ratio, Row, Suite
from benchmarks.timing import timed

SHAPE = Shape(32, 100, 128, 128)


def measure(bench: Bench) -> list[Row]:
    """Measure each layer."""
    rows = []
    for table, training in (("Inference", False), ("Training", True)):
        for layer in LAYERS:
            workload = Workload(layer, TINY if bench.quick else SHAPE, training)
            arrays = draw(workload)
            timers = {
                "ours": timed(eager(workload, arrays, ours=True)),
                "keras": timed(eager(workload, arrays, ours=False)),
            }
            if bench.torch:
                bench.torch.prepare(workload, arrays)
                timers["torch"] = bench.torch.time
            rows.append(bench.time(table, layer, timers))
    return rows


SUITE = Suite(
    about="`layer(inputs)` outside any `tf.function`, and in training the gradients by a tape: "
    f"batch {SHAPE.batch}, {SHAPE.time} timesteps, {SHAPE.features} features, {SHAPE.units} units.",
    measure=measure,
    ratios=(Ratio("keras / ours", "keras", "ours"), Ratio("torch / ours", "torch", "ours")),
    mean=True,
)
