"""Small trainings that run alike on one process and on several."""

import keras
import numpy as np
import tensorflow as tf

import rnnlayers
from rnnlayers import distribute
from rnnlayers.optimizers import ClipByGlobalNorm, ClippingLogger

ROWS, STEPS, WORDS, SIZE = 21, 6, 12, 8  # 21 rows in batches of 8: the last one has 5


def clipped_adam():
    return rnnlayers.ClippedOptimizer(keras.optimizers.Adam(0.05), ClipByGlobalNorm(0.05))


def sequences(rows=ROWS):
    """Ids with paddings of every kind, and a label for each step."""
    rng = np.random.default_rng(3)
    ids = rng.integers(1, WORDS, (rows, STEPS))
    ids[rng.random((rows, STEPS)) < 0.3] = 0  # holes, and some rows with little
    ids[rows // 2] = 0  # an empty row
    return ids.astype("int32"), rng.integers(0, 3, (rows, STEPS)).astype("int32")


def tagger(optimizer=None, seed=7):
    """A masked model with an embedding and a bidirectional layer."""
    keras.utils.set_random_seed(seed)
    ids = keras.Input((None,), dtype="int32")
    vectors = keras.layers.Embedding(WORDS, 4, mask_zero=True)(ids)
    layer = rnnlayers.LSTM(3, return_sequences=True)
    states = rnnlayers.Bidirectional(layer)(vectors)
    logits = keras.layers.Dense(3, kernel_regularizer=keras.regularizers.L2(0.01))(states)
    model = keras.Model(ids, logits)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer or clipped_adam(), loss, metrics=["accuracy"])
    return model


def batches(arrays, size=SIZE):
    return tf.data.Dataset.from_tensor_slices(arrays).batch(size)


def fit(model, training, validation=None, epochs=2, others=()):
    """Train a model on data sets of whole batches, and return its weights and what it logged."""
    distribute.distribute_model(model)
    history = model.fit(
        distribute.shard(training),
        validation_data=None if validation is None else distribute.shard(validation),
        epochs=epochs,
        verbose=0,
        callbacks=distribute.callbacks(others),
    ).history
    return {
        "weights": [weight.tolist() for weight in model.get_weights()],
        "history": {name: [float(v) for v in values] for name, values in history.items()},
    }


def masked(seed=7):
    """A training with masks, an unequal last batch and validation on other rows."""
    x, y = sequences()
    held = batches((x[:9], y[:9]), 4)  # the last batch has one row: fewer than processes
    return fit(tagger(seed=seed), batches((x, y)), held, others=[ClippingLogger()])


def regression(optimizer=None, seed=7):
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((STEPS, 2)), rnnlayers.GRU(4), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    model.compile(optimizer or clipped_adam(), "mse")
    return model


def line(optimizer=None, seed=7, dropout=0.0):
    """A model that costs little, for what has nothing to do with recurrence."""
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((STEPS, 2)), keras.layers.Flatten(), keras.layers.Dropout(dropout)]
    model = keras.Sequential([*layers, keras.layers.Dense(1)])
    model.compile(optimizer or clipped_adam(), "mse")
    return model


def numbers(rows=16):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(rows, STEPS, 2)).astype("float32")
    return x, x.sum((1, 2), keepdims=True)[:, 0]


def halves(seed=7):
    """A training on batches of even size, for a comparison to the last bit."""
    return fit(regression(seed=seed), batches(numbers()))


def normalized(seed=7):
    """A training with moving averages, on halves that differ."""
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((2,)), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    x = np.repeat([[1.0, 2.0], [3.0, 6.0]], 4, axis=0).astype("float32")
    x += np.tile([[-0.5], [0.5]], (4, 1)).astype("float32")
    return fit(model, batches((x, x[:, :1])), epochs=1)
