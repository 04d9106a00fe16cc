"""The layers of a decoder, each seen as what `EncoderDecoder` asks of it.

A decoder is a list of layers of three kinds: those that treat each step alone, recurrent ones, and
the one that attends to the memory. `part_of` is the one place that tells them apart.
"""

from collections.abc import Sequence
from typing import Any

import keras

from rnnlayers.cells.attention import Memory
from rnnlayers.layers.attentive import AttentiveDecoder
from rnnlayers.layers.recurrent import Recurrent
from rnnlayers.layers.stack import Stack
from rnnlayers.models.encoded import Encoded
from rnnlayers.types import Tensor

Shape = Sequence[int | None]


class Alone:
    """A layer that treats each step alone, such as `Dropout` or `Dense`.

    Args:
        layer: The layer.
    """

    def __init__(self, layer: Any) -> None:
        self.layer = layer

    @property
    def bridged(self) -> tuple[int, ...]:
        """The sizes of the first states that are computed from the memory."""
        return ()

    @property
    def state_count(self) -> int:
        """The number of states."""
        return len(self.bridged)

    def build(self, shape: Shape, memory_shape: Shape) -> Any:
        """Create the weights for inputs and a memory, and return the shape of the outputs."""
        shapes = self._shapes(shape, memory_shape)
        if not self.layer.built:
            self.layer.build(*shapes)
        return self.layer.compute_output_shape(*shapes)

    def _shapes(self, shape: Shape, memory_shape: Shape) -> tuple[Shape, ...]:
        return (shape,)

    def further_states(self, batch: Any) -> list[Tensor]:
        """Return the first states that are not computed from the memory."""
        return []

    def over_time(
        self, inputs: Tensor, states: list[Tensor], encoded: Encoded, mask: Tensor, training: bool
    ) -> Tensor:
        """Return the outputs of all steps."""
        return self.layer(inputs, training=training)

    def prepare(self, encoded: Encoded) -> Memory | None:
        """Return the memory for `take_step`, if the layer attends to one."""
        return None

    def take_step(
        self, inputs: Tensor, states: list[Tensor], memory: Memory | None
    ) -> tuple[Tensor, list[Tensor], Tensor | None]:
        """Return the outputs of one step, the new states, and the weights of the attention."""
        return self.layer(inputs), [], None


class OverTime(Alone):
    """A recurrent layer, or a stack of them."""

    @property
    def bridged(self) -> tuple[int, ...]:
        """The sizes of the first states that are computed from the memory."""
        return self.layer.state_sizes

    def over_time(
        self, inputs: Tensor, states: list[Tensor], encoded: Encoded, mask: Tensor, training: bool
    ) -> Tensor:
        """Return the outputs of all steps."""
        return self.layer(inputs, states, mask=mask, training=training)

    def take_step(
        self, inputs: Tensor, states: list[Tensor], memory: Memory | None
    ) -> tuple[Tensor, list[Tensor], Tensor | None]:
        """Return the outputs of one step, the new states, and None."""
        return (*self.layer.take_step(inputs, states), None)


class Attending(Alone):
    """The layer that attends to the memory."""

    @property
    def bridged(self) -> tuple[int, ...]:
        """The sizes of the first states that are computed from the memory."""
        return self.layer.cell.cell.state_sizes

    @property
    def state_count(self) -> int:
        """The number of states: with input feeding, that output is one more."""
        return len(self.layer.cell.state_names)

    def _shapes(self, shape: Shape, memory_shape: Shape) -> tuple[Shape, ...]:
        return shape, memory_shape

    def further_states(self, batch: Any) -> list[Tensor]:
        """Return the output that input feeding feeds back at first, zeros."""
        return self.layer.cell.get_initial_state(batch)[len(self.bridged) :]

    def over_time(
        self, inputs: Tensor, states: list[Tensor], encoded: Encoded, mask: Tensor, training: bool
    ) -> Tensor:
        """Return the outputs of all steps."""
        return self.layer(
            inputs,
            encoded.values,
            states,
            mask=mask,
            memory_mask=encoded.mask,
            training=training,
        )

    def prepare(self, encoded: Encoded) -> Memory | None:
        """Return the memory for `take_step`."""
        return self.layer.cell.prepare(encoded.values, encoded.mask)

    def take_step(
        self, inputs: Tensor, states: list[Tensor], memory: Memory | None
    ) -> tuple[Tensor, list[Tensor], Tensor | None]:
        """Return the outputs of one step, the new states, and the weights of the attention."""
        outputs, new, attention = self.layer.cell(inputs, states, memory)
        return outputs, list(new), attention


def part_of(layer: keras.Layer) -> Alone:
    """Return a layer of a decoder as what `EncoderDecoder` asks of it."""
    if isinstance(layer, AttentiveDecoder):
        return Attending(layer)
    return OverTime(layer) if isinstance(layer, Recurrent | Stack) else Alone(layer)
