"""What `ClippedOptimizer` does on two replicas, beside one: run by `test_mirrored`, in a process
of its own, since the number of devices is fixed before TensorFlow starts. Takes the names of the
optimizers to fit with, and prints JSON.
"""

import contextlib
import json
import sys

import keras
import numpy as np
import tensorflow as tf
from keras.optimizers import SGD, Adagrad, LossScaleOptimizer

from rnnlayers.optimizers import ClipByGlobalNorm, ClippedOptimizer, ClippingLogger
from tests.optimizers.helpers import CLIPS, reviews, train, values

OPTIMIZERS = {
    "all kinds, in order": lambda: ClippedOptimizer(Adagrad(0.1, use_ema=True), CLIPS),
    "loss scaling": lambda: LossScaleOptimizer(
        ClippedOptimizer(SGD(0.1, momentum=0.9), ClipByGlobalNorm(0.5), "skip")
    ),
}


def fit(optimizer, data, scope):
    with scope:
        model, history = train(optimizer(), data, callbacks=[ClippingLogger()])
    return {"weights": [w.tolist() for w in model.get_weights()], "history": history}


def step_with_nan(strategy, policy):
    """A step in which one replica alone sees NaN, then a step that is clipped."""
    with strategy.scope():
        weight = keras.Variable([0.0, 0.0])
        optimizer = ClippedOptimizer(SGD(1.0), ClipByGlobalNorm(1.0), policy)
        optimizer.build([weight])

    @tf.function
    def step(shares):
        strategy.run(lambda share: optimizer.apply([share], [weight]), args=(shares,))

    errors = []
    for pair in ([[3.0, np.nan], [0.0, 8.0]], [[3.0, 0.0], [0.0, 4.0]]):
        shares = strategy.experimental_distribute_values_from_function(
            lambda context, pair=pair: tf.constant(pair[context.replica_id_in_sync_group])
        )
        try:
            step(shares)
        except tf.errors.InvalidArgumentError as error:
            errors.append(str(error))
    return {"weight": weight.numpy().tolist(), "metrics": values(optimizer), "errors": errors}


def refusal(strategy, use, **inner):
    with strategy.scope():
        try:
            use(ClippedOptimizer(SGD(**inner), ()), keras.Variable([0.0]))
        except ValueError as error:
            return str(error)


def main():
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, 2 * [tf.config.LogicalDeviceConfiguration()])
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    data = reviews(np.random.default_rng(0))
    result = {
        "fit": {
            name: [
                fit(OPTIMIZERS[name], data, contextlib.nullcontext()),
                fit(OPTIMIZERS[name], data, strategy.scope()),
            ]
            for name in sys.argv[1:]
        },
        "nan": {policy: step_with_nan(strategy, policy) for policy in ("raise", "skip", "zero")},
        "outside": refusal(strategy, lambda o, v: o.apply([tf.ones(1)], [v])),
        "accumulating": refusal(strategy, lambda o, v: o.build([v]), gradient_accumulation_steps=2),
    }
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
