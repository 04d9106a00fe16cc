"""`ClippingLogger`: shows in `fit` what a `ClippedOptimizer` recorded."""

from typing import Any

import keras

from rnnlayers.optimizers.clipping import ClippedOptimizer


class ClippingLogger(keras.callbacks.Callback):
    """Adds the metrics of the model's `ClippedOptimizer` to the logs of `fit`.

    They appear in the progress bar and `History`, and in every callback that stands after this
    one: `TensorBoard`, `CSVLogger`, `EarlyStopping`. As with Keras' own metrics, they are taken
    over an epoch, and reset when it begins. Validation does not touch them.

    With `non_finite="raise"` it raises after a batch what XLA could not raise inside it.

    Raises:
        ValueError: the model was compiled with no `ClippedOptimizer`.

    Example:
        >>> import keras, rnnlayers
        >>> from rnnlayers.optimizers import ClipByGlobalNorm, ClippingLogger
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        >>> optimizer = rnnlayers.ClippedOptimizer(keras.optimizers.Adam(), ClipByGlobalNorm(1.0))
        >>> model.compile(optimizer, loss="mse")
        >>> x, y = keras.ops.ones((4, 3)), keras.ops.ones((4, 1))
        >>> history = model.fit(x, y, callbacks=[ClippingLogger()], verbose=0).history
        >>> sorted(history)
        ['clipped_fraction', 'gradient_norm', 'loss', 'skipped_steps']
    """

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:  # noqa: D102
        optimizer = self.model.optimizer
        while not isinstance(optimizer, ClippedOptimizer):
            inner = getattr(optimizer, "inner_optimizer", None)
            if inner is None:
                raise ValueError(
                    "ClippingLogger: expected a model compiled with a ClippedOptimizer; received "
                    f"one with {optimizer.name!r}. Compile it with one, or drop this callback."
                )
            optimizer = inner
        self._optimizer = optimizer

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: D102
        for metric in self._optimizer.metrics:
            metric.reset_state()

    def on_train_batch_end(  # noqa: D102
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        self._optimizer.raise_if_non_finite()
        self._log(logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: D102
        self._log(logs)

    def _log(self, logs: dict[str, Any] | None) -> None:
        if logs is not None:
            logs.update({m.name: float(m.result()) for m in self._optimizer.metrics})
