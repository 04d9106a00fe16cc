"""`distribute_model`: a compiled model trains on all processes as it would on one."""

from typing import Any

import keras
import tensorflow as tf

from rnnlayers.distribute.collectives import sum_in_buckets, sum_over_processes
from rnnlayers.distribute.optimizer import DistributedOptimizer
from rnnlayers.distribute.processes import size

MEANS = ("sum_over_batch_size", "mean")


def distribute_model(model: keras.Model, compression: str | None = None) -> keras.Model:
    """Have a compiled model train with the rows of all processes as one process would with all.

    It wraps the optimizer in a `DistributedOptimizer`, around loss scaling if there is any, and
    weighs the loss. With L_i the mean loss of process i, over its n_i rows or, where the outputs
    have a mask, d_i valid timesteps (d_i = n_i without one), N and D their sums, the loss of the
    whole batch is

        L = sum_i d_i L_i / D

    so the gradient of process i is that of P d_i L_i / D, of which the optimizer takes the mean,
    and the loss that it reports is N d_i L_i / (n_i D), of which Keras takes the mean over rows.
    For shares of the same size both factors are exactly 1. The d_i are summed in one small
    collective operation in each step. So it is in `evaluate`, which returns the results for the
    rows of all processes: every process must call `fit` and `evaluate` alike.

    The model is changed where it stands; `undistributed_optimizer` has what to save it with.

    Args:
        model: A compiled model with one loss, or several whose outputs have the same mask. Losses
            must be means over the batch, as Keras' are by default. It must train by Keras' own
            `train_step`.
        compression: See `DistributedOptimizer`.

    Returns:
        The model.

    Raises:
        ValueError: If the model is not compiled, or has a loss that is no mean.

    Example:
        >>> import keras, rnnlayers
        >>> from rnnlayers import distribute
        >>> model = keras.Sequential([keras.Input((None, 3)), rnnlayers.LSTM(4)])
        >>> model.compile("adam", "mse")
        >>> type(distribute.distribute_model(model).optimizer).__name__  # one process: not wrapped
        'Adam'
    """
    if getattr(model, "optimizer", None) is None:
        raise ValueError(
            f"distribute_model: the model {model.name!r} must be compiled; received one without an "
            "optimizer. Call compile first."
        )
    if size() == 1 or isinstance(model.optimizer, DistributedOptimizer):
        return model
    for loss in tf.nest.flatten(model.loss):
        if getattr(loss, "reduction", MEANS[0]) not in MEANS:
            raise ValueError(
                f"distribute_model: a loss must be a mean over the batch; received {loss.name!r} "
                f"with reduction={loss.reduction!r}. Compile with "
                "reduction='sum_over_batch_size'."
            )
    # Collective operations cannot be compiled with XLA. Loops of this library compile themselves.
    model.jit_compile = False
    model.optimizer = DistributedOptimizer(model.optimizer, compression)
    whole, evaluate = model.compute_loss, model.evaluate

    def compute_loss(
        x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, **options: Any
    ) -> tf.Tensor:
        loss = whole(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, **options)
        return _weighed(loss, x, y_pred)

    def evaluate_all(*args: Any, return_dict: bool = False, **options: Any) -> Any:
        evaluate(*args, return_dict=True, **options)
        results = {name: float(value) for name, value in sum_metrics(model, "evaluation").items()}
        if return_dict:
            return results
        return list(results.values()) if len(results) > 1 else results["loss"]

    model.compute_loss, model.evaluate = compute_loss, evaluate_all
    model.make_train_function(force=True)  # those of an earlier `fit` know nothing of this
    model.make_test_function(force=True)
    return model


def sum_metrics(model: keras.Model, purpose: str) -> dict[str, Any]:
    """Sum over all processes what the metrics of a model have accumulated; return their results."""
    variables = [variable for metric in model.metrics for variable in metric.variables]
    sums = sum_in_buckets([tf.convert_to_tensor(v) for v in variables], purpose)
    for variable, total in zip(variables, sums, strict=True):
        variable.assign(total)
    return model.get_metrics_result()


def undistributed_optimizer(model: keras.Model) -> keras.optimizers.Optimizer:
    """Return the optimizer that `distribute_model` wrapped, or the model's own."""
    optimizer = model.optimizer
    return optimizer.inner_optimizer if isinstance(optimizer, DistributedOptimizer) else optimizer


def _weighed(loss: tf.Tensor, x: Any, y_pred: Any) -> tf.Tensor:
    """Return a loss with the value to report, and with the gradient to take the mean of."""
    rows = tf.cast(tf.shape(next(p for p in tf.nest.flatten(x) if p is not None))[0], tf.float32)
    mask = _mask(y_pred)
    valid = rows if mask is None else tf.reduce_sum(tf.cast(mask, tf.float32))
    sums = sum_over_processes(tf.stack([rows, valid]), "rows and valid timesteps of a loss")
    part = tf.math.divide_no_nan(valid, sums[1])
    slope = tf.cast(size() * valid / tf.maximum(sums[1], 1.0), loss.dtype)
    value = tf.cast(tf.math.divide_no_nan(sums[0], rows) * part, loss.dtype)
    value = tf.where(tf.equal(rows * size(), sums[0]), slope, value)
    # The mean of nothing may be NaN, and is to have no weight.
    loss = tf.where(valid > 0, loss, tf.zeros_like(loss))
    return loss * slope + tf.stop_gradient(loss * value - loss * slope)


def _mask(y_pred: Any) -> Any:
    """Return the mask of the outputs, which is how Keras hands it to the losses."""
    masks = [getattr(output, "_keras_mask", None) for output in tf.nest.flatten(y_pred)]
    if any(mask is not masks[0] for mask in masks):
        raise ValueError(
            "distribute_model: all outputs of a model must have the same mask, since its losses "
            f"are weighed together; received {len(masks)} outputs with different masks."
        )
    return masks[0]
