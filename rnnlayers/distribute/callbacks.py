"""Callbacks of a training on several processes."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from rnnlayers.distribute.collectives import from_chief, gather, sum_in_buckets
from rnnlayers.distribute.model import sum_metrics
from rnnlayers.distribute.optimizer import DistributedOptimizer
from rnnlayers.distribute.processes import is_chief, rank, size

SEEDS = "seed_generator_state"  # the name of Keras' variables of random states


class Synchronize(keras.callbacks.Callback):
    """Keeps the processes together in `fit`. Give it in every process, as the first callback.

    - At the beginning, every process takes the chief's weights and the state of its optimizer.
      Random states are the chief's too, changed by the rank, so that dropout differs.
    - The number of steps must be known, and the same everywhere.
    - At the end of an epoch the metrics are those of all rows: what Keras' metrics accumulate, such
      as a total and a count, is summed. `distribute_model` does the same for each evaluation. The
      logs that later callbacks get are the same in all processes, so `EarlyStopping` and
      `ReduceLROnPlateau`, given to all of them, decide alike.
    - Before that, variables that are not trained, such as the moving averages of a
      `BatchNormalization`, become their mean.

    With one process it does nothing. Progress within an epoch is that of the process itself.

    Raises:
        ValueError: If the model's optimizer averages nothing, or the steps are unknown or differ.
    """

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:  # noqa: D102
        if size() == 1:
            return
        optimizer = self.model.optimizer
        if not isinstance(optimizer, DistributedOptimizer):
            raise ValueError(
                "Synchronize: the model's optimizer must be a DistributedOptimizer around all "
                f"others; received {optimizer.name!r}. Use distribute_model(model) after compile."
            )
        self._steps = self.params.get("steps")
        steps = gather(-1 if self._steps is None else self._steps, "steps of an epoch")
        if min(steps) != max(steps) or self._steps is None:
            told = ", ".join("unknown" if n < 0 else str(n) for n in steps)
            raise ValueError(
                "Synchronize: the number of steps of an epoch must be known and the same in all "
                f"processes; received {told}. Use shard or even_out, or give steps_per_epoch."
            )
        broadcast(self.model)

    def on_train_batch_end(  # noqa: D102
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        # Evaluation resets the metrics before the epoch ends, so they are summed here.
        if size() > 1 and batch + 1 >= self._steps:
            self._average()
            sum_metrics(self.model, "training metrics")

    def _average(self) -> None:
        """Average the floating-point variables that are not trained."""
        variables = [
            variable
            for variable in self.model.non_trainable_variables
            if keras.backend.is_float_dtype(variable.dtype)
        ]
        values = [tf.convert_to_tensor(variable) for variable in variables]
        for variable, total in zip(variables, sum_in_buckets(values, "averages"), strict=True):
            variable.assign(total / size())


class ChiefOnly(keras.callbacks.Callback):
    """Runs a callback in the chief alone: one that writes checkpoints, logs or curves.

    It must not change the training within an epoch, since the others would not know. It may stop it
    at the end of one.

    Args:
        callback: The callback.
    """

    def __new__(cls, callback: keras.callbacks.Callback) -> keras.callbacks.Callback:
        """Return the callback itself in the chief, and one that does nothing elsewhere."""
        return callback if is_chief() else keras.callbacks.Callback()


class StopTogether(keras.callbacks.Callback):
    """Stops all processes after an epoch in which the chief stops. Give it as the last callback."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: D102
        if size() > 1:
            self.model.stop_training = bool(gather(bool(self.model.stop_training), "stopping")[0])


def broadcast(model: keras.Model) -> None:
    """Give every process the chief's weights, the state of its optimizer, and random states.

    Raises:
        ValueError: If the processes have models of different sizes.
    """
    if size() == 1:
        return
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and not optimizer.built:
        optimizer.build(model.trainable_variables)
    variables = [*model.variables, *(optimizer.variables if optimizer is not None else ())]
    shapes = [tuple(variable.shape) for variable in variables]
    counts = gather(sum(map(np.prod, shapes), start=0), "weights of the model")
    if min(counts) != max(counts):
        raise ValueError(
            "the models must be the same in all processes; received "
            f"{', '.join(f'{count:,}' for count in counts)} numbers in their variables. Build them "
            "from the same settings and data."
        )
    arrays = from_chief([_sendable(variable.numpy()) for variable in variables], "first weights")
    for variable, array in zip(variables, arrays, strict=True):
        value = array.astype(variable.dtype)
        variable.assign(value + rank() if variable.name == SEEDS else value)


def _sendable(array: np.ndarray) -> np.ndarray:
    """Return an array in a type that collective operations have, which holds its values."""
    kinds = {"b": "int32", "u": "int64", "i": "int64"}
    if array.dtype.kind in kinds:
        return array.astype(kinds[array.dtype.kind])
    return array if array.dtype in ("float32", "float64") else array.astype("float32")


def callbacks(others: Sequence[keras.callbacks.Callback] = ()) -> list[keras.callbacks.Callback]:
    """Return `Synchronize`, other callbacks, and what stops all processes together, in order."""
    return [Synchronize(), *others, StopTogether()]
