"""How far a cell's numbers are from the equations of its paper, and from a second implementation.

An error is the largest difference, relative to the largest number compared or to one where all are
smaller.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.torch_process import TorchProcess
from benchmarks.twins import Twin, twin_of
from tests.family import Member

ROWS, STEPS = 5, 24


def error(ours: Any, theirs: Any) -> float:
    """Return the largest difference of two arrays; infinity if one is not finite."""
    ours, theirs = np.asarray(ours, "float64"), np.asarray(theirs, "float64")
    difference = np.max(np.abs(ours - theirs)) / max(1.0, np.max(np.abs(theirs)))
    return float(difference) if np.isfinite(difference) else float("inf")


def error_against_equations(member: Member, dtype: str) -> float:
    """Return the error of outputs and final states of a sequence with masked steps."""
    layer = member.make_layer(return_sequences=True, return_state=True, dtype=dtype)
    rng = np.random.default_rng(4)
    sequences = rng.normal(size=(ROWS, STEPS, member.features)).astype(dtype)
    states = [state.astype(dtype) for state in member.sample_states(layer.cell, ROWS)]
    mask = rng.random((ROWS, STEPS)) > 0.2

    @tf.function(autograph=False)
    def run(sequences: tf.Tensor, states: list[tf.Tensor]) -> Any:
        # In training some cells leak or drop, which their equations leave out.
        return layer(sequences, initial_state=states, mask=mask)

    received = run(tf.constant(sequences), list(map(tf.constant, states)))
    outputs, after = member.run(layer.cell, sequences, states, mask)
    return max(map(error, received, [outputs, *after]))


def compared_twin(member: Member) -> Twin | None:
    """Return the second implementation whose numbers must be those of a member, or None."""
    twin = twin_of(member.make_layer().cell)
    return None if twin is None or twin.differs else twin


def errors_against_twin(member: Member, torch: TorchProcess) -> tuple[float, float]:
    """Return the errors of the outputs and of the gradients of a sequence, in float64.

    The gradients are those of the inputs and of all weights that both have.
    """
    layer = member.make_layer(return_sequences=True, dtype="float64")
    cell = layer.cell
    twin = twin_of(cell)
    if twin is None or twin.differs:
        raise ValueError(f"`member` must have a twin of the same equations; received {member}.")
    weights = twin.without(by_name(cell.weights, cell.get_weights()))
    cell.set_weights([weights[weight.name] for weight in cell.weights])
    rng = np.random.default_rng(5)
    inputs = tf.constant(rng.normal(size=(ROWS, STEPS, member.features)))
    upstream = rng.normal(size=(ROWS, STEPS, cell.output_size))

    @tf.function(autograph=False)
    def train(inputs: tf.Tensor, upstream: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, training=True)
        sources = [inputs, *layer.trainable_weights]
        return outputs, tape.gradient(outputs, sources, output_gradients=upstream)

    outputs, (d_inputs, *gradients) = train(inputs, tf.constant(upstream))
    torch.prepare_twin(twin, cell, inputs.numpy(), upstream, carried(twin, cell, weights))
    theirs = torch.results()
    ours = carried(twin, cell, by_name(layer.trainable_weights, gradients))
    errors = [error(d_inputs, theirs["inputs"])]
    for name, gradient in ours.items():
        shared = ~np.isnan(gradient)
        errors.append(error(gradient[shared], theirs[name][shared]))
    return error(outputs, theirs["outputs"]), max(errors)


def carried(twin: Twin, cell: Any, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return weights, or their gradients, by PyTorch's names; zeros for those that do not learn."""
    absent = {w.name: np.zeros(w.shape) for w in cell.weights if w.name not in weights}
    return twin.carry({**weights, **absent})


def by_name(weights: Iterable[Any], values: Iterable[Any]) -> dict[str, np.ndarray]:
    """Return the values of weights as arrays by the weights' names."""
    return {w.name: np.asarray(value) for w, value in zip(weights, values, strict=True)}
