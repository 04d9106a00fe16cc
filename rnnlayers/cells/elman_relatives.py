"""Relatives of Elman's network: other feedback, other time scales, other geometry."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from rnnlayers.cells.elman import ElmanCell
from rnnlayers.cells.gated import GatedCell, SigmoidGatedCell
from rnnlayers.cells.parts import Multiply, Product, SideInputs, add
from rnnlayers.checks import check_number, check_positive_integer
from rnnlayers.types import States, Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class SpectralRadius(keras.initializers.Initializer):
    """A sparse square matrix whose largest absolute eigenvalue is given.

    Args:
        radius: Positive number, that eigenvalue.
        connectivity: The share of the entries that are not zero, in (0, 1].
        seed: Seed of the matrix.
    """

    def __init__(self, radius: float, connectivity: float = 1.0, seed: int | None = None) -> None:
        self.radius = radius
        self.connectivity = connectivity
        self.seed = seed

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        """Return a matrix."""
        seed = keras.random.SeedGenerator(self.seed)
        entries = keras.random.normal(shape, seed=seed, dtype="float32")
        kept = keras.random.uniform(shape, seed=seed, dtype="float32") < self.connectivity
        matrix = ops.where(kept, entries, 0.0)
        largest = ops.max(ops.abs(ops.eig(matrix)[0]))
        scale = self.radius / ops.maximum(ops.cast(largest, "float32"), 1e-6)
        return ops.cast(matrix * scale, dtype or keras.config.floatx())

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal initializer."""
        names = ("radius", "connectivity", "seed")
        return {name: getattr(self, name) for name in names}


