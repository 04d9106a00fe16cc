"""What the LSTM shares with those of its relatives that have its four gates."""

from collections.abc import Sequence
from typing import Any, ClassVar

from keras import ops

from rnnlayers.cells.gated import SigmoidGatedCell
from rnnlayers.types import Tensor


class FourGatedCell(SigmoidGatedCell):
    """A cell with the gates i, f, g, o of the LSTM, whose forget gate may begin open.

    Args:
        units: Positive integer, the size of the output.
        activation: Function of the candidate.
        recurrent_activation: Function of the three gates.
        unit_forget_bias: Whether the forget gate's bias starts at one.
        **kwargs: All other arguments of `GatedCell`.
    """

    gates: ClassVar[tuple[str, ...]] = ("i", "f", "g", "o")
    state_names: ClassVar[tuple[str, ...]] = ("h", "c")

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        unit_forget_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, activation, recurrent_activation, **kwargs)
        self.unit_forget_bias = unit_forget_bias

    def initial_bias(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        """Return the bias of a new cell, ones for the forget gate with `unit_forget_bias`."""
        if not self.unit_forget_bias:
            return super().initial_bias(shape, dtype)
        # Drawn in the same parts as in Keras, so that one seed gives the same numbers.
        i, g_and_o = (self.bias_initializer((n * self.units,), dtype=dtype) for n in (1, 2))
        return ops.concatenate([i, ops.ones((self.units,), dtype), g_and_o])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        return {**super().get_config(), "unit_forget_bias": self.unit_forget_bias}
