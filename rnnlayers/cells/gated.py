"""The base class of cells with gates: the arguments and weights that Keras' cells share."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import keras
from keras import ops

from rnnlayers.cells.arguments import arguments_of, check_arguments, signature_of
from rnnlayers.cells.base import Cell, check_features, clone
from rnnlayers.cells.old_contract import OldContract
from rnnlayers.cells.parts import Fused, Product, SideInputs
from rnnlayers.checks import check_rate
from rnnlayers.types import Tensor

OF_RECURRENT_KERNEL = tuple(
    f"recurrent_{name}" for name in ("initializer", "regularizer", "constraint", "dropout")
)


@keras.saving.register_keras_serializable(package="rnnlayers")
class GatedCell(OldContract, Cell):
    """A cell whose gates are cut from one kernel, with the arguments of Keras' cells.

    Subclass it for a cell with gates: name them in `gates` and write `step`. `x` and the product
    with the recurrent kernel arrive as lists of one tensor `(batch, units)` for each gate.

    A complete cell, the minimal gated unit of Zhou et al. (2016) with one product in each step:

    >>> @keras.saving.register_keras_serializable(package="example")
    ... class MinimalGatedCell(GatedCell):
    ...     gates = ("f", "n")
    ...
    ...     def step(self, x, states, product, constants=()):
    ...         (h_prev,) = states
    ...         x_f, x_n = x
    ...         u_f, u_n = product(self.drop(h_prev, constants))
    ...         f = ops.sigmoid(x_f + u_f)
    ...         n = self.activation(x_n + f * u_n)
    ...         return (f * n + (1 - f) * h_prev,)
    >>> layer = keras.layers.RNN(MinimalGatedCell(8))
    >>> layer(ops.ones((2, 5, 3))).shape
    TensorShape([2, 8])

    Class attributes:
        gates: Names of the gates in the order in which they lie in the fused kernels. The order is
            that of Keras, so that weights interchange.
        recurrent_gates: How many gates the recurrent kernel has, None for all, 0 if there is none.
        without: Names of arguments below that the cell's equations have no place for. They are not
            in its signature, and are refused.
        state_names, derivatives, fixed_by_weights: As in `Cell`.

    Weights:
        kernel: `(features, gates * units)`.
        recurrent_kernel: `(units, gates * units)`.
        bias: `(gates * units,)`, absent with `use_bias=False`.

    Args:
        units: Positive integer, the size of the output and of each state.
        activation: Function of the candidate. Anything `keras.activations.get` takes.
        use_bias: Whether the cell has a bias.
        kernel_initializer: Initializer of `kernel`.
        recurrent_initializer: Initializer of `recurrent_kernel`.
        bias_initializer: Initializer of `bias`.
        kernel_regularizer: Regularizer of `kernel`.
        recurrent_regularizer: Regularizer of `recurrent_kernel`.
        bias_regularizer: Regularizer of `bias`.
        kernel_constraint: Constraint on `kernel`.
        recurrent_constraint: Constraint on `recurrent_kernel`.
        bias_constraint: Constraint on `bias`.
        dropout: Share of the inputs to drop while training, in [0, 1).
        recurrent_dropout: Share of the previous output to drop before the recurrent product while
            training, in [0, 1).
        seed: Seed of both dropouts.
        implementation: Accepted for exchange with Keras, without effect.
        **kwargs: `name`, `dtype`, `trainable` of `keras.Layer`.

    Call arguments and returns are those of `Cell`.

    Raises:
        ValueError: if an argument is out of its range.
    """

    gates: ClassVar[tuple[str, ...]] = ()
    recurrent_gates: ClassVar[int | None] = None
    without: ClassVar[tuple[str, ...]] = ()
    fixed_by_weights: ClassVar[tuple[str, ...]] = ("units", "use_bias")
    __signature__: ClassVar[inspect.Signature]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Show in `help` the arguments that a class passes on by `**kwargs`."""
        super().__init_subclass__(**kwargs)
        if vars(cls).keys() & {"__init__", "without"}:
            cls.__signature__ = signature_of(cls)

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Refuse the arguments that the cell is `without`."""
        check_arguments(cls, kwargs)
        return super().__new__(cls, *args, **kwargs)

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        implementation: int = 2,
        **kwargs: Any,
    ) -> None:
        check_rate("dropout", dropout)
        check_rate("recurrent_dropout", recurrent_dropout)
        super().__init__(units, **kwargs)
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.recurrent_initializer = keras.initializers.get(recurrent_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = keras.regularizers.get(recurrent_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.recurrent_constraint = keras.constraints.get(recurrent_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self.dropout = float(dropout)
        self.recurrent_dropout = float(recurrent_dropout)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    @property
    def gate_size(self) -> int:
        """Size of a gate."""
        return self.units

    @property
    def recurrent_shape(self) -> tuple[int, ...]:
        """Shape of `recurrent_kernel`."""
        return (self.state_sizes[0], self.recurrent_parts * self.gate_size)

    @property
    def kernel_parts(self) -> int:
        """Number of gates in the kernel."""
        return len(self.gates)

    @property
    def recurrent_parts(self) -> int:
        """Number of gates in the recurrent kernel."""
        return len(self.gates) if self.recurrent_gates is None else self.recurrent_gates

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """Shape of `bias`."""
        return (len(self.gates) * self.gate_size,)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of shape `(..., features)`."""
        features = check_features(input_shape[-1], input_shape, self.name)
        width = self.kernel_parts * self.gate_size
        self.kernel = self.add_weight(
            name="kernel",
            shape=(features, width),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.add_recurrent_kernel()
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=self.bias_shape,
                initializer=self.initial_bias,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        # An activation with weights, such as `PReLU`, must have them before the first step is
        # traced.
        for function in vars(self).values():
            if isinstance(function, keras.Layer) and not function.built:
                function.build((None, self.units))

    def add_recurrent_kernel(self) -> None:
        """Create `recurrent_kernel`, if there is one."""
        if not self.recurrent_parts:
            return
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=self.recurrent_shape,
            initializer=self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )

    def add_input_kernel(self, name: str, shape: Sequence[int | None]) -> keras.Variable:
        """Return a weight that is treated as `kernel` is."""
        return self.add_weight(
            name=name,
            shape=tuple(shape),
            initializer=clone(self.kernel_initializer),
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )

    def add_recurrent(self, name: str, shape: Sequence[int | None]) -> keras.Variable:
        """Return a weight that is treated as `recurrent_kernel` is."""
        return self.add_weight(
            name=name,
            shape=tuple(shape),
            initializer=clone(self.recurrent_initializer),
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )

    def initial_bias(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        """Return the bias of a new cell."""
        return self.bias_initializer(shape, dtype=dtype)

    @property
    def input_bias(self) -> Tensor | None:
        """The part of `bias` that is added to the projected inputs, or None."""
        return self.bias

    @property
    def recurrent_bias(self) -> Tensor | None:
        """The part of `bias` that is added to the recurrent product, or None."""
        return None

    def draw(self, inputs: Tensor) -> SideInputs:
        """Return the dropout masks of inputs `(time, batch, features)`, None for no dropout."""
        on_inputs = self.drop_inputs(ops.ones_like(inputs[:1])) if self.dropout else None
        rows = ops.ones((ops.shape(inputs)[1], self.state_sizes[0]), inputs.dtype)
        return SideInputs(sequence=(on_inputs, self.draw_recurrent_dropout_mask(rows)))

    def prepare(
        self, inputs: Tensor, side: SideInputs | None = None
    ) -> tuple[Any, tuple[Tensor, ...]]:
        """Return the part of the inputs in the gates, and the mask of the recurrent dropout."""
        inputs, constants = self.drop_all(inputs, side)
        return Fused(self.project(inputs), len(self.gates)), constants

    def drop_all(
        self, inputs: Tensor, side: SideInputs | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the inputs with dropout applied, and the constants that `drop` takes."""
        on_inputs, on_state = (None, None) if side is None else side.sequence
        dropped = inputs if on_inputs is None else inputs * on_inputs
        return dropped, () if on_state is None else (on_state,)

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the recurrent kernel, cut into gates."""
        if not self.recurrent_parts:
            return {}
        return {"": Product(self.recurrent_kernel, self.recurrent_bias, self.recurrent_parts)}

    def project(self, inputs: Tensor) -> Tensor:
        """Return the part of inputs `(..., features)` in the gates, `(..., gates * units)`."""
        projected = ops.matmul(inputs, self.kernel)
        return projected if self.input_bias is None else projected + self.input_bias

    def drop(self, h: Tensor, constants: tuple[Tensor, ...]) -> Tensor:
        """Return a state with the recurrent dropout applied."""
        return h * constants[0] if constants else h

    def drop_inputs(self, inputs: Tensor) -> Tensor:
        """Drop features of `(batch, features)`, or of `(time, batch, features)` for all steps."""
        if not self.dropout:
            return inputs
        shape = ops.shape(inputs)
        return keras.random.dropout(
            inputs,
            self.dropout,
            noise_shape=shape if len(shape) == 2 else (1, *shape[1:]),
            seed=self.seed_generator,
        )

    def draw_recurrent_dropout_mask(self, h: Tensor) -> Tensor | None:
        """Return a mask `(batch, units)` of zeros and 1 / (1 - rate) for `step`, or None."""
        if not self.recurrent_dropout:
            return None
        return keras.random.dropout(
            ops.ones_like(h), self.recurrent_dropout, seed=self.seed_generator
        )

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        config = {
            **super().get_config(),
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            **{
                f"{weight}_{kind}": getattr(keras, f"{kind}s").serialize(
                    getattr(self, f"{weight}_{kind}")
                )
                for kind in ("initializer", "regularizer", "constraint")
                for weight in ("kernel", "recurrent", "bias")
            },
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
            "seed": self.seed,
        }
        return arguments_of(type(self), config)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "GatedCell":
        """Create a cell from the result of `get_config`, also from one of an earlier version."""
        return super().from_config(arguments_of(cls, config))


# Without this, `inspect` would show the arguments of `__new__`.
GatedCell.__signature__ = inspect.Signature(
    list(inspect.signature(GatedCell.__init__).parameters.values())[1:]
)


class SigmoidGatedCell(GatedCell):
    """A `GatedCell` with a function for its gates, besides that of the candidate.

    Args:
        units: Positive integer, the size of the output.
        activation: Function of the candidate.
        recurrent_activation: Function of the gates.
        **kwargs: All other arguments of `GatedCell`.
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        **kwargs: Any,
    ) -> None:
        super().__init__(units, activation, **kwargs)
        self.recurrent_activation = keras.activations.get(recurrent_activation)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        gate = keras.activations.serialize(self.recurrent_activation)
        return {**super().get_config(), "recurrent_activation": gate}
