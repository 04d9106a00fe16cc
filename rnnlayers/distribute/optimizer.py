"""`DistributedOptimizer`: averages gradients over the processes before they are applied."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from rnnlayers.checks import check_one_of, check_positive_integer
from rnnlayers.distribute.collectives import BUCKET_BYTES, sum_in_buckets
from rnnlayers.distribute.processes import size
from rnnlayers.optimizers.gradients import Gradient
from rnnlayers.optimizers.wrapper import OptimizerWrapper


@keras.saving.register_keras_serializable(package="rnnlayers")
class DistributedOptimizer(OptimizerWrapper):
    """Wraps a Keras optimizer: all processes apply the mean of their gradients.

    The processes are those of `initialize`. They begin with the same weights (`Synchronize` sees to
    that), get the same mean, to the last bit, and so keep the same weights:

        g = (g_0 + g_1 + ... + g_{P-1}) / P

    With two processes this sum is the one that a single process would compute from the halves of a
    batch; with more, its order differs and with it the last bits. With one process nothing is done.

    It goes around everything else: around a `ClippedOptimizer`, so that the norm is that of the
    mean, and around a `LossScaleOptimizer`, so that all processes skip the same steps.
    `distribute_model` does that to a compiled model. It also weighs losses, so that shares of
    different sizes do not bias the mean; with this optimizer alone, every process counts the same.

    A `tf.IndexedSlices`, the gradient of an embedding, is made dense to be sent, since its indices
    differ from process to process. What the inner optimizer gets is sparse again, with the rows
    that any process had, because Keras' optimizers give other numbers for a dense gradient.

    Args:
        inner_optimizer: A `keras.optimizers.Optimizer`.
        compression: `"float16"` halves what is sent: each gradient is divided by the number of
            processes, cast, summed and cast back. None sends float32.
        bucket_bytes: Gradients are joined until they have this many bytes, and each bucket is one
            collective operation.
        name: Name of the optimizer.

    Raises:
        ValueError: If an argument is none of the above, or if it is called in a branch of a
            condition, where processes would wait for others that took the other branch.

    Example:
        >>> import keras, rnnlayers
        >>> from rnnlayers.distribute import DistributedOptimizer
        >>> optimizer = DistributedOptimizer(keras.optimizers.SGD(1.0))
        >>> weight = keras.Variable([0.0, 0.0])
        >>> optimizer.apply([keras.ops.array([3.0, 4.0])], [weight])
        >>> weight.numpy().tolist()
        [-3.0, -4.0]
    """

    def __init__(
        self,
        inner_optimizer: keras.optimizers.Optimizer,
        compression: str | None = None,
        bucket_bytes: int = BUCKET_BYTES,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if kwargs:
            raise ValueError(
                "DistributedOptimizer: the arguments must be `inner_optimizer`, `compression`, "
                f"`bucket_bytes` and `name`; received also {sorted(kwargs)}. Pass those to the "
                "inner optimizer."
            )
        if not isinstance(inner_optimizer, keras.optimizers.Optimizer) or isinstance(
            inner_optimizer, DistributedOptimizer
        ):
            raise ValueError(
                "DistributedOptimizer: `inner_optimizer` must be a keras.optimizers.Optimizer that "
                f"averages nothing yet; received {inner_optimizer!r}. For example: "
                "keras.optimizers.Adam(1e-3)."
            )
        check_one_of("compression", compression, (None, "float16"))
        check_positive_integer("bucket_bytes", bucket_bytes, "the size of a full bucket in bytes")
        super().__init__(inner_optimizer, name)
        self.compression = compression
        self.bucket_bytes = bucket_bytes

    def apply(
        self, grads: Sequence[Gradient | None], trainable_variables: Sequence[Any] | None = None
    ) -> None:
        """Average `grads` over the processes and let the inner optimizer apply them.

        Args:
            grads: One gradient for each variable, of its shape, dense or `tf.IndexedSlices`, or
                None; then it must be None in every process.
            trainable_variables: The variables; by default those that the optimizer was built for.

        Raises:
            ValueError: If it is called in a branch of a condition.
        """
        grads = list(grads)
        if trainable_variables is not None:
            trainable_variables = list(trainable_variables)
            self.build(trainable_variables)
        variables = self._built_for if trainable_variables is None else trainable_variables
        if size() > 1 and grads and variables is not None:
            _refuse_condition()
            given = [i for i, gradient in enumerate(grads) if gradient is not None]
            shapes = [variables[i].shape for i in given]
            means = self._means([grads[i] for i in given], shapes)
            for i, mean in zip(given, means, strict=True):
                grads[i] = mean
        self.inner_optimizer.apply(grads, trainable_variables)

    def _means(self, gradients: list[Gradient], shapes: list[Any]) -> list[Gradient]:
        # The gradient of a compiled loop has no static shape; that of its variable has.
        dense = [
            tf.reshape(tf.convert_to_tensor(gradient), shape)
            for gradient, shape in zip(gradients, shapes, strict=True)
        ]
        sent = [g if g.dtype == tf.float64 else tf.cast(g, tf.float32) for g in dense]
        if self.compression is not None:
            # Divided before, so that a sum of many stays below the largest float16.
            sent = [tf.cast(g / size(), tf.float16) for g in sent]
        counts = [
            _count_rows(gradient, shape[0])
            for gradient, shape in zip(gradients, shapes, strict=True)
            if isinstance(gradient, tf.IndexedSlices)
        ]
        sums = sum_in_buckets([*sent, *counts], "gradients", self.bucket_bytes)
        sums, counted = sums[: len(sent)], iter(sums[len(sent) :])
        if self.compression is None:
            sums = [total / size() for total in sums]
        means = [tf.cast(total, g.dtype) for total, g in zip(sums, dense, strict=True)]
        return [
            _rows_of(mean, next(counted)) if isinstance(gradient, tf.IndexedSlices) else mean
            for mean, gradient in zip(means, gradients, strict=True)
        ]

    def scale_loss(self, loss: Any) -> Any:
        """Scale the loss as the inner optimizer does."""
        return self.inner_optimizer.scale_loss(loss)

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set all of the inner optimizer's variables."""
        self.inner_optimizer.set_weights(weights)

    def save_own_variables(self, store: dict[str, Any]) -> None:
        """Save nothing; Keras saves the inner optimizer."""

    def load_own_variables(self, store: dict[str, Any]) -> None:
        """Load nothing; Keras loads the inner optimizer."""

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, with the inner optimizer serialized."""
        return {
            "name": self.name,
            "inner_optimizer": keras.saving.serialize_keras_object(self.inner_optimizer),
            "compression": self.compression,
            "bucket_bytes": self.bucket_bytes,
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> "DistributedOptimizer":
        """Create an optimizer from the result of `get_config`."""
        inner = keras.saving.deserialize_keras_object(
            config["inner_optimizer"], custom_objects=custom_objects
        )
        return cls(**config | {"inner_optimizer": inner})


def _count_rows(gradient: tf.IndexedSlices, rows: int) -> tf.Tensor:
    """Return how often each of the rows of a variable occurs in its sparse gradient."""
    ones = tf.ones_like(gradient.indices, tf.float32)
    return tf.reshape(tf.math.unsorted_segment_sum(ones, gradient.indices, rows), [rows])


def _rows_of(mean: tf.Tensor, counts: tf.Tensor) -> tf.IndexedSlices:
    """Return the rows of a mean that occur in the gradient of any process."""
    indices = tf.where(counts > 0)[:, 0]
    return tf.IndexedSlices(tf.gather(mean, indices), indices, tf.shape(mean, tf.int64))


def _refuse_condition() -> None:
    """Raise a ValueError in a branch of `tf.cond`, which not every process may take."""
    name = "" if tf.executing_eagerly() else getattr(tf.compat.v1.get_default_graph(), "name", "")
    if name.startswith(("cond_true", "cond_false")):
        raise ValueError(
            "DistributedOptimizer: must be called in every step of every process; received a call "
            "in a branch of a condition, such as that of a LossScaleOptimizer. Put it outside: "
            "DistributedOptimizer(LossScaleOptimizer(...)) with compile(..., "
            "auto_scale_loss=False), or use distribute_model."
        )
