"""The base class of cells: one step of a recurrence, in the parts that engines need."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from rnnlayers.cells.parts import Multiply, Product, SideInputs, by, for_step
from rnnlayers.checks import check_positive_integer
from rnnlayers.types import States, Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class Cell(keras.Layer):
    """One step of a recurrence: equations and weights, without a loop over time.

    Subclass it to write a new cell; `GatedCell` already has the arguments and weights that most
    cells share. Whatever need not wait for the step before is computed for all steps at once, and
    `step` is the rest. The engines need nothing else:

    1. `prepare(inputs, side)`, before: what a step reads of the inputs, and what is the same for
       all steps.
    2. `step(x, states, product, constants)`, during: the new states. Every product with a matrix
       goes through `product(v, name)`, so that an engine can sum up its gradient after the loop.
       `products()` names the matrices.
    3. `read(x, states, previous, constants)`, after: the outputs, by default the first state.

    Rows of a batch never meet: each row of the new states depends on the same row of the arguments
    alone. The units of a row may meet, for example in a layer normalization.

    A complete cell, which mixes its state with a candidate as fast as each unit likes:

    >>> @keras.saving.register_keras_serializable(package="example")
    ... class LeakyCell(Cell):
    ...     def build(self, input_shape):
    ...         self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], self.units))
    ...         self.recurrent_kernel = self.add_weight(
    ...             name="recurrent_kernel", shape=(self.units, self.units)
    ...         )
    ...         self.rate = self.add_weight(name="rate", shape=(self.units,))
    ...
    ...     def prepare(self, inputs, side=None):
    ...         return ops.matmul(inputs, self.kernel), ()
    ...
    ...     def products(self, side=None):
    ...         return {"": Product(self.recurrent_kernel)}
    ...
    ...     def step(self, x, states, product, constants=()):
    ...         (h_prev,) = states
    ...         rate = ops.sigmoid(self.rate)
    ...         return (rate * h_prev + (1 - rate) * ops.tanh(x + product(h_prev)),)
    >>> layer = rnnlayers.Recurrent(LeakyCell(8))
    >>> layer(ops.ones((2, 5, 3))).shape
    TensorShape([2, 8])

    Class attributes:
        state_names: Names of the states.
        derivatives: Derivatives of `step` written by hand, classes like
            `rnnlayers.cells.lstm.LSTMDerivative`, of which the first that fits is used. Engines
            read them of the class itself: a subclass, which may have another step, inherits none.
        fixed_by_weights: Names of the attributes that determine the shapes of weights, and cannot
            be set once the cell has weights.

    Args:
        units: Positive integer, the size of each state, unless `state_sizes` says otherwise.
        **kwargs: `name`, `dtype`, `trainable` of `keras.Layer`.

    Call arguments:
        inputs: `(batch, features)`.
        states: One tensor `(batch, size)` for each of `state_names`.
        training: Whether dropout applies. `keras.layers.RNN` calls the cell once for each step, so
            each step draws new masks; the layers of this library draw one mask for each sequence
            (Gal and Ghahramani, 2016).

    Returns:
        The output `(batch, output_size)` and the list of new states.

    Raises:
        ValueError: if an argument is out of its range.
    """

    state_names: ClassVar[tuple[str, ...]] = ("h",)
    derivatives: ClassVar[tuple[Any, ...]] = ()
    fixed_by_weights: ClassVar[tuple[str, ...]] = ("units",)

    def __init__(self, units: int, **kwargs: Any) -> None:
        check_positive_integer("units", units, "the size of the output")
        super().__init__(**kwargs)
        self.units = int(units)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute, unless the weights would no longer fit it."""
        if name in self.fixed_by_weights and self.__dict__.get("built"):
            raise AttributeError(
                f"`{name}` of {type(self).__name__} cannot be set now that it has weights, whose "
                "shapes depend on it. Make a new cell."
            )
        super().__setattr__(name, value)

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Size of each of `state_names`."""
        return (self.units,) * len(self.state_names)

    @property
    def state_size(self) -> int | list[int]:
        """Size of the state, or the list of sizes, as `keras.layers.RNN` reads it."""
        return self.state_sizes[0] if len(self.state_names) == 1 else list(self.state_sizes)

    @property
    def output_size(self) -> int:
        """Size of the output, as `keras.layers.RNN` reads it."""
        return self.state_sizes[0]

    @property
    def reads(self) -> bool:
        """Whether the output is more than the first state."""
        return type(self).read is not Cell.read

    def get_initial_state(self, batch_size: Any = None) -> list[Tensor]:
        """Return a zero state `(batch_size, size)` for each of `state_names`."""
        return [ops.zeros((batch_size, size), self.compute_dtype) for size in self.state_sizes]

    def draw(self, inputs: Tensor) -> SideInputs:
        """Return what is random in the training of inputs `(time, batch, features)`."""
        return SideInputs()

    def prepare(
        self, inputs: Tensor, side: SideInputs | None = None
    ) -> tuple[Any, tuple[Tensor, ...]]:
        """Return what a step reads, for all steps at once, and what is the same for all steps.

        Args:
            inputs: `(time, batch, features)`; at masked steps zeros.
            side: From `draw` in training, otherwise None.

        Returns:
            A tensor of floats `(time, batch, ...)`, a `Fused` one, or a tuple of these, of which
            each step gets one element as `x`, a `Fused` one as a list; and the tuple of
            `constants`, each `(batch, ...)` or of the same shape for any batch.
        """
        return inputs, ()

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the matrices that a step multiplies with, by name."""
        return {}

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new states.

        Args:
            x: One step of what `prepare` returned.
            states: One tensor `(batch, size)` for each of `state_names`.
            product: `product(v, name)` is the product of v `(batch, size)` with the matrix of that
                name; "" if it is left out. It may be called any number of times.
            constants: From `prepare`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `step`.")

    def read(
        self, x: Any, states: States, previous: States, constants: tuple[Tensor, ...] = ()
    ) -> Tensor:
        """Return the outputs of all steps, `(time, batch, output_size)`.

        Args:
            x: From `prepare`, `Fused` tensors as lists.
            states: The states after each step, `(time, batch, size)` each.
            previous: The states before each step.
            constants: From `prepare`.
        """
        return states[0]

    def call(
        self, inputs: Tensor, states: Any, training: bool = False
    ) -> tuple[Tensor, list[Tensor] | Tensor]:
        """Take one step, with the arguments that `keras.layers.RNN` passes."""
        nested = isinstance(states, list | tuple)
        previous = tuple(states) if nested else (states,)
        sequence = ops.expand_dims(inputs, 0)
        side = self.draw(sequence) if training else None
        x, constants = self.prepare(sequence, side)
        now = for_step(x, lambda tensor: tensor[0])
        new = self.step(now, previous, by(self.products(side)), constants)
        output = new[0]
        if self.reads:
            after, before = (tuple(ops.expand_dims(s, 0) for s in ss) for ss in (new, previous))
            output = self.read(for_step(x), after, before, constants)[0]
        return output, list(new) if nested else new[0]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        return {**super().get_config(), "units": self.units}


def passed_on(arguments: Mapping[str, Any], *own: str) -> dict[str, Any]:
    """Return the arguments that a constructor passes on to its base class.

    Args:
        arguments: `locals()` at its first line.
        *own: Names of the arguments that it does not pass on.
    """
    left_out = (*own, "self", "__class__", "kwargs")
    named = {name: value for name, value in arguments.items() if name not in left_out}
    return {**named, **arguments["kwargs"]}


def check_features(features: int | None, shape: Sequence[int | None], name: str) -> int:
    """Return the number of features of an input shape, or raise a ValueError if it is unknown."""
    if features is None:
        raise ValueError(
            f"The last dimension of `inputs` to {name!r}, the features, must be known; "
            f"received shape {tuple(shape)}. Give it in `keras.Input`."
        )
    return features


def clone(initializer: Any) -> Any:
    """Return a copy of an initializer that draws numbers of its own."""
    return initializer.clone() if hasattr(initializer, "clone") else initializer
