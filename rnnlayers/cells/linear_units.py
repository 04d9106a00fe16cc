"""Linear recurrent units: SRU, QRNN, RG-LRU and LRU."""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from rnnlayers.cells.linear import LinearCell
from rnnlayers.cells.parts import Fused, SideInputs
from rnnlayers.types import States, Tensor


@keras.saving.register_keras_serializable(package="rnnlayers")
class SRUCell(LinearCell):
    """The simple recurrent unit, in the form whose steps can be computed in parallel.

        f = sigmoid(W_f x + b_f)                forget gate
        r = sigmoid(W_r x + b_r)                reset gate
        c = f * c_prev + (1 - f) * (W_c x)
        h = r * activation(c) + (1 - r) * (W_s x)

    The last product is x itself if there are as many features as units.

    Weights, cut in the order f, r, c and, if it is there, s: `kernel` W
    `(features, 3 * units)` or `(features, 4 * units)`, `bias` b `(2 * units,)`, of f and r. The
    state is c; the output is h.

    Args:
        units: Positive integer, the size of the output.
        **kwargs: All other arguments of `LinearCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = SRUCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Lei et al. (2018), Simple recurrent units for highly parallelizable recurrence,
    equations 3 to 6, without the products of c_prev, as in the first version of the paper.
    """

    gates: ClassVar[tuple[str, ...]] = ("f", "r", "c", "s")
    state_names: ClassVar[tuple[str, ...]] = ("c",)

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """Shape of `bias`."""
        return (2 * self.units,)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of shape `(..., features)`."""
        self.passes_inputs = input_shape[-1] == self.units
        super().build(input_shape)

    @property
    def kernel_parts(self) -> int:
        """Number of parts in the kernel."""
        return 3 if self.passes_inputs else 4

    def prepare(self, inputs: Tensor, side: SideInputs | None = None) -> tuple[Any, Any]:
        """Return the four parts of the inputs."""
        inputs, _ = self.drop_all(inputs, side)
        projected = ops.matmul(inputs, self.kernel)
        gates, *rest = ops.split(projected, [2 * self.units], axis=-1)
        gates = gates if self.bias is None else gates + self.bias
        rest += [inputs] if self.passes_inputs else []
        return Fused(ops.concatenate([gates, *rest], -1), 4), ()

    def coefficients(self, x: Any, constants: tuple[Tensor, ...] = ()) -> tuple[Tensor, Tensor]:
        """Return f and (1 - f) * (W_c x)."""
        f = ops.sigmoid(x[0])
        return f, (1 - f) * x[2]

    def read(
        self, x: Any, states: States, previous: States, constants: tuple[Tensor, ...] = ()
    ) -> Tensor:
        """Return the outputs h of all steps."""
        r = ops.sigmoid(x[1])
        return r * self.activation(states[0]) + (1 - r) * x[3]


@keras.saving.register_keras_serializable(package="rnnlayers")
class QRNNCell(LinearCell):
    """The pooling of a quasi-recurrent network, with output and forget gate.

        n = activation(W_n x + b_n)             candidate
        f = sigmoid(W_f x + b_f)                forget gate
        o = sigmoid(W_o x + b_o)                output gate
        c = f * c_prev + (1 - f) * n
        h = o * c

    The paper's convolution over more than one step is a layer before this one, such as
    `keras.layers.Conv1D(channels, 2, padding="causal")`.

    Weights, cut in the order n, f, o: `kernel` W `(features, 3 * units)`, `bias` b `(3 * units,)`.
    The state is c; the output is h.

    Args:
        units: Positive integer, the size of the output.
        **kwargs: All other arguments of `LinearCell`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = QRNNCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Bradbury et al. (2017), Quasi-recurrent neural networks, equation 4, fo-pooling.
    """

    gates: ClassVar[tuple[str, ...]] = ("n", "f", "o")
    state_names: ClassVar[tuple[str, ...]] = ("c",)

    def coefficients(self, x: Any, constants: tuple[Tensor, ...] = ()) -> tuple[Tensor, Tensor]:
        """Return f and (1 - f) * n."""
        f = ops.sigmoid(x[1])
        return f, (1 - f) * self.activation(x[0])

    def read(
        self, x: Any, states: States, previous: States, constants: tuple[Tensor, ...] = ()
    ) -> Tensor:
        """Return the outputs h of all steps."""
        return ops.sigmoid(x[2]) * states[0]


@keras.saving.register_keras_serializable(package="rnnlayers")
class RGLRUCell(LinearCell):
    """The real-gated linear recurrent unit of Griffin.

        r = sigmoid(W_r x + b_r)                recurrence gate
        i = sigmoid(W_i x + b_i)                input gate
        a = exp(-8 * softplus(decay) * r)
        h = a * h_prev + sqrt(1 - a^2) * (i * (W_x x + b_x))

    Weights, cut in the order r, i, x: `kernel` W `(features, 3 * units)`, `bias` b `(3 * units,)`;
    `decay` `(units,)`, drawn so that a^(1 / r) is 0.9 to 0.999.

    Args:
        units: Positive integer, the size of the output.
        **kwargs: All other arguments of `LinearCell`, without `activation`.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = RGLRUCell(4)(np.ones((2, 3)), [np.zeros((2, 4))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: De et al. (2024), Griffin: mixing gated linear recurrences with local attention for
    efficient language models, equations 1 to 4.
    """

    gates: ClassVar[tuple[str, ...]] = ("r", "i", "x")
    without: ClassVar[tuple[str, ...]] = (*LinearCell.without, "activation")

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of shape `(..., features)`."""
        super().build(input_shape)
        self.decay = self.add_weight(
            name="decay", shape=(self.units,), initializer=self._draw_decay
        )

    def _draw_decay(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        a = keras.random.uniform(shape, 0.9, 0.999, dtype, seed=self.seed_generator)
        return ops.log(ops.expm1(-ops.log(a) / 8))  # the inverse of softplus

    def coefficients(self, x: Any, constants: tuple[Tensor, ...] = ()) -> tuple[Tensor, Tensor]:
        """Return a and the gated inputs."""
        r, i = ops.sigmoid(x[0]), ops.sigmoid(x[1])
        log_a = -8 * ops.softplus(ops.convert_to_tensor(self.decay)) * r
        # 1 - a^2 without the rounding of a close to 1.
        return ops.exp(log_a), ops.sqrt(-ops.expm1(2 * log_a)) * (i * x[2])


@keras.saving.register_keras_serializable(package="rnnlayers")
class LRUCell(LinearCell):
    """The linear recurrent unit: a rotation and a decay of each complex state.

        lambda = exp(-exp(nu) + i exp(theta))
        h = lambda * h_prev + exp(gamma) * (B x)        complex
        y = Re(C h) + D x

    It has no gates. Put a nonlinear layer, such as `keras.layers.Dense(units, "gelu")`, behind it.

    Weights: `kernel` B `(features, 2 * units)`, the real parts first, `output_kernel` C
    `(2 * units, units)`, `skip_kernel` D `(features, units)`, `nu`, `theta` and `gamma`
    `(units,)`. The state is h `(batch, 2 * units)`, the real parts first; the output is y.

    Args:
        units: Positive integer, the number of complex states and the size of the output.
        min_radius: The smallest |lambda| to begin with.
        max_radius: The largest |lambda| to begin with, below 1.
        max_phase: The largest phase of lambda to begin with.
        **kwargs: All other arguments of `LinearCell`, without `activation` and those of a bias.

    Call arguments, returns and errors are those of `GatedCell`.

    Example:

    >>> output, states = LRUCell(4)(np.ones((2, 3)), [np.zeros((2, 8))])
    >>> output.shape
    TensorShape([2, 4])

    Reference: Orvieto et al. (2023), Resurrecting recurrent neural networks for long sequences,
    equation 9 and section 3.4.
    """

    gates: ClassVar[tuple[str, ...]] = ("re", "im")
    without: ClassVar[tuple[str, ...]] = (
        *LinearCell.without,
        *("activation", "use_bias"),
        *(f"bias_{name}" for name in ("initializer", "regularizer", "constraint")),
    )
    is_complex: ClassVar[bool] = True

    def __init__(
        self,
        units: int,
        min_radius: float = 0.9,
        max_radius: float = 0.999,
        max_phase: float = 6.28,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, use_bias=False, **kwargs)
        if not 0 <= min_radius < max_radius < 1:
            raise ValueError(
                "`min_radius` and `max_radius` must be 0 <= min_radius < max_radius < 1; received "
                f"{min_radius} and {max_radius}."
            )
        self.min_radius, self.max_radius = float(min_radius), float(max_radius)
        self.max_phase = float(max_phase)

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Size of the state, real and imaginary parts together."""
        return (2 * self.units,)

    @property
    def output_size(self) -> int:
        """Size of the output."""
        return self.units

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for inputs of shape `(..., features)`."""
        super().build(input_shape)
        shape = (self.units,)
        self.nu = self.add_weight(name="nu", shape=shape, initializer=self._draw_nu)
        self.theta = self.add_weight(name="theta", shape=shape, initializer=self._draw_theta)
        # So that states have the variance of the inputs to begin with.
        decay = ops.exp(-2 * ops.exp(ops.convert_to_tensor(self.nu)))
        start = ops.convert_to_numpy(0.5 * ops.log(1 - decay))
        self.gamma = self.add_weight(
            name="gamma", shape=shape, initializer=lambda shape, dtype=None: ops.cast(start, dtype)
        )
        self.output_kernel = self.add_input_kernel("output_kernel", (2 * self.units, self.units))
        self.skip_kernel = self.add_input_kernel("skip_kernel", (input_shape[-1], self.units))

    def _draw_nu(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        share = keras.random.uniform(shape, dtype=dtype, seed=self.seed_generator)
        low, high = self.min_radius**2, self.max_radius**2
        return ops.log(-0.5 * ops.log(share * (high - low) + low))

    def _draw_theta(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        share = keras.random.uniform(shape, 1e-3, 1.0, dtype=dtype, seed=self.seed_generator)
        return ops.log(self.max_phase * share)

    def prepare(self, inputs: Tensor, side: SideInputs | None = None) -> tuple[Any, Any]:
        """Return the inputs of the states and what passes by."""
        inputs, _ = self.drop_all(inputs, side)
        gamma = ops.exp(ops.convert_to_tensor(self.gamma))
        driven = ops.matmul(inputs, self.kernel) * ops.concatenate([gamma, gamma])
        return (driven, ops.matmul(inputs, self.skip_kernel)), ()

    def coefficients(self, x: Any, constants: tuple[Tensor, ...] = ()) -> tuple[Tensor, Tensor]:
        """Return lambda and the inputs of the states."""
        nu, theta = map(ops.convert_to_tensor, (self.nu, self.theta))
        radius, phase = ops.exp(-ops.exp(nu)), ops.exp(theta)
        a = ops.concatenate([radius * ops.cos(phase), radius * ops.sin(phase)])
        return ops.broadcast_to(a, ops.shape(x[0])), x[0]

    def read(
        self, x: Any, states: States, previous: States, constants: tuple[Tensor, ...] = ()
    ) -> Tensor:
        """Return the outputs y of all steps."""
        return ops.matmul(states[0], self.output_kernel) + x[1]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal cell."""
        names = ("min_radius", "max_radius", "max_phase")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
