"""The states of a layer: before the first step, and carried from batch to batch."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from rnnlayers.layers.masks import compatible
from rnnlayers.types import States, Tensor


class CarriedStates:
    """The states that a stateful layer carries from one batch to the next.

    This plain object hides the variables from Keras and TensorFlow, as Keras' own layers hide
    theirs: they depend on the batch size, and are neither saved nor exchanged with the weights.
    """

    def __init__(self) -> None:
        self.variables: list[keras.Variable] = []

    def create(self, states: Sequence[Tensor], dtype: str) -> None:
        """Create a variable for each state."""
        self.variables = [
            keras.Variable(state, trainable=False, dtype=dtype, name="state") for state in states
        ]

    def assign(self, states: Sequence[Any]) -> None:
        """Set the states."""
        for variable, state in zip(self.variables, states, strict=True):
            variable.assign(state)

    def check_batch(self, sequences: Tensor, name: str) -> None:
        """Raise a ValueError unless the stateful layer `name` can run these sequences."""
        if not self.variables:
            raise ValueError(
                f"`stateful` of {name!r} must be set before the layer is built: there are no "
                "states to carry over. Make a new layer with `stateful=True` and a fixed batch "
                "size, and give it the weights of this one."
            )
        batch = self.variables[0].shape[0]
        if not compatible(sequences.shape[:1], (batch,)):
            raise ValueError(
                f"`sequences` to the stateful {name!r} must have the batch size it was built with, "
                f"{batch}; received shape {tuple(sequences.shape)}. To export the layer, make one "
                "with `stateful=False` and the same weights, which takes its states as "
                "`initial_state` and returns them with `return_state=True`."
            )

    def reset(self, states: Sequence[Any] | None, stateful: bool, name: str) -> None:
        """Set the states of the layer `name` to zeros, or to `states`."""
        if states is None and not self.variables:
            return
        if not stateful:
            raise ValueError(
                f"`states` needs a layer with `stateful=True`; {name!r} carries no states over. "
                "Pass them to its call as `initial_state`."
            )
        if states is None:
            states = [ops.zeros_like(variable.value) for variable in self.variables]
        expected = [tuple(variable.shape) for variable in self.variables]
        received = [tuple(ops.shape(state)) for state in states]
        if received != expected:
            raise ValueError(
                f"`states` of {name!r} must be one array (batch, units) for each state, "
                f"{expected or 'none, for the layer is not built'}; received shapes {received}."
            )
        self.assign(states)


def read_initial_state(
    initial_state: Any, expected: Sequence[Tensor], names: Sequence[str], dtype: str, layer: str
) -> States:
    """Return the states before the first step as tensors of a dtype, one row for each sequence.

    Args:
        initial_state: One tensor, or a list of one for each state. A single row serves all.
        expected: States of the right shapes, `(batch, units)` each.
        names: Names of the states.
        dtype: The compute dtype.
        layer: Name of the layer.

    Raises:
        ValueError: if a state is missing or a shape does not fit.
    """
    states = initial_state if isinstance(initial_state, list | tuple) else [initial_state]
    # Tensors, not variables: those of a stateful layer change before the backward pass.
    states = [tf.convert_to_tensor(ops.convert_to_tensor(state, dtype)) for state in states]
    fits = len(states) == len(expected) and all(
        compatible(state.shape, zeros.shape) or tuple(state.shape) == (1, zeros.shape[-1])
        for state, zeros in zip(states, expected, strict=True)
    )
    if not fits:
        raise ValueError(
            f"`initial_state` of {layer!r} must be one tensor (batch, units) for each of the "
            f"states {', '.join(names)}: {[tuple(zeros.shape) for zeros in expected]}; received "
            f"{[tuple(state.shape) for state in states]}."
        )
    return tuple(
        ops.broadcast_to(state, ops.shape(zeros)) if state.shape[0] == 1 else state
        for state, zeros in zip(states, expected, strict=True)
    )
