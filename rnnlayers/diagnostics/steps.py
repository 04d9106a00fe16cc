"""The steps of a recurrent layer, taken once more, all of them at once.

The states before each step are known from a run of the model, and rows of a batch never meet. So
all steps of all rows are the rows of a single step.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from rnnlayers.cells.base import Cell
from rnnlayers.cells.parts import Product, for_step, tensors_of, with_tensors
from rnnlayers.diagnostics.watching import (
    Watched,
    keeping,
    recurrent_layers,
    watching,
    with_own_layers,
)
from rnnlayers.types import States, Tensor


class Recorded(NamedTuple):
    """What passed through one call of a recurrent layer.

    Args:
        name: The path of the layer.
        cell: The cell.
        reverse: Whether the last step is computed first.
        sequences: `(batch, timesteps, features)`.
        valid: Booleans `(batch, timesteps)`.
        states: The states after each step side by side, `(batch, timesteps, sum of the sizes)`.
        before: The states before the first step, `(batch, size)` each.
    """

    name: str
    cell: Cell
    reverse: bool
    sequences: Tensor
    valid: Tensor
    states: Tensor
    before: Sequence[Tensor]

    @property
    def is_masked(self) -> bool:
        """Whether some step is masked."""
        return not bool(np.all(self.valid))


class Recorder:
    """A model that tells what passes through its recurrent layers.

    Layers with attention are left out, since their steps need a memory.

    Args:
        model: A built model.
    """

    def __init__(self, model: keras.Model) -> None:
        self.given = model
        self.model = with_own_layers(model)
        self.layers = recurrent_layers(self.model)
        self._calls: list[Watched] = []
        self._run = tf.function(partial(self._record), autograph=False)

    def __call__(self, x: Any) -> list[Recorded]:
        """Return what passes through the layers for inputs `x`."""
        if self.model is not self.given:
            self.model.set_weights(self.given.get_weights())
        with keeping(self.model, self.layers):
            found = self._run(keras.tree.map_structure(tf.convert_to_tensor, x))
        return [
            Recorded(_numbered(self._calls, number), call.cell, call.reverse, *tensors)
            for number, (call, tensors) in enumerate(zip(self._calls, found, strict=True))
        ]

    def _record(self, x: Any) -> Any:
        with watching(self.layers, recorded=True) as calls:
            self.model(x, training=False)
        self._calls = [call for call in calls if call.states is not None]
        everywhere = [
            tf.ones(tf.shape(call.sequences)[:2], "bool") if call.valid is None else call.valid
            for call in self._calls
        ]
        return [
            (call.sequences, valid, call.states, call.before)
            for call, valid in zip(self._calls, everywhere, strict=True)
        ]


def _numbered(calls: Sequence[Watched], number: int) -> str:
    """Return the name of a call: the path of its layer, and its number from the second call on."""
    same = sum(call.name == calls[number].name for call in calls[:number])
    return f"{calls[number].name}#call{same + 1}" if same else calls[number].name


class Rows(NamedTuple):
    """What a step reads, for some steps of some rows of the batch, `(rows, ...)` each."""

    x: Any
    previous: Tensor  # the states side by side
    counts: Tensor  # booleans, False if masked
    constants: tuple[Tensor, ...]

    def at(self, places: Sequence[int]) -> "Rows":
        """Return some of the rows."""
        count = self.previous.shape[0]

        def some(tensor: Tensor) -> Tensor:
            return tf.gather(tensor, places) if tensor.shape[:1] == (count,) else tensor

        return Rows(*tf.nest.map_structure(some, tuple(self)))


class Steps:
    """All steps of a call, as the rows of a single step, `rows = timesteps * batch`.

    Args:
        recorded: The call.
    """

    def __init__(self, recorded: Recorded) -> None:
        self.cell = recorded.cell
        self.batch, self.time = recorded.sequences.shape[:2]
        inputs = tf.transpose(recorded.sequences, (1, 0, 2))
        x, _ = self.cell.prepare(inputs)
        leaves = [self.fold(leaf) for leaf in tensors_of(x)]
        states = tf.transpose(recorded.states, (1, 0, 2))
        first = tf.concat(recorded.before, -1)[None]
        previous = [states[1:], first] if recorded.reverse else [first, states[:-1]]
        self.rows = Rows(
            for_step(with_tensors(x, leaves)),
            self.fold(tf.concat(previous, 0)),
            self.fold(tf.transpose(recorded.valid, (1, 0)))[:, None],
            tuple(self.cell.prepare(self.fold(inputs)[None])[1]),  # of as many rows
        )
        self.kernels: dict[str, Product] = dict(self.cell.products())

    def fold(self, sequence: Tensor) -> Tensor:
        """Return steps `(timesteps, batch, ...)` as rows."""
        return tf.reshape(sequence, (self.time * self.batch, *sequence.shape[2:]))

    def unfold(self, rows: Tensor) -> np.ndarray:
        """Return rows as steps `(timesteps, batch, ...)`."""
        return np.reshape(rows, (self.time, self.batch, *rows.shape[1:]))

    def take(self, rows: Rows, product: Callable[..., Any] | None = None) -> Tensor:
        """Return the new states side by side, `(rows, size)`."""
        states: States = tuple(tf.split(rows.previous, self.cell.state_sizes, -1))
        new = self.cell.step(rows.x, states, product or self.multiply, rows.constants)
        return tf.where(rows.counts, tf.concat(list(new), -1), rows.previous)

    def multiply(self, v: Tensor, name: str = "") -> Any:
        """Return a product of the step."""
        return self.kernels[name].cut(self.kernels[name].of(v))

    def jacobians(self) -> np.ndarray:
        """Return ds_t/ds_(t-1) of each step, `(timesteps, batch, size, size)`, in float64."""
        previous = self.rows.previous
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(previous)
            units = tf.unstack(self.take(self.rows), axis=-1)
        rows = [tape.gradient(unit, previous, unconnected_gradients="zero") for unit in units]
        return self.unfold(np.stack(rows, 1).astype("float64"))
