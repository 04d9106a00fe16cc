"""What the suites of `ClippedOptimizer` share."""

import keras
import numpy as np
import tensorflow as tf
from keras.optimizers import Adam

from rnnlayers.optimizers import ClipAdaptively, ClipByGlobalNorm, ClipByNorm, ClipByValue

CLIPS = [ClipByValue(0.3), ClipByNorm(0.7), ClipByGlobalNorm(0.9), ClipAdaptively(0.2)]
NOT_FINITE = tf.errors.InvalidArgumentError


class DenseAdam(Adam):
    """Adam on dense gradients, whose norm Keras takes right.

    Of a sparse one it takes the rows of one index apart, before they are summed.
    """

    def apply(self, grads, trainable_variables=None):
        super().apply([tf.convert_to_tensor(g) for g in grads], trainable_variables)


def variables(*values):
    return [keras.Variable(np.asarray(v, "float32")) for v in values]


def slices(rows, indices, shape):
    return tf.IndexedSlices(tf.constant(rows), tf.constant(indices), tf.constant(shape))


def values(optimizer):
    return {metric.name: float(metric.result()) for metric in optimizer.metrics}


def reviews(rng, rows=24):
    """Token ids with repetitions, and targets, in three batches."""
    return rng.integers(0, 12, (rows, 5)), rng.normal(size=(rows, 1)).astype("float32") * 10


def network():
    keras.utils.set_random_seed(3)
    layers = [keras.layers.Embedding(12, 3), keras.layers.Flatten(), keras.layers.Dense(1)]
    return keras.Sequential([keras.Input((5,), dtype="int32"), *layers])


def train(optimizer, data, model=None, jit_compile=False, epochs=2, **fit):
    """The model, compiled unless `optimizer` is None and trained, and its history."""
    model = network() if model is None else model
    if optimizer is not None:
        model.compile(optimizer, loss="mse", jit_compile=jit_compile)
    history = model.fit(*data, batch_size=8, epochs=epochs, shuffle=False, verbose=0, **fit)
    return model, history.history


def assert_same_weights(ours, theirs, atol=1e-6):
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=atol)
