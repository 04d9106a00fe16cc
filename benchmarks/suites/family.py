"""A training step of every cell, next to torchrecurrent, the stepwise engine and its products."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import rnnlayers
from benchmarks.accuracy import by_name, carried
from benchmarks.contenders import SHAPES, Contender, Shape
from benchmarks.products import ProductsCell
from benchmarks.suite import (
    Bench,
    Check,
    Ratio,
    Row,
    Suite,
    all_at_most,
    at_least,
    at_most,
    find,
    geometric_mean,
)
from benchmarks.timing import timed
from benchmarks.twins import twin_of
from tests.family import EVERY, UNITS, Member

TINY = Shape(3, 6, UNITS, UNITS)
TWINS, OTHERS = "Training, cells that torchrecurrent has", "Training, other cells"
OF_TORCH = "Training, cells that PyTorch itself has"
NEXT_TO_LSTM, SCAN = "Training next to our LSTM", "Training, cells that are linear in time"
SEVERAL = ", several products a step"  # in the names of cases
OF_UNITS = ("projection", "hidden_units", "context_units")  # arguments that grow with the units
BATCHES = (1, 4)


def make_layer(member: Member, shape: Shape, **options: Any) -> rnnlayers.Recurrent:
    """Return the layer of a member of a shape's units, built."""
    arguments = {
        name: value * shape.units // UNITS if name in OF_UNITS else value
        for name, value in member.arguments.items()
    }
    layer = member.layer(shape.units, return_sequences=True, **arguments, **options)
    layer.build((None, shape.time, shape.features))
    return layer


def train(layer: keras.Layer, shape: Shape) -> Contender:
    """Return a training step in a `tf.function`, the batch size left open."""
    inputs, upstream = map(tf.constant, arrays(layer, shape))

    def step(inputs: tf.Tensor, upstream: tf.Tensor) -> list[Any]:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, training=True)
        sources = [inputs, *layer.trainable_variables]
        return [outputs, *tape.gradient(outputs, sources, output_gradients=upstream)]

    signature = [tf.TensorSpec([None, *t.shape[1:]], t.dtype) for t in (inputs, upstream)]
    graph = tf.function(step, input_signature=signature, autograph=False)
    return lambda: graph(inputs, upstream)


