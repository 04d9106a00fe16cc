"""Strongly typed networks, in which no matrix multiplies a state."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from rnnlayers.cells.gated import SigmoidGatedCell
from rnnlayers.cells.linear import LinearCell
from rnnlayers.cells.parts import Fused, Multiply, Product, SideInputs, add
from rnnlayers.types import States, Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class TRNNCell(LinearCell):
    """The strongly typed RNN: a running mean of features, whose steps can be computed in parallel.

        z = W_z x                               feature
        f = sigmoid(W_f x + b)                  forget gate
        h = f * h_prev + (1 - f) * z

    Weights: `kernel` W `(features, 2 * units)`, cut in the order z, f, `bias` b `(units,)`, of f.

    Args:
        units: Positive integer, the size of the output.
        **kwargs: All other arguments of `LinearCell`, without `activation`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = TRNNCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Balduzzi and Ghifary (2016), Strongly-typed recurrent neural networks, the equations
    of T-RNN. torchrecurrent adds a bias to z.
    """

    gates: ClassVar[tuple[str, ...]] = ("z", "f")
    without: ClassVar[tuple[str, ...]] = (*LinearCell.without, "activation")

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """Shape of `bias`."""
        return (self.units,)

    def prepare(self, inputs: Tensor, side: SideInputs | None = None) -> tuple[Any, Any]:
        """Return z and what f has of the inputs."""
        inputs, _ = self.drop_all(inputs, side)
        z, f = ops.split(ops.matmul(inputs, self.kernel), 2, axis=-1)
        return (z, f if self.bias is None else f + self.bias), ()

    def coefficients(self, x: Any, constants: tuple[Tensor, ...] = ()) -> tuple[Tensor, Tensor]:
        """Return f and (1 - f) * z."""
        z, f = x[0], ops.sigmoid(x[1])
        return f, (1 - f) * z


class _TypedCell(SigmoidGatedCell):
    """A cell whose gates see this step's inputs and those of the step before."""

    gates: ClassVar[tuple[str, ...]] = ("z", "f", "o")
    recurrent_gates: ClassVar[int | None] = 0
    without: ClassVar[tuple[str, ...]] = ("recurrent_dropout",)

    @property
    def output_size(self) -> int:
        """Size of the output."""
        return self.units

    @property
    def features(self) -> int:
        """Number of features of the inputs, the size of a state."""
        if not self.built:
            raise ValueError(
                f"The sizes of the states of {self.name!r} depend on the number of features, and "
                "it has no weights yet. Call the layer first, or `build`."
            )
        return self.kernel.shape[0]

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of shape `(..., features)`."""
        super().build(input_shape)
        self.recurrent_kernel = self.add_recurrent(
            "recurrent_kernel", (input_shape[-1], 3 * self.units)
        )

    def draw(self, inputs: Tensor) -> SideInputs:
        """Return the dropout mask of inputs `(time, batch, features)`."""
        on_inputs = self.drop_inputs(ops.ones_like(inputs[:1])) if self.dropout else None
        return SideInputs(sequence=(on_inputs, None))

    def prepare(self, inputs: Tensor, side: SideInputs | None = None) -> tuple[Any, Any]:
        """Return the inputs' part in the gates, and the inputs, which the next step sees."""
        inputs, _ = self.drop_all(inputs, side)
        return (Fused(self.project(inputs), 3), inputs), ()

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the matrix of the inputs before."""
        return {"": Product(self.recurrent_kernel, parts=3)}

    def values(self, x: Any, x_prev: Tensor, product: Multiply) -> tuple[Tensor, Tensor, Tensor]:
        """Return the feature z and the gates f and o."""
        z, f, o = add(x, product(x_prev))
        return z, self.recurrent_activation(f), self.activation(o)


@keras.saving.register_keras_serializable(package="rnnlayers")
class TGRUCell(_TypedCell):
    """The strongly typed GRU: gates from the inputs of this step and of the one before.

        z = W_z x + V_z x_prev + b_z                            feature
        f = recurrent_activation(W_f x + V_f x_prev + b_f)      forget gate
        o = activation(W_o x + V_o x_prev + b_o)                output gate
        h = f * h_prev + z * o

    Weights, cut in the order z, f, o: `kernel` W and `recurrent_kernel` V `(features, 3 * units)`,
    `bias` b `(3 * units,)`. States: h, and x_prev `(batch, features)`, the inputs of the step
    before; its size is known once the cell has weights.

    Args:
        units: Positive integer, the size of the output.
        activation: Function of the output gate.
        recurrent_activation: Function of the forget gate.
        **kwargs: All other arguments of `GatedCell`, without `recurrent_dropout`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = TGRUCell(4)(np.ones((2, 3)), [np.zeros((2, 4)), np.zeros((2, 3))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Balduzzi and Ghifary (2016), Strongly-typed recurrent neural networks, the equations
    of T-GRU.
    """

    state_names: ClassVar[tuple[str, ...]] = ("h", "x_prev")

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Sizes of h and x_prev."""
        return (self.units, self.features)

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new states; see `Cell.step`."""
        (x_gates, inputs), (h_prev, x_prev) = x, states
        z, f, o = self.values(x_gates, x_prev, product)
        return f * h_prev + z * o, inputs


@keras.saving.register_keras_serializable(package="rnnlayers")
class TLSTMCell(_TypedCell):
    """The strongly typed LSTM: `TGRUCell` whose output gate is not fed back.

        z, f, o as in `TGRUCell`
        c = f * c_prev + (1 - f) * z
        h = o * c

    Weights: those of `TGRUCell`. States: h, which no step reads, c, and x_prev
    `(batch, features)`, the inputs of the step before; its size is known once the cell has weights.

    Args:
        units: Positive integer, the size of the output.
        activation: Function of the output gate.
        recurrent_activation: Function of the forget gate.
        **kwargs: All other arguments of `GatedCell`, without `recurrent_dropout`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> before = [np.zeros((2, 4)), np.zeros((2, 4)), np.zeros((2, 3))]
    >>> output, states = TLSTMCell(4)(np.ones((2, 3)), before)
    >>> output.shape
    TensorShape([2, 4])

    Reference: Balduzzi and Ghifary (2016), Strongly-typed recurrent neural networks, the equations
    of T-LSTM.
    """

    state_names: ClassVar[tuple[str, ...]] = ("h", "c", "x_prev")

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Sizes of h, c and x_prev."""
        return (self.units, self.units, self.features)

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new states; see `Cell.step`."""
        (x_gates, inputs), (_, c_prev, x_prev) = x, states
        z, f, o = self.values(x_gates, x_prev, product)
        c = f * c_prev + (1 - f) * z
        return o * c, c, inputs
