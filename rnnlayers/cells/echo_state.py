"""Echo state networks."""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from rnnlayers.cells.gated import GatedCell
from rnnlayers.cells.parts import Multiply, add
from rnnlayers.checks import check_number
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
