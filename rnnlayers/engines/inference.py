"""Inference in a graph: the whole computation of a layer, compiled as one function."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import tensorflow as tf

from rnnlayers.cells.base import Cell
from rnnlayers.engines.choose import FULL_BATCH, EngineChoice
from rnnlayers.engines.derivatives import Tensors
from rnnlayers.engines.gradients import with_gradient
from rnnlayers.engines.graph_cache import call_with_weights, values_of
from rnnlayers.types import States, Tensor


def run_inference(
    cell: Cell,
    choice: EngineChoice,
    through_time: Callable[..., tuple[Tensor, States]],
    sequences: Tensor,
    states: States,
    mask: Tensor | None,
    memory: tuple[Tensor, ...] = (),
) -> tuple[Tensor, States]:
    """Compile `through_time` and call it.

    Without a backward pass, nothing needs to leave the function. It belongs to the graph that is
    being traced and is not cached, since weights may have values of this graph only. If a gradient
    is asked for after all, the forward pass runs again, as in training.

    Args:
        cell: The cell whose weights `through_time` reads.
        choice: The engine.
        through_time: Takes the name of an engine, sequences, states, mask, memory and
            `to_differentiate`; returns the outputs and the final states.
        sequences: `(batch, timesteps, features)`.
        states: The states before the first step, `(batch, units)` each.
        mask: Booleans `(timesteps, batch, 1)`, or None.
        memory: Tensors that come first in `side.sequence` of the cell.
    """
    count = len(states)
    cut = count + len(memory)

    def run(engine: str, sequences: Tensor, *tensors: Tensor, **how: Any) -> Sequence[Tensor]:
        outputs, after = call_with_weights(
            cell,
            cell.weights,
            tensors[cut:],
            lambda: through_time(
                engine, sequences, tensors[:count], mask, tensors[count:cut], **how
            ),
        )
        return (outputs, *after)

    compiled = tf.function(partial(run, choice.engine), jit_compile=True, autograph=False)

    def forward(*inputs: Tensor) -> tuple[Sequence[Tensor], None]:
        if not choice.full_batches_only:
            return compiled(*inputs), None
        is_full = tf.shape(inputs[0])[0] % FULL_BATCH == 0
        return tf.cond(is_full, lambda: compiled(*inputs), lambda: run("stepwise", *inputs)), None

    def backward(inputs: Tensors, _: None, upstream: Tensors) -> Tensors:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            results = run(choice.engine, *inputs, to_differentiate=True)
        return tape.gradient(results, inputs, upstream, unconnected_gradients="zero")

    function = with_gradient(forward, backward, partial(run, "stepwise"))
    outputs, *after = function(sequences, *states, *memory, *values_of(cell.weights))
    return outputs, tuple(after)
