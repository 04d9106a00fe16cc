"""`ClippingLogger`: logs the metrics of a `ClippedOptimizer` in `fit`."""

from typing import Any

import keras

from rnnlayers.optimizers.clipping import ClippedOptimizer


class ClippingLogger(keras.callbacks.Callback):
    """Adds the metrics of the model's `ClippedOptimizer` to the logs of `fit`.

    They appear in the progress bar, in `History`, and in every callback after this one, such as
    `TensorBoard`, `CSVLogger` and `EarlyStopping`. Like Keras' own metrics they are reset at the
    beginning of each epoch. Validation does not change them.

    With `non_finite="raise"` it raises, after a batch, the error that XLA could not raise.

    Raises:
        ValueError: if the model was compiled without a `ClippedOptimizer`.

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
                    "ClippingLogger: the model must be compiled with a ClippedOptimizer; received "
                    f"{optimizer.name!r}. Compile it with one, or drop this callback."
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