def arrays(layer: keras.Layer, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and the gradient of the outputs, seeded."""
    rng = np.random.default_rng(0)
    sizes = shape.features, layer.cell.output_size
    inputs, upstream = (rng.normal(size=(*shape[:2], size)).astype("float32") for size in sizes)
    return inputs, upstream


def projection(layer: keras.Layer, shape: Shape) -> Contender:
    """Return the product of the inputs with the kernel of a layer, and those of its gradients."""
    kernel = layer.cell.kernel
    rng = np.random.default_rng(0)
    rows = shape.batch * shape.time
    x, d, kernel = (
        tf.constant(rng.normal(size=size), tf.float32)
        for size in ((rows, shape.features), (rows, kernel.shape[-1]), kernel.shape)
    )

    @tf.function(autograph=False)
    def products(x: tf.Tensor, d: tf.Tensor, kernel: tf.Tensor) -> list[tf.Tensor]:
        return [
            x @ kernel,
            tf.matmul(x, d, transpose_a=True),
            tf.matmul(d, kernel, transpose_b=True),
        ]

    return lambda: products(x, d, kernel)


def measure(bench: Bench) -> list[Row]:
    """Measure every cell, then the two that are held to our LSTM, then long sequences."""
    shape = TINY if bench.quick else SHAPES["s3"]
    members = bench.choose(EVERY)
    rows = [_measure_member(bench, member, shape) for member in members]
    lstm = next(member for member in EVERY if member.cell is rnnlayers.LSTMCell)
    for member in members:
        if str(member) in ("PeepholeLSTMCell", "LayerNormLSTMCell"):
            timers = {
                "ours": timed(train(make_layer(member, shape), shape)),
                "LSTM": timed(train(make_layer(lstm, shape), shape)),
            }
            rows.append(bench.time(NEXT_TO_LSTM, str(member), timers))
    # A loop over so many steps takes seconds.
    few = replace(bench, plan=replace(bench.plan, least=2, rounds=min(5, bench.plan.rounds)))
    for member in members:
        if issubclass(member.cell, rnnlayers.LinearCell):
            for batch in BATCHES:
                long = TINY if bench.quick else Shape(batch, 16384, 64, 64)
                rows.append(_measure_scan(few, member, long._replace(batch=batch)))
    return rows


def _measure_member(bench: Bench, member: Member, shape: Shape) -> Row:
    timers = {
        "ours": timed(train(make_layer(member, shape), shape)),
        "stepwise": timed(train(make_layer(member, shape, engine="stepwise"), shape)),
    }
    case, cell = str(member), make_layer(member, shape).cell
    if cell.products():
        products = ProductsCell(cell)
        layer = rnnlayers.Recurrent(products, return_sequences=True, engine="compiled")
        layer.build((None, shape.time, shape.features))
        timers["products"] = timed(train(layer, shape))
        timers["compiled"] = timed(train(make_layer(member, shape, engine="compiled"), shape))
        case += SEVERAL if len(products.calls) > 1 else ""
    twin = twin_of(cell)
    if bench.torch is None or twin is None:
        return bench.time(OTHERS, case, timers)
    weights = twin.without(by_name(cell.weights, cell.get_weights()))
    sequences = arrays(make_layer(member, shape), shape)
    bench.torch.prepare_twin(twin, cell, *sequences, carried(twin, cell, weights))
    timers["torch"] = bench.torch.time
    return bench.time(OF_TORCH if twin.module.startswith("nn.") else TWINS, case, timers)


def _measure_scan(bench: Bench, member: Member, shape: Shape) -> Row:
    made: dict[str, Callable[[], Any]] = {
        "ours": train(make_layer(member, shape), shape),
        "compiled": train(make_layer(member, shape, engine="compiled"), shape),
        "projection": projection(make_layer(member, shape), shape),
    }
    if member.cell is rnnlayers.MinGRUCell:  # half a minute a call: one cell shows it
        made["stepwise"] = train(make_layer(member, shape, engine="stepwise"), shape)
    case = f"{member}, batch {shape.batch}"
    return bench.time(SCAN, case, {name: timed(call) for name, call in made.items()})


def check(rows: Sequence[Row]) -> list[Check]:
    """Compare with torchrecurrent, with the products alone, with our LSTM, with the loop."""
    of = {table: [row for row in rows if row.table == table] for table in (TWINS, SCAN)}
    several = [row for row in rows if row.case.endswith(SEVERAL)]
    return [
        at_least(
            "Geometric mean of the speed-up over torchrecurrent",
            geometric_mean(row.ratio("torch", "ours") for row in of[TWINS]),
            8,
        ),
        all_at_most(
            "The largest time of a cell with several products, relative to its products alone",
            {row.case: row.ratio("compiled", "products") for row in several},
            1.4,
        ),
        *(
            at_most(
                f"Time of a {case} relative to our LSTM",
                find([row for row in rows if row.table == NEXT_TO_LSTM], case).ratio(
                    "ours", "LSTM"
                ),
                bound,
            )
            for case, bound in (("LayerNormLSTMCell", 1.6), ("PeepholeLSTMCell", 1.15))
        ),
        at_least(
            "The smallest speed-up of a linear recurrence over its compiled loop, T = 16384",
            min(filter(None, (row.ratio("compiled", "ours") for row in of[SCAN])), default=None),
            20,
        ),
    ]


SUITE = Suite(
    about=f"A training step of every cell at s3 = {tuple(SHAPES['s3'])} (batch, timesteps, "
    "features, units): all outputs, and the gradients of the inputs and of all weights. `ours` is "
    "the layer as it chooses its engine, `compiled` and `stepwise` the same layer on these "
    "engines, `products` the matrix products of its steps alone on the compiled engine, `torch` "
    "the same cell of torchrecurrent, a loop in Python, or that of PyTorch itself; `LSTM` is our "
    "LSTM. Long sequences have T = 16384, 64 features and 64 units; "
    "`projection` is there the product of the inputs with the kernel and the two that give its "
    "gradients, in no loop at all; `stepwise`, whose time grows faster than the length, is there "
    "for one cell. Means are over the cells that have both numbers.",
    measure=measure,
    ratios=(
        Ratio("torch / ours", "torch", "ours"),
        Ratio("stepwise / ours", "stepwise", "ours"),
        Ratio("compiled / products", "compiled", "products"),
        Ratio("compiled / ours", "compiled", "ours"),
        Ratio("ours / projection", "ours", "projection"),
        Ratio("ours / LSTM", "ours", "LSTM"),
    ),
    check=check,
    mean=True,
)
