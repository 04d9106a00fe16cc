"""The base class of cells: arguments, weights, dropout, one step."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

import keras
from keras import ops

from rnnlayers.checks import check_positive_integer, check_rate
from rnnlayers.types import States, Tensor

Gates: TypeAlias = Tensor | Sequence[Tensor]  # (..., gates * units), or cut into (..., units)


@keras.saving.register_keras_serializable(package="rnnlayers")
class RecurrentCell(keras.Layer):
    """One step of a recurrence: equations and weights, without a loop over time.

    Subclass it to write a new cell. A step has three parts, and the engines need nothing else:

    1. `project(inputs)`: what depends on the inputs alone. It is computed for all steps at once,
       as one matrix product before the loop over time.
    2. `recur(h_prev)`: the product of the previous output with the recurrent kernel, which must
       wait for the previous step.
    3. `update(projected, recurrent, states)`: the gates and the new states.

    Rows of a batch never meet: each row of the new states depends on the same row of the arguments
    alone. The units of a row may meet, for example in a layer normalization.

    A complete cell, the minimal gated unit of Zhou et al. (2016) with one product in each step:

    >>> @keras.saving.register_keras_serializable(package="example")
    ... class MinimalGatedCell(RecurrentCell):
    ...     gates = ("f", "n")
    ...
    ...     def update(self, projected, recurrent, states):
    ...         (h_prev,) = states
    ...         x_f, x_n = self.split(projected)
    ...         u_f, u_n = self.split(recurrent)
    ...         f = ops.sigmoid(x_f + u_f)
    ...         n = self.activation(x_n + f * u_n)
    ...         return (f * n + (1 - f) * h_prev,)
    >>> layer = keras.layers.RNN(MinimalGatedCell(8))
    >>> layer(ops.ones((2, 5, 3))).shape
    TensorShape([2, 8])

    Class attributes:
        gates: Names of the gates in the order in which they lie in the fused kernels. The order is
            that of Keras, so that weights interchange.
        state_names: Names of the states. The first is also the output of the cell.
        sums_gates: Whether `update` depends only on the sum of `projected` and `recurrent`. The
            engine then computes half of the gradients.
        linearizes_states: Whether `linearize` reads only the states. The engine then need not save
            the recurrent products.
        fixed_by_weights: Names of the attributes that determine the shapes of weights, and cannot
            be set once the cell has weights.

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

    Call arguments:
        inputs: `(batch, features)`.
        states: One tensor `(batch, units)` for each of `state_names`.
        training: Whether dropout applies. `keras.layers.RNN` calls the cell once for each step, so
            each step draws new masks; the layers of this library draw one mask for each sequence
            (Gal and Ghahramani, 2016).

    Returns:
        The output `(batch, units)` and the list of new states.

    Raises:
        ValueError: if an argument is out of its range.
    """

    gates: ClassVar[tuple[str, ...]] = ()
    state_names: ClassVar[tuple[str, ...]] = ("h",)
    sums_gates: ClassVar[bool] = False
    linearizes_states: ClassVar[bool] = False
    fixed_by_weights: ClassVar[tuple[str, ...]] = ("units", "use_bias")

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
        check_positive_integer("units", units, "the size of the output")
        check_rate("dropout", dropout)
        check_rate("recurrent_dropout", recurrent_dropout)
        super().__init__(**kwargs)
        self.units = int(units)
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

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute, unless the weights would no longer fit it."""
        if name in self.fixed_by_weights and self.__dict__.get("built"):
            raise AttributeError(
                f"`{name}` of {type(self).__name__} cannot be set now that it has weights, whose "
                "shapes depend on it. Make a new cell."
            )
        super().__setattr__(name, value)

    @property
    def state_size(self) -> int | list[int]:
        """Size of the state, or the list of sizes, as `keras.layers.RNN` reads it."""
        return self.units if len(self.state_names) == 1 else [self.units] * len(self.state_names)

    @property
    def output_size(self) -> int:
        """Size of the output, as `keras.layers.RNN` reads it."""
        return self.units

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """Shape of `bias`."""
        return (len(self.gates) * self.units,)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of shape `(..., features)`."""
        features = input_shape[-1]
        if features is None:
            raise ValueError(
                f"The last dimension of `inputs` to {self.name!r}, the features, must be known; "
                f"received shape {tuple(input_shape)}. Give it in `keras.Input`."
            )
        width = len(self.gates) * self.units
        self.kernel = self.add_weight(
            name="kernel",
            shape=(features, width),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(self.units, width),
            initializer=self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
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

    def initial_bias(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        """Return the bias of a new cell."""
        return self.bias_initializer(shape, dtype=dtype)

    def get_initial_state(self, batch_size: Any = None) -> list[Tensor]:
        """Return a zero state `(batch_size, units)` for each of `state_names`."""
        return [ops.zeros((batch_size, self.units), self.compute_dtype) for _ in self.state_names]

    @property
    def input_bias(self) -> Tensor | None:
        """The part of `bias` that is added to the projected inputs, or None."""
        return self.bias

    @property
    def recurrent_bias(self) -> Tensor | None:
        """The part of `bias` that is added to the recurrent product, or None."""
        return None

    @property
    def is_cut_in_three(self) -> bool:
        """Whether a step is `update` after `recur` and nothing more, which is fastest."""
        return type(self).step is RecurrentCell.step and type(self).recur is RecurrentCell.recur

    @property
    def has_own_derivative(self) -> bool:
        """Whether `linearize` and `pull_back` are written for this configuration."""
        return False

    def project(self, inputs: Tensor) -> Tensor:
        """Return the part of inputs `(..., features)` in the gates, `(..., gates * units)`."""
        projected = ops.matmul(inputs, self.kernel)
        return projected if self.input_bias is None else projected + self.input_bias

    def recur(self, h_prev: Tensor) -> Tensor:
        """Return the part of `h_prev` `(batch, units)` in the gates, `(batch, gates * units)`."""
        recurrent = ops.matmul(h_prev, self.recurrent_kernel)
        return recurrent if self.recurrent_bias is None else recurrent + self.recurrent_bias

    def update(self, projected: Gates, recurrent: Gates, states: States) -> States:
        """Return the new states, of which the first is the output.

        Args:
            projected: `(batch, gates * units)`, from `project`; `split` cuts it.
            recurrent: `(batch, gates * units)`, from `recur`; `split` cuts it.
            states: One tensor `(batch, units)` for each of `state_names`.

        Each row of the new states must depend on that row of the arguments alone.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `update`.")

    def step(
        self, projected: Tensor, states: States, recurrent_dropout_mask: Tensor | None = None
    ) -> States:
        """Return the states after one step. Override it only if the three parts do not fit."""
        h_prev = states[0]
        if recurrent_dropout_mask is not None:
            h_prev = h_prev * recurrent_dropout_mask
        return self.update(projected, self.recur(h_prev), states)

    def linearize(
        self, projected: Gates, recurrent: Gates, previous: States, states: States
    ) -> tuple[Tensor, ...]:
        """Return the factors of the derivative of `update` that need no incoming gradient.

        It is optional, with `pull_back` and `has_own_derivative`: a derivative written by hand runs
        somewhat faster than the automatic one. It is called once for all steps.

        Args:
            projected: As for `update`, with a leading axis `time`.
            recurrent: As for `update`, with a leading axis `time`.
            previous: The states before each step, each `(time, batch, units)`.
            states: The states after each step, each `(time, batch, units)`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no derivative of its own.")

    def pull_back(
        self, factors: Sequence[Tensor], d_states: States
    ) -> tuple[Sequence[Tensor], Sequence[Tensor], States]:
        """Return the gradients of `projected` and `recurrent`, cut into gates, and of `previous`.

        Args:
            factors: The factors of `linearize` at one step, each `(batch, units)`.
            d_states: The gradient of each new state, `(batch, units)`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no derivative of its own.")

    def split(self, fused: Gates) -> list[Tensor]:
        """Cut `(..., gates * units)` into one tensor `(..., units)` for each of `gates`.

        Gates that an engine has already cut before the loop are returned unchanged.
        """
        if isinstance(fused, list | tuple):
            return list(fused)
        return ops.split(fused, len(self.gates), axis=-1)

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

    def call(
        self, inputs: Tensor, states: Any, training: bool = False
    ) -> tuple[Tensor, list[Tensor] | Tensor]:
        """Take one step, with the arguments that `keras.layers.RNN` passes."""
        nested = isinstance(states, list | tuple)
        previous = tuple(states) if nested else (states,)
        mask = None
        if training:
            inputs = self.drop_inputs(inputs)
            mask = self.draw_recurrent_dropout_mask(previous[0])
        new = self.step(self.project(inputs), previous, mask)
        return new[0], list(new) if nested else new[0]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        return {
            **super().get_config(),
            "units": self.units,
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


def passed_on(arguments: Mapping[str, Any], *own: str) -> dict[str, Any]:
    """Return the arguments that a constructor passes on to its base class.

    Args:
        arguments: `locals()` at its first line.
        *own: Names of the arguments that it does not pass on.
    """
    left_out = (*own, "self", "__class__", "kwargs")
    named = {name: value for name, value in arguments.items() if name not in left_out}
    return {**named, **arguments["kwargs"]}
