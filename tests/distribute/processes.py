"""One of several processes of the tests. Its arguments are its rank, all addresses and the cases.

Prints the results of the cases as JSON.
"""

import json
import sys

import keras
import numpy as np
import tensorflow as tf

from rnnlayers import distribute
from tests.distribute import cases


def own_files():
    """Each process has batches of its own: the chief one of 3 rows, the others 2 of 4 and 1."""
    x, y = cases.numbers()
    ours = (slice(0, 3),) if distribute.is_chief() else (slice(3, 7), slice(7, 8))
    dataset = tf.data.Dataset.from_generator(
        lambda: ((x[part], y[part]) for part in ours),
        output_signature=tuple(tf.TensorSpec((None, *a.shape[1:]), a.dtype) for a in (x, y)),
    ).apply(tf.data.experimental.assert_cardinality(len(ours)))
    dataset = distribute.even_out(dataset)
    model = distribute.distribute_model(cases.line(seed=7 + distribute.rank()))
    model.fit(dataset, epochs=2, verbose=0, callbacks=distribute.callbacks())
    return {"weights": [w.tolist() for w in model.get_weights()], "steps": len(list(dataset))}


def compressed():
    model = cases.line()
    distribute.distribute_model(model, compression="float16")
    dataset = distribute.shard(cases.batches(cases.numbers()))
    model.fit(dataset, epochs=2, verbose=0, callbacks=distribute.callbacks())
    return {"weights": [w.tolist() for w in model.get_weights()]}


def half_precision():
    """Loss scaling, with an overflow that one process alone has: all skip that step."""
    keras.config.set_dtype_policy("mixed_float16")
    model = cases.line()
    keras.config.set_dtype_policy("float32")
    x, y = cases.numbers(8)
    y[0] = 1e30 if distribute.is_chief() else 0.0
    distribute.distribute_model(model)
    before = model.get_weights()
    dataset = distribute.shard(cases.batches((x, y)))
    model.fit(dataset, epochs=1, verbose=0, callbacks=distribute.callbacks())
    skipped = all(map(np.array_equal, model.get_weights(), before))
    scaled = model.optimizer.inner_optimizer
    return {
        "kind": type(scaled).__name__,
        "skipped": skipped,
        "scale": float(scaled.dynamic_scale),
    }


def refusals():
    """Return the message of each mistake that all processes make together."""
    messages = {}

    def attempt(name, call):
        try:
            call()
        except (ValueError, RuntimeError) as error:
            messages[name] = str(error)

    x, y = cases.numbers(8)
    scaled = cases.line(
        keras.optimizers.LossScaleOptimizer(
            distribute.DistributedOptimizer(keras.optimizers.SGD(0.1))
        )
    )
    attempt("condition", lambda: scaled.fit(x, y, verbose=0))
    attempt("plain", lambda: cases.line().fit(x, y, callbacks=distribute.callbacks()))
    rows = 8 if distribute.is_chief() else 4
    model = distribute.distribute_model(cases.line())
    options = {"verbose": 0, "callbacks": distribute.callbacks()}
    attempt("steps", lambda: model.fit(x[:rows], y[:rows], batch_size=4, **options))
    units = 3 if distribute.is_chief() else 2
    other = keras.Sequential([keras.Input((2,)), keras.layers.Dense(units)])
    attempt("models", lambda: distribute.broadcast(other))
    unknown = tf.data.Dataset.from_generator(lambda: iter(()), output_signature=tf.TensorSpec(()))
    attempt("cardinality", lambda: distribute.even_out(unknown))
    attempt("scalars", lambda: distribute.shard(tf.data.Dataset.range(3)))
    attempt("again", lambda: distribute.initialize(["a:1", "b:2"], 0))
    loss = keras.losses.MeanSquaredError(reduction="sum")
    summed = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    summed.compile("sgd", loss)
    attempt("sum", lambda: distribute.distribute_model(summed))
    return messages


class StopEarly(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = epoch == 1


def chief_alone():
    """A callback of the chief stops all; dropout differs; the checkpoint is an ordinary one."""
    model = cases.line(dropout=0.5)
    result = cases.fit(
        model,
        cases.batches(cases.numbers()),
        epochs=9,
        others=[distribute.ChiefOnly(StopEarly())],
    )
    (dropout,) = (layer for layer in model.layers if isinstance(layer, keras.layers.Dropout))
    seed = int(dropout.seed_generator.state.numpy()[0])
    numbers = distribute.gather(seed, "seeds")
    content = b"weights" * 3 if distribute.is_chief() else None
    optimizer = distribute.undistributed_optimizer(model)
    return {
        "epochs": len(result["history"]["loss"]),
        "seeds": numbers,
        "bytes": distribute.bytes_from_chief(content, "content").decode(),
        "nothing": distribute.bytes_from_chief(b"", "no content").decode(),
        "optimizer": type(optimizer).__name__,
    }


CASES = {
    "masked": lambda: cases.masked(7 + distribute.rank()),
    "halves": lambda: cases.halves(7 + distribute.rank()),
    "line": lambda: cases.fit(cases.line(), cases.batches(cases.numbers())),
    "normalized": cases.normalized,
    "own_files": own_files,
    "compressed": compressed,
    "half_precision": half_precision,
    "refusals": refusals,
    "chief_alone": chief_alone,
}


def main(rank, addresses, names):
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    distribute.initialize(addresses.split(","), int(rank))
    results = {}
    for name in names.split(","):
        keras.utils.clear_session()
        results[name] = CASES[name]()
    print(json.dumps(results))


if __name__ == "__main__":
    main(*sys.argv[1:])