@keras.saving.register_keras_serializable(package="rnnlayers")
class IndRNNCell(GatedCell):
    """An independently recurrent network: each unit sees its own past alone.

    A step needs no matrix product, and the gradient along time is a product of numbers, which a
    constraint can keep near one: `recurrent_constraint=keras.constraints.MaxNorm(...)` on `u`.

        h = activation(W x + b + u * h_prev)

    Weights: `kernel` W `(features, units)`, `recurrent_kernel` u `(units,)`, `bias` b `(units,)`.
    `activation` is "relu" by default, and u begins between -1 and 1.

    Arguments, call arguments, returns and errors are those of `ElmanCell`.

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

    Arguments, call arguments, returns and errors are those of `ElmanCell`.

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
class AntisymmetricCell(GatedCell):
    """A stable network: its recurrent matrix is antisymmetric, so that no state grows or dies away.

    A step is one of the forward Euler method for an ordinary differential equation.

        A = U - U^T - gamma I
        h = h_prev + epsilon * activation(W x + b + A h_prev)

    Weights: `kernel` W `(features, units)`, `recurrent_kernel` U `(units, units)`, of which
    only the antisymmetric part counts, `bias` b `(units,)`.

    Args:
        units: Positive integer, the size of the output and of the state.
        activation: Function of the change.
        epsilon: Positive number, the size of a step.
        gamma: Number of at least 0, the diffusion, which makes the method stable.
        **kwargs: All other arguments of `GatedCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = AntisymmetricCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Chang et al. (2019), AntisymmetricRNN: a dynamical system view on recurrent neural
    networks, equation 10.
    """

    gates: ClassVar[tuple[str, ...]] = ("h",)

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        epsilon: float = 0.1,
        gamma: float = 0.01,
        **kwargs: Any,
    ) -> None:
        check_number("epsilon", epsilon, "(0, inf)", "the size of a step")
        check_number("gamma", gamma, "[0, inf)", "the diffusion")
        super().__init__(units, activation, **kwargs)
        self.epsilon = float(epsilon)
        self.gamma = float(gamma)

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the antisymmetric matrix."""
        U = ops.convert_to_tensor(self.recurrent_kernel)
        A = U - ops.transpose(U) - self.gamma * ops.eye(self.units, dtype=U.dtype)
        return {"": Product(ops.transpose(A), parts=1)}

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        return {**super().get_config(), "epsilon": self.epsilon, "gamma": self.gamma}

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""
        (h_prev,) = states
        (z,) = add(x, product(self.drop(h_prev, constants)))
        return (h_prev + self.epsilon * self.activation(z),)


@keras.saving.register_keras_serializable(package="rnnlayers")
class GatedAntisymmetricCell(AntisymmetricCell):
    """An `AntisymmetricCell` with a gate that shares its matrix.

        A = U - U^T - gamma I
        z = recurrent_activation(W_z x + b_z + A h_prev)        gate
        h = h_prev + epsilon * z * activation(W_h x + b_h + A h_prev)

    Weights: `kernel` W `(features, 2 * units)` and `bias` b `(2 * units,)`, cut in the order z, h;
    `recurrent_kernel` U `(units, units)`.

    Args:
        units: Positive integer, the size of the output and of the state.
        activation: Function of the change.
        epsilon: Positive number, the size of a step.
        gamma: Number of at least 0, the diffusion, which makes the method stable.
        recurrent_activation: Function of the gate.
        **kwargs: All other arguments of `GatedCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = GatedAntisymmetricCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Chang et al. (2019), AntisymmetricRNN: a dynamical system view on recurrent neural
    networks, equation 12.
    """

    gates: ClassVar[tuple[str, ...]] = ("z", "h")
    recurrent_gates: ClassVar[int | None] = 1

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        epsilon: float = 0.1,
        gamma: float = 0.01,
        recurrent_activation: Any = "sigmoid",
        **kwargs: Any,
    ) -> None:
        super().__init__(units, activation, epsilon, gamma, **kwargs)
        self.recurrent_activation = keras.activations.get(recurrent_activation)

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""
        (h_prev,), (x_z, x_h) = states, x
        (u,) = product(self.drop(h_prev, constants))
        z = self.recurrent_activation(x_z + u)
        return (h_prev + self.epsilon * z * self.activation(x_h + u),)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        gate = keras.activations.serialize(self.recurrent_activation)
        return {**super().get_config(), "recurrent_activation": gate}


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


@keras.saving.register_keras_serializable(package="rnnlayers")
class RecurrentHighwayCell(SigmoidGatedCell):
    """A recurrent highway network: a step is as deep as it needs to be.

    For k = 1, 2, ... up to `depth`, with s_0 = h_prev and inputs in the first layer alone:

        n = activation(W_n x + b_kn + U_kn s_(k-1))
        t = recurrent_activation(W_t x + b_kt + U_kt s_(k-1))           transform gate
        s_k = n * t + s_(k-1) * (1 - t)
        h = s_depth

    Weights: `kernel` W `(features, 2 * units)`, `recurrent_kernel` U `(units, 2 * units)` and
    `bias` b `(2 * units,)` of the first layer, cut in the order n, t; `recurrent_kernel_2` and
    `bias_2` of the second, and so on. The biases of t begin at -2, so that the state is kept.

    Args:
        units: Positive integer, the size of the output and of the state.
        activation: Function of the candidate.
        recurrent_activation: Function of the transform gate.
        depth: Positive integer, the number of layers in a step.
        **kwargs: All other arguments of `GatedCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = RecurrentHighwayCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Zilly et al. (2017), Recurrent highway networks, equations 6 to 9, with coupled
    gates.
    """

    gates: ClassVar[tuple[str, ...]] = ("n", "t")
    fixed_by_weights: ClassVar[tuple[str, ...]] = (*SigmoidGatedCell.fixed_by_weights, "depth")

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        depth: int = 3,
        **kwargs: Any,
    ) -> None:
        check_positive_integer("depth", depth, "the number of layers in a step")
        super().__init__(units, activation, recurrent_activation, **kwargs)
        self.depth = int(depth)

    def initial_bias(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        """Return the bias of a new layer of the step, -2 for the transform gate."""
        n = self.bias_initializer((self.units,), dtype=dtype)
        return ops.concatenate([n, ops.full((self.units,), -2.0, dtype)])

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of shape `(..., features)`."""
        super().build(input_shape)
        self.deeper = {}
        for k in range(2, self.depth + 1):
            kernel = self.add_recurrent(f"recurrent_kernel_{k}", (self.units, 2 * self.units))
            bias = None
            if self.use_bias:
                bias = self.add_weight(
                    name=f"bias_{k}", shape=(2 * self.units,), initializer=self.initial_bias
                )
            self.deeper[str(k)] = (kernel, bias)

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the matrices of all layers of a step."""
        deeper = {k: Product(kernel, bias, 2) for k, (kernel, bias) in self.deeper.items()}
        return {**super().products(side), **deeper}

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        return {**super().get_config(), "depth": self.depth}

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""
        (s,) = states
        for k in range(1, self.depth + 1):
            u = product(self.drop(s, constants), "" if k == 1 else str(k))
            n, t = add(x, u) if k == 1 else u
            t = self.recurrent_activation(t)
            s = self.activation(n) * t + s * (1 - t)
        return (s,)


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


@keras.saving.register_keras_serializable(package="rnnlayers")
class ClockworkCell(GatedCell):
    """A clockwork network: modules of units that are updated every 1, 2, 4, 8, ... steps.

    A module hears those that are as slow as itself or slower, and keeps its state in between.

        h = activation(W x + b + U h_prev)      of modules whose period divides the step's number
        h = h_prev                              of the others

    Weights: `kernel` W `(features, units)`, `recurrent_kernel` U `(units, units)`, of which
    only the blocks from a module to itself and to faster ones count, `bias` b `(units,)`.
    States: h, and t `(batch, 1)`, the number of the step, from 0. Masked steps are not counted.

    Args:
        units: Positive integer, the size of the output, a multiple of the number of periods.
        activation: Function of the state.
        periods: Positive integers, the period of each module in steps.
        **kwargs: All other arguments of `GatedCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = ClockworkCell(4)(np.ones((2, 3)), [np.zeros((2, 4)), np.zeros((2, 1))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Koutník et al. (2014), A clockwork RNN, section 3.
    """

    gates: ClassVar[tuple[str, ...]] = ("h",)
    state_names: ClassVar[tuple[str, ...]] = ("h", "t")
    fixed_by_weights: ClassVar[tuple[str, ...]] = (*GatedCell.fixed_by_weights, "periods")

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        periods: Sequence[int] = (1, 2, 4, 8),
        **kwargs: Any,
    ) -> None:
        for period in periods:
            check_positive_integer("periods", period, "a number of steps for each module")
        if not periods or units % len(periods):
            raise ValueError(
                f"`units` must be a multiple of the number of `periods`, {len(periods)}, since all "
                f"modules have one size; received {units}."
            )
        super().__init__(units, activation, **kwargs)
        self.periods = tuple(sorted(map(int, periods)))

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Sizes of h and of t."""
        return (self.units, 1)

    @property
    def unit_periods(self) -> list[int]:
        """The period of each unit."""
        size = self.units // len(self.periods)
        return [period for period in self.periods for _ in range(size)]

    def products(self, side: SideInputs | None = None) -> Mapping[str, Product]:
        """Return the recurrent kernel without the blocks from faster modules to slower ones."""
        periods = ops.convert_to_tensor(self.unit_periods)
        hears = ops.expand_dims(periods, 1) >= ops.expand_dims(periods, 0)
        U = ops.convert_to_tensor(self.recurrent_kernel)
        return {"": Product(ops.where(hears, U, ops.zeros_like(U)), parts=1)}

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        return {**super().get_config(), "periods": self.periods}

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new states; see `Cell.step`."""
        h_prev, t = states
        (z,) = add(x, product(self.drop(h_prev, constants)))
        periods = ops.cast(self.unit_periods, t.dtype)
        due = ops.equal(ops.mod(t, periods), 0)
        return ops.where(due, self.activation(z), h_prev), t + 1


@keras.saving.register_keras_serializable(package="rnnlayers")
class EchoStateCell(GatedCell):
    """An echo state network: a random recurrence that is not trained, only what reads it is.

        h = (1 - leak) * h_prev + leak * activation(W x + b + U h_prev)

    Weights, none of them trained: `kernel` W `(features, units)`, `recurrent_kernel` U
    `(units, units)`, sparse and scaled to a spectral radius, `bias` b `(units,)`.

    Args:
        units: Positive integer, the size of the output and of the state.
        activation: Function of the state.
        leak: The share of the state that a step writes over, in (0, 1].
        spectral_radius: Positive number, the largest absolute eigenvalue of U. Below 1 the first
            state is forgotten.
        connectivity: The share of the entries of U that are not zero, in (0, 1].
        kernel_initializer: Initializer of `kernel`.
        recurrent_initializer: Initializer of `recurrent_kernel`; by default one that keeps to
            `spectral_radius` and `connectivity`.
        trainable: Whether the weights are trained after all.
        **kwargs: All other arguments of `GatedCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = EchoStateCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Jaeger (2001), The "echo state" approach to analysing and training recurrent neural
    networks; Jaeger et al. (2007), leaky integrator units.
    """

    gates: ClassVar[tuple[str, ...]] = ("h",)

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        leak: float = 1.0,
        spectral_radius: float = 0.9,
        connectivity: float = 0.1,
        kernel_initializer: Any = "random_uniform",
        recurrent_initializer: Any = None,
        trainable: bool = False,
        **kwargs: Any,
    ) -> None:
        check_number("leak", leak, "(0, 1]", "the share of the state that is written over")
        check_number(
            "spectral_radius", spectral_radius, "(0, inf)", "the largest |eigenvalue| of U"
        )
        check_number("connectivity", connectivity, "(0, 1]", "the share of entries that are not 0")
        if recurrent_initializer is None:
            recurrent_initializer = SpectralRadius(spectral_radius, connectivity)
        kwargs |= {"kernel_initializer": kernel_initializer, "trainable": trainable}
        super().__init__(units, activation, recurrent_initializer=recurrent_initializer, **kwargs)
        self.leak = float(leak)
        self.spectral_radius = float(spectral_radius)
        self.connectivity = float(connectivity)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        names = ("leak", "spectral_radius", "connectivity")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}

    def step(
        self, x: Any, states: States, product: Multiply, constants: tuple[Tensor, ...] = ()
    ) -> States:
        """Return the new state; see `Cell.step`."""
        (h_prev,) = states
        (z,) = add(x, product(self.drop(h_prev, constants)))
        return ((1 - self.leak) * h_prev + self.leak * self.activation(z),)
