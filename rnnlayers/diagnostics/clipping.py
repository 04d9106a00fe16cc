"""The norms of gradients over batches, and which threshold would clip how often."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from rnnlayers.checks import check_positive_integer
from rnnlayers.diagnostics.flow import check_loss, norm_of
from rnnlayers.diagnostics.watching import keeping
from rnnlayers.types import Tensor

PERCENTILES = (50, 75, 90, 95, 99)


@dataclass(frozen=True)
class ClippingReport:
    """The norms of the gradients of a model; see `what_clipping_does`.

    Args:
        norms: The norm of the gradient of all trainable weights together, one for each batch.
    """

    norms: np.ndarray

    @property
    def finite(self) -> np.ndarray:
        """The norms that are numbers."""
        return self.norms[np.isfinite(self.norms)]

    def percentile(self, percent: float) -> float:
        """Return the norm below which that percentage of the batches lies, NaN without any."""
        return float(np.percentile(self.finite, percent)) if self.finite.size else float("nan")

    def clipped_share(self, max_norm: float) -> float:
        """Return the share of the batches that a threshold would clip."""
        return float((self.finite > max_norm).mean()) if self.finite.size else float("nan")

    def table(self) -> str:
        """Return thresholds, how often each would clip, and how much of the largest is left."""
        lines = [f"{'max_norm':>12} {'clips':>8} {'largest becomes':>16}"]
        for percent in PERCENTILES:
            limit = self.percentile(percent)
            largest = self.finite.max(initial=limit)
            left = limit / largest if largest else 1.0
            lines.append(f"{limit:12.4g} {self.clipped_share(limit):8.1%} {left:16.1%}")
        if lost := len(self.norms) - len(self.finite):
            lines.append(
                f"{lost} of {len(self.norms)} gradients are not finite: no threshold helps"
            )
        return "\n".join(lines)


def what_clipping_does(
    model: keras.Model, data: Iterable[Any], *, batches: int | None = None
) -> ClippingReport:
    """Return the norms of the gradients over batches, from which to choose a threshold.

    A threshold at the median changes half of all steps, and with them the direction in which the
    model is trained on average. One near the 99th percentile only takes the rare step that would
    undo many others. The weights stay as they are.

    Args:
        model: A built and compiled model, with recurrent layers or without.
        data: Batches `(x, y)` or `(x, y, sample_weight)`, such as a `tf.data.Dataset`.
        batches: Take that many of them, None for all.

    Returns:
        A `ClippingReport`.

    Raises:
        ValueError: if the model is not compiled with a loss, or there is no batch.

    Example:

    >>> model = keras.Sequential([keras.Input((5, 3)), rnnlayers.Elman(4)])
    >>> model.compile(loss="mse")
    >>> data = [(np.full((2, 5, 3), size), np.ones((2, 4))) for size in (0.1, 0.2, 1.0, 5.0)]
    >>> report = rnnlayers.diagnostics.what_clipping_does(model, data)
    >>> report.norms.shape, report.clipped_share(report.norms.max())
    ((4,), 0.0)
    """
    if not isinstance(model, keras.Model) or not model.built:
        raise ValueError(f"`model` must be a built `keras.Model`; received {model!r}.")
    check_loss(model, None)
    check_positive_integer("batches", batches, "the number of batches to take", or_none=True)
    norm = tf.function(partial(_norm, model), autograph=False, reduce_retracing=True)
    norms: list[float] = []
    with keeping(model, {}):
        for batch in data:
            if len(norms) == batches:
                break
            x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
            to_tensors = partial(keras.tree.map_structure, tf.convert_to_tensor)
            weights = None if sample_weight is None else to_tensors(sample_weight)
            norms.append(float(norm(to_tensors(x), to_tensors(y), weights)))
    if not norms:
        raise ValueError("`data` must hold at least one batch (x, y); received none.")
    return ClippingReport(np.array(norms))


def _norm(model: keras.Model, x: Any, y: Any, sample_weight: Any) -> Tensor:
    with tf.GradientTape() as tape:
        outputs = model(x, training=True)
        loss = model.compute_loss(
            x=x, y=y, y_pred=outputs, sample_weight=sample_weight, training=True
        )
    return norm_of(tape.gradient(loss, [weight.value for weight in model.trainable_variables]))
