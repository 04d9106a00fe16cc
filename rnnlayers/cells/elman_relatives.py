"""Relatives of Elman's network: feedback of one unit, of the output, of a slow context."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from rnnlayers.cells.elman import ElmanCell
from rnnlayers.cells.gated import GatedCell
from rnnlayers.cells.parts import Multiply, Product, SideInputs, add
from rnnlayers.checks import check_number, check_positive_integer
from rnnlayers.types import States, Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class IndRNNCell(GatedCell):
    """An independently recurrent network: each unit sees its own past alone.

    A step needs no matrix product, and the gradient along time is a product of numbers, which a
    constraint can keep near one: `recurrent_constraint=keras.constraints.MaxNorm(...)` on `u`.

        h = activation(W x + b + u * h_prev)

    Weights: `kernel` W `(features, units)`, `recurrent_kernel` u `(units,)`, `bias` b `(units,)`.
    `activation` is "relu" by default, and u begins between -1 and 1.

    Args:
        units: Positive integer, the size of the output.
        **kwargs: All other arguments of `ElmanCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = IndRNNCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Li et al. (2018), Independently recurrent neural network (IndRNN): building a longer
    and deeper RNN, equation 4.
    """

    gates: ClassVar[tuple[str, ...]] = ("h",)

    def __init__(
        self,
        units: int,
        activation: Any = "relu",
        recurrent_initializer: Any = None,
        **kwargs: Any,
    ) -> None:
        if recurrent_initializer is None:
            recurrent_initializer = keras.initializers.RandomUniform(-1.0, 1.0)
        super().__init__(units, activation, recurrent_initializer=recurrent_initializer, **kwargs)

    @property
    def recurrent_shape(self) -> tuple[int, ...]:
        """Shape of `recurrent_kernel`."""
        return (self.units,)

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""
        (h_prev,) = states
        (z,) = add(x, product(self.drop(h_prev, constants)))
        return (self.activation(z),)


@keras.saving.register_keras_serializable(package="rnnlayers")
class IRNNCell(ElmanCell):
    """Elman's network as it learns long spans: relu, and the identity as first recurrent kernel.

        h = activation(W x + b + U h_prev)

    It is `ElmanCell` with other defaults, `activation="relu"` and
    `recurrent_initializer="identity"`. Clip its gradients.

    Args:
        units: Positive integer, the size of the output.
        **kwargs: All other arguments of `ElmanCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = IRNNCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Le, Jaitly and Hinton (2015), A simple way to initialize recurrent networks of
    rectified linear units.
    """

    derivatives = ElmanCell.derivatives

    def __init__(
        self,
        units: int,
        activation: Any = "relu",
        recurrent_initializer: Any = "identity",
        **kwargs: Any,
    ) -> None:
        super().__init__(units, activation, recurrent_initializer=recurrent_initializer, **kwargs)


@keras.saving.register_keras_serializable(package="rnnlayers")
class JordanCell(GatedCell):
    """Jordan's network: what is fed back is the output, not the hidden layer.

        h = activation(W x + b + U y_prev)                      hidden layer
        y = output_activation(V h + d)                          output and state

    Weights: `kernel` W `(features, hidden_units)`, `recurrent_kernel` U `(units,
    hidden_units)`, `bias` b `(hidden_units,)`, `output_kernel` V `(hidden_units, units)`,
    `output_bias` d `(units,)`.

    Args:
        units: Positive integer, the size of the output, which is the state.
        activation: Function of the hidden layer.
        output_activation: Function of the output.
        hidden_units: Positive integer, the size of the hidden layer; `units` by default.
        **kwargs: All other arguments of `GatedCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = JordanCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Jordan (1986), Serial order: a parallel distributed processing approach.
    """

    gates: ClassVar[tuple[str, ...]] = ("h",)
    fixed_by_weights: ClassVar[tuple[str, ...]] = (*GatedCell.fixed_by_weights, "hidden_units")

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        output_activation: Any = "tanh",
        hidden_units: int | None = None,
        **kwargs: Any,
    ) -> None:
        check_positive_integer("hidden_units", hidden_units, "the hidden layer", or_none=True)
        super().__init__(units, activation, **kwargs)
        self.output_activation = keras.activations.get(output_activation)
        self.hidden_units = self.units if hidden_units is None else int(hidden_units)

    @property
    def gate_size(self) -> int:
        """Size of the hidden layer."""
        return self.hidden_units

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of shape `(..., features)`."""
        super().build(input_shape)
        self.output_kernel = self.add_input_kernel("output_kernel", (self.hidden_units, self.units))
        self.output_bias = None
        if self.use_bias:
            self.output_bias = self.add_weight(
                name="output_bias", shape=(self.units,), initializer=self.bias_initializer
            )

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the recurrent kernel and that of the output."""
        output = Product(self.output_kernel, self.output_bias)
        return {**super().products(side), "output": output}

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        return {
            **super().get_config(),
            "output_activation": keras.activations.serialize(self.output_activation),
            "hidden_units": self.hidden_units,
        }

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""
        (y_prev,) = states
        (z,) = add(x, product(self.drop(y_prev, constants)))
        return (self.output_activation(product(self.activation(z), "output")),)


@keras.saving.register_keras_serializable(package="rnnlayers")
class SCRNCell(GatedCell):
    """The structurally constrained network: some units change slowly, and are a memory.

        s = (1 - alpha) * B x + alpha * s_prev                  context
        h = activation(W x + b + U h_prev + P s)

    Weights: `kernel` W `(features, units)`, `recurrent_kernel` U `(units, units)`, `bias` b
    `(units,)`, `context_kernel` B `(features, context_units)` and `context_recurrent_kernel` P
    `(context_units, units)`. States: h and s. The output is h, which sees the context of its step.

    Args:
        units: Positive integer, the size of the output and of h.
        activation: Function of h.
        context_units: Positive integer, the size of s; `units` by default.
        alpha: The share of the context that a step keeps, in [0, 1].
        **kwargs: All other arguments of `GatedCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = SCRNCell(4)(np.ones((2, 3)), [np.zeros((2, 4))] * 2)
    >>> output.shape
    TensorShape([2, 4])

    Reference: Mikolov et al. (2015), Learning longer memory in recurrent neural networks, equations
    4 and 5. Its output layer sees the context too: give `return_state=True` for that.
    """

    gates: ClassVar[tuple[str, ...]] = ("h",)
    state_names: ClassVar[tuple[str, ...]] = ("h", "s")
    fixed_by_weights: ClassVar[tuple[str, ...]] = (*GatedCell.fixed_by_weights, "context_units")

    def __init__(
        self,
        units: int,
        activation: Any = "sigmoid",
        context_units: int | None = None,
        alpha: float = 0.95,
        **kwargs: Any,
    ) -> None:
        check_positive_integer("context_units", context_units, "the size of s", or_none=True)
        check_number("alpha", alpha, "[0, 1]", "the share of the context that is kept")
        super().__init__(units, activation, **kwargs)
        self.context_units = self.units if context_units is None else int(context_units)
        self.alpha = float(alpha)

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Sizes of h and s."""
        return (self.units, self.context_units)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of shape `(..., features)`."""
        super().build(input_shape)
        shape = (input_shape[-1], self.context_units)
        self.context_kernel = self.add_input_kernel("context_kernel", shape)
        self.context_recurrent_kernel = self.add_recurrent(
            "context_recurrent_kernel", (self.context_units, self.units)
        )

    def prepare(self, inputs: Tensor, side: SideInputs | None = None) -> tuple[Any, Any]:
        """Return the inputs' part in the context and in h, and the dropout mask."""
        inputs, constants = self.drop_all(inputs, side)
        return (ops.matmul(inputs, self.context_kernel), self.project(inputs)), constants

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the recurrent kernel and that of the context."""
        return {**super().products(side), "s": Product(self.context_recurrent_kernel)}

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        own = {"context_units": self.context_units, "alpha": self.alpha}
        return {**super().get_config(), **own}

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new states; see `Cell.step`."""
        (x_s, x_h), (h_prev, s_prev) = x, states
        s = (1 - self.alpha) * x_s + self.alpha * s_prev
        (u,) = product(self.drop(h_prev, constants))
        return self.activation(x_h + u + product(s, "s")), s
