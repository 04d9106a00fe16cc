"""Networks that discretize differential equations: oscillators and long expressive memory."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from rnnlayers.cells.gated import GatedCell, SigmoidGatedCell
from rnnlayers.cells.parts import Multiply, Product, SideInputs, add
from rnnlayers.checks import check_number
from rnnlayers.types import States, Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class CoRNNCell(GatedCell):
    """Coupled oscillators: a network whose states are positions and velocities.

    Its gradients neither vanish nor explode, whatever the length.

        s = activation(W x + b + U y_prev + V z_prev)           force
        z = z_prev + dt * (s - gamma * y_prev - epsilon * z_prev)
        y = y_prev + dt * z

    Weights: `kernel` W `(features, units)`, `recurrent_kernel` U and `velocity_kernel` V
    `(units, units)`, `bias` b `(units,)`. States: y, the positions, and z, the velocities.

    Args:
        units: Positive integer, the size of the output and of each state.
        activation: Function of the force.
        dt: Positive number, the size of a step in time.
        gamma: Positive number, the stiffness of the oscillators.
        epsilon: Positive number, the damping.
        **kwargs: All other arguments of `GatedCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = CoRNNCell(4)(np.ones((2, 3)), [np.zeros((2, 4))] * 2)
    >>> output.shape
    TensorShape([2, 4])

    Reference: Rusch and Mishra (2021), Coupled oscillatory recurrent neural network (coRNN),
    equation 3.
    """

    gates: ClassVar[tuple[str, ...]] = ("z",)
    state_names: ClassVar[tuple[str, ...]] = ("y", "z")

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        dt: float = 0.05,
        gamma: float = 1.0,
        epsilon: float = 1.0,
        **kwargs: Any,
    ) -> None:
        check_number("dt", dt, "(0, inf)", "a constant of the equation")
        check_number("gamma", gamma, "(0, inf)", "a constant of the equation")
        check_number("epsilon", epsilon, "(0, inf)", "a constant of the equation")
        super().__init__(units, activation, **kwargs)
        self.dt = float(dt)
        self.gamma = float(gamma)
        self.epsilon = float(epsilon)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        return {**super().get_config(), "dt": self.dt, "gamma": self.gamma, "epsilon": self.epsilon}

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of shape `(..., features)`."""
        super().build(input_shape)
        self.velocity_kernel = self.add_recurrent("velocity_kernel", (self.units, self.units))

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the matrices of positions and of velocities."""
        return {**super().products(side), "z": Product(self.velocity_kernel)}

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new states; see `Cell.step`."""
        y_prev, z_prev = states
        (s,) = add(x, product(self.drop(y_prev, constants)))
        force = self.activation(s + product(z_prev, "z"))
        z = z_prev + self.dt * (force - self.gamma * y_prev - self.epsilon * z_prev)
        return y_prev + self.dt * z, z


@keras.saving.register_keras_serializable(package="rnnlayers")
class UnICORNNCell(GatedCell):
    """Undamped independent oscillators with time scales of their own, for stacks.

    A step needs no matrix product.

        s = sigmoid(c)
        z = z_prev - dt * s * (activation(u * y_prev + W x + b) + alpha * y_prev)
        y = y_prev + dt * s * z

    Weights: `kernel` W `(features, units)`, `recurrent_kernel` u `(units,)`, `bias` b and
    `time_scale` c `(units,)`. States: y, the positions, and z, the velocities.

    Args:
        units: Positive integer, the size of the output and of each state.
        activation: Function of the force.
        dt: Positive number, the largest step in time.
        alpha: Positive number, the stiffness of the oscillators.
        **kwargs: All other arguments of `GatedCell`, with "uniform" as initializer of u.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = UnICORNNCell(4)(np.ones((2, 3)), [np.zeros((2, 4))] * 2)
    >>> output.shape
    TensorShape([2, 4])

    Reference: Rusch and Mishra (2021), UnICORNN: a recurrent model for learning very long time
    dependencies, equation 5.
    """

    gates: ClassVar[tuple[str, ...]] = ("z",)
    state_names: ClassVar[tuple[str, ...]] = ("y", "z")

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        dt: float = 0.1,
        alpha: float = 1.0,
        **kwargs: Any,
    ) -> None:
        check_number("dt", dt, "(0, inf)", "a constant of the equation")
        check_number("alpha", alpha, "(0, inf)", "a constant of the equation")
        kwargs.setdefault("recurrent_initializer", "uniform")
        super().__init__(units, activation, **kwargs)
        self.dt = float(dt)
        self.alpha = float(alpha)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        return {**super().get_config(), "dt": self.dt, "alpha": self.alpha}

    @property
    def recurrent_shape(self) -> tuple[int, ...]:
        """Shape of `recurrent_kernel`."""
        return (self.units,)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of shape `(..., features)`."""
        super().build(input_shape)
        self.time_scale = self.add_weight(
            name="time_scale",
            shape=(self.units,),
            initializer=keras.initializers.RandomUniform(-0.1, 0.1),
        )

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new states; see `Cell.step`."""
        y_prev, z_prev = states
        dt = self.dt * ops.sigmoid(self.time_scale)
        (force,) = add(x, product(self.drop(y_prev, constants)))
        z = z_prev - dt * (self.activation(force) + self.alpha * y_prev)
        return y_prev + dt * z, z


@keras.saving.register_keras_serializable(package="rnnlayers")
class LEMCell(SigmoidGatedCell):
    """Long expressive memory: two states, each with time steps that are learned.

        s = dt * recurrent_activation(W_s x + b_s + U_s y_prev)         time steps of z
        t = dt * recurrent_activation(W_t x + b_t + U_t y_prev)         time steps of y
        z = (1 - s) * z_prev + s * activation(W_z x + b_z + U_z y_prev)
        y = (1 - t) * y_prev + t * activation(W_y x + b_y + V z)

    Weights: `kernel` W `(features, 4 * units)` and `bias` b `(4 * units,)`, cut in the order s,
    t, z, y; `recurrent_kernel` U `(units, 3 * units)`, in the order s, t, z; `memory_kernel` V
    `(units, units)`. States: y and z.

    Args:
        units: Positive integer, the size of the output and of each state.
        activation: Function of the candidates.
        recurrent_activation: Function of the time steps.
        dt: Positive number, the largest step in time.
        **kwargs: All other arguments of `GatedCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = LEMCell(4)(np.ones((2, 3)), [np.zeros((2, 4))] * 2)
    >>> output.shape
    TensorShape([2, 4])

    Reference: Rusch et al. (2022), Long expressive memory for sequence modeling, equation 3.
    """

    gates: ClassVar[tuple[str, ...]] = ("s", "t", "z", "y")
    state_names: ClassVar[tuple[str, ...]] = ("y", "z")
    recurrent_gates: ClassVar[int | None] = 3

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        dt: float = 1.0,
        **kwargs: Any,
    ) -> None:
        check_number("dt", dt, "(0, inf)", "the largest step in time")
        super().__init__(units, activation, recurrent_activation, **kwargs)
        self.dt = float(dt)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of shape `(..., features)`."""
        super().build(input_shape)
        self.memory_kernel = self.add_recurrent("memory_kernel", (self.units, self.units))

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the recurrent kernel and that of the memory."""
        return {**super().products(side), "z": Product(self.memory_kernel)}

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        return {**super().get_config(), "dt": self.dt}

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new states; see `Cell.step`."""
        y_prev, z_prev = states
        x_s, x_t, x_z, x_y = x
        s, t, z = add((x_s, x_t, x_z), product(self.drop(y_prev, constants)))
        s, t = self.dt * self.recurrent_activation(s), self.dt * self.recurrent_activation(t)
        z = (1 - s) * z_prev + s * self.activation(z)
        y = (1 - t) * y_prev + t * self.activation(x_y + product(z, "z"))
        return y, z
