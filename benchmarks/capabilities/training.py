"""One run: a network of one cell is trained on a task for so long, and scored."""

import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import rnnlayers
from benchmarks.capabilities.tasks import Batch, Task
from rnnlayers.layers.named import CellLayer

ROWS = 32  # of a batch
LEARNING_RATE = 1e-2  # the better of it and 3e-3 for LSTM and GRU at "adding 200", seed 1
MAX_NORM = 1.0
MARKS = 8  # scores on the way

# Layers that need more than a number of units, or units that divide by something.
ARGUMENTS: dict[str, Any] = {
    "ProjectedLSTM": lambda units: {"projection": units // 2},
}
MULTIPLE = 8


def layer_names() -> list[str]:
    """Return the names of all layers that are a cell over time."""
    return sorted(
        name
        for name, value in vars(rnnlayers).items()
        if isinstance(value, type) and issubclass(value, CellLayer) and value is not CellLayer
    )


def make_layer(name: str, units: int) -> keras.Layer:
    """Return a layer by its name, which returns the outputs of all steps."""
    more = ARGUMENTS.get(name, lambda units: {})(units)
    return getattr(rnnlayers, name)(units, return_sequences=True, **more)


def make_model(name: str, units: int, features: int, outputs: int) -> keras.Model:
    """Return a network: the inputs as vectors of the size of the cell, the cell, the answers."""
    return keras.Sequential(
        [
            keras.Input((None, features)),
            keras.layers.Dense(units, name="vectors"),
            make_layer(name, units),
            keras.layers.Dense(outputs, name="answers"),
        ]
    )


def units_for(name: str, parameters: int, features: int, outputs: int) -> int:
    """Return the number of units, a multiple of 8, with which a network comes next to a budget."""
    counts: dict[int, int] = {}
    for units in range(MULTIPLE, 100_000, MULTIPLE):
        counts[units] = make_model(name, units, features, outputs).count_params()
        if counts[units] >= parameters:
            break
    return min(counts, key=lambda units: abs(counts[units] - parameters))


def loss_of(task: Task, answers: Any, outputs: Any, counts: Any) -> Any:
    """Return the mean loss over the steps that count."""
    if task.score == "error":
        losses = tf.square(outputs[..., 0] - answers)
    else:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(answers, outputs)
    return tf.reduce_sum(losses * counts) / tf.reduce_sum(counts)


def score_of(task: Task, answers: np.ndarray, outputs: np.ndarray, counts: np.ndarray) -> float:
    """Return the score of outputs `(rows, time, size)`."""
    if task.score == "accuracy":
        return float(np.sum((outputs.argmax(-1) == answers) * counts) / counts.sum())
    loss = float(loss_of(task, answers, outputs, counts))
    return loss / float(np.log(2)) if task.score == "bits" else loss


def train(
    name: str,
    task: Task,
    parameters: int,
    seed: int,
    share: float = 1.0,
    goal: int | None = None,
) -> dict[str, Any]:
    """Train one network and return its scores.

    Args:
        name: Name of the layer.
        task: The task.
        parameters: The budget of weights.
        seed: Of weights and data.
        share: The part of the task's seconds that is used.
        goal: Steps to train for, however long they take; default: as many as those seconds hold.

    Returns:
        `units`, `parameters`, `steps`, `ms_per_step` of the processor, `scores` by the names of
        `task.test`, and `curve`: pairs of a share of the training and the first score then.
    """
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    batch = task.batch(rng, ROWS)
    features = batch[0].shape[-1]
    units = units_for(name, parameters, features, task.outputs)
    keras.utils.set_random_seed(seed)
    model = make_model(name, units, features, task.outputs)
    optimizer = keras.optimizers.Adam(LEARNING_RATE, global_clipnorm=MAX_NORM)
    optimizer.build(model.trainable_variables)

    @tf.function(reduce_retracing=False)
    def step(x: Any, y: Any, counts: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = loss_of(task, y, model(x, training=True), counts)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    @tf.function(reduce_retracing=False)
    def answer(x: Any) -> Any:
        return model(x, training=False)

    def evaluate(of: Batch) -> float:
        x, y, counts = of
        parts = [answer(tf.constant(x[i : i + 100])).numpy() for i in range(0, len(x), 100)]
        return score_of(task, y, np.concatenate(parts), counts)

    first = next(iter(task.test.values()))
    step(*map(tf.constant, batch))  # traces and compiles, outside the budget
    budget, used, steps, done, curve = task.seconds * share, 0.0, 1, 0.0, []
    began = time.process_time()
    while done < 1:
        optimizer.learning_rate.assign(LEARNING_RATE * (1 - done))
        loss = step(*map(tf.constant, task.batch(rng, ROWS)))
        steps += 1
        used = time.process_time() - began
        done = steps / goal if goal else used / budget
        if done >= (len(curve) + 1) / MARKS:
            if not np.isfinite(loss):
                break
            curve.append((round(done, 3), evaluate(first)))
            began = time.process_time() - used  # what scoring took does not count
    return {
        "units": units,
        "parameters": model.count_params(),
        "steps": steps,
        "ms_per_step": 1000 * used / steps,
        "scores": {name: evaluate(of) for name, of in task.test.items()},
        "curve": curve,
    }
