"""The four ways to clip: small frozen objects with their thresholds.

Each is called with gradients that are already summed over the replicas and unscaled, one for each
variable. A `tf.IndexedSlices` has each row once, so the norm of its values is that of the dense
gradient, and it is never made dense.
"""

import abc
import dataclasses
from typing import Any

import keras
import tensorflow as tf

from rnnlayers.checks import check_number
from rnnlayers.optimizers.gradients import Gradient, joint_norm, map_values, norm_of, values_of


def _limit(gradient: Gradient, norm: tf.Tensor, max_norm: tf.Tensor | float) -> Gradient:
    """Scale a gradient by `max_norm / norm` if its norm exceeds `max_norm`, else keep every bit.

    The factor is float64: for a gradient near the largest float32 it is no normal float32.
    """
    factor = tf.minimum(tf.ones([], tf.float64), max_norm / norm)
    return map_values(lambda g: tf.cast(tf.cast(g, tf.float64) * factor, g.dtype), gradient)


@dataclasses.dataclass(frozen=True)
class Clip(abc.ABC):
    """The base class of all ways to clip: checks of the thresholds, and a configuration."""

    def __post_init__(self) -> None:
        for name, value in self.get_config().items():
            hint = "To train without clipping, pass `clip=()` to ClippedOptimizer."
            check_number(name, value, "(0, inf)", f"a threshold of {type(self).__name__}", hint)

    @abc.abstractmethod
    def __call__(
        self, gradients: list[Gradient], variables: list[Any]
    ) -> tuple[list[Gradient], tf.Tensor]:
        """Clip the gradients.

        Args:
            gradients: Tensors of any floating dtype, each of the shape of its variable.
            variables: The variables, in the order of the gradients.

        Returns:
            The gradients after clipping, and a boolean scalar: whether any of them was clipped.
        """

    def get_config(self) -> dict[str, Any]:
        """Return the thresholds by name."""
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Clip":
        """Create a clip from the result of `get_config`."""
        return cls(**config)


@keras.saving.register_keras_serializable(package="rnnlayers")
@dataclasses.dataclass(frozen=True)
class ClipByValue(Clip):
    """Limits every entry to [-max_value, max_value], which may change the direction.

    Args:
        max_value: Above 0, in the unit of a gradient entry.

    Raises:
        ValueError: if `max_value` is not a finite number above 0.
    """

    max_value: float

    def __call__(  # noqa: D102
        self, gradients: list[Gradient], variables: list[Any]
    ) -> tuple[list[Gradient], tf.Tensor]:
        exceeded = [tf.reduce_any(tf.abs(values_of(g)) > self.max_value) for g in gradients]
        clipped = [
            map_values(lambda v: tf.clip_by_value(v, -self.max_value, self.max_value), g)
            for g in gradients
        ]
        return clipped, tf.reduce_any(exceeded)


@keras.saving.register_keras_serializable(package="rnnlayers")
@dataclasses.dataclass(frozen=True)
class ClipByNorm(Clip):
    """Limits the L2 norm of each variable's gradient, and keeps its direction.

    Args:
        max_norm: Above 0, in the unit of a gradient entry.

    Raises:
        ValueError: if `max_norm` is not a finite number above 0.
    """

    max_norm: float

    def __call__(  # noqa: D102
        self, gradients: list[Gradient], variables: list[Any]
    ) -> tuple[list[Gradient], tf.Tensor]:
        norms = [norm_of(g) for g in gradients]
        clipped = [_limit(g, n, self.max_norm) for g, n in zip(gradients, norms, strict=True)]
        return clipped, tf.reduce_any(tf.stack(norms) > self.max_norm)


@keras.saving.register_keras_serializable(package="rnnlayers")
@dataclasses.dataclass(frozen=True)
class ClipByGlobalNorm(Clip):
    """Limits the L2 norm of all gradients taken as one vector, and keeps its direction.

    This is the textbook's remedy for exploding gradients: if ||g|| > max_norm, then
    g <- max_norm * g / ||g|| (Pascanu, Mikolov and Bengio 2013, algorithm 1).

    Args:
        max_norm: Above 0, in the unit of a gradient entry.

    Raises:
        ValueError: if `max_norm` is not a finite number above 0.
    """

    max_norm: float

    def __call__(  # noqa: D102
        self, gradients: list[Gradient], variables: list[Any]
    ) -> tuple[list[Gradient], tf.Tensor]:
        norm = joint_norm([norm_of(g) for g in gradients])
        return [_limit(g, norm, self.max_norm) for g in gradients], norm > self.max_norm


@keras.saving.register_keras_serializable(package="rnnlayers")
@dataclasses.dataclass(frozen=True)
class ClipAdaptively(Clip):
    """Adaptive gradient clipping (AGC): limits each unit's gradient relative to its weights.

    For each unit i, if ||G_i|| > max_ratio * max(||W_i||, epsilon), then G_i is scaled down to
    that norm (Brock, De, Smith and Simonyan 2021, https://arxiv.org/abs/2102.06171, equation 3).
    A unit is

    - of a kernel or recurrent kernel `(inputs, gates * units)`: one column, so each gate of each
      unit; of a convolution kernel: one output channel (the norm is over all axes but the last);
    - of an embedding, a variable whose name ends in `embeddings`: one row, a token's vector;
    - of a bias, a gain or a scalar: the whole variable.

    Args:
        max_ratio: Above 0, the largest ||G_i|| / ||W_i||; the paper uses 0.01 to 0.16.
        epsilon: Above 0, replaces a smaller ||W_i||, so that weights that start at zero can grow.

    Raises:
        ValueError: if `max_ratio` or `epsilon` is not a finite number above 0.
    """

    max_ratio: float
    epsilon: float = 1e-3

    def __call__(  # noqa: D102
        self, gradients: list[Gradient], variables: list[Any]
    ) -> tuple[list[Gradient], tf.Tensor]:
        clipped, exceeded = [], []
        for gradient, variable in zip(gradients, variables, strict=True):
            weights = tf.convert_to_tensor(variable)
            axes = _axes_within_a_unit(variable)
            if _is_embedding(variable) and isinstance(gradient, tf.IndexedSlices):
                weights = tf.gather(weights, gradient.indices)
            norms = _unit_norms(values_of(gradient), axes)
            max_norms = self.max_ratio * tf.maximum(_unit_norms(weights, axes), self.epsilon)
            clipped.append(_limit(gradient, norms, max_norms))
            exceeded.append(tf.reduce_any(norms > max_norms))
        return clipped, tf.reduce_any(exceeded)


def _is_embedding(variable: Any) -> bool:
    return variable.name.partition(":")[0].endswith("embeddings")


def _axes_within_a_unit(variable: Any) -> list[int]:
    rank = len(variable.shape)
    if _is_embedding(variable):
        return list(range(1, rank))
    return list(range(rank if rank < 2 else rank - 1))


def _unit_norms(values: tf.Tensor, axes: list[int]) -> tf.Tensor:
    squares = tf.square(tf.cast(values, tf.float64))
    return tf.sqrt(tf.reduce_sum(squares, axis=axes, keepdims=True))
