"""The smallest training: a network of one weight that learns to halve numbers."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from apps.common.batches import feed
from apps.common.runs import Run
from apps.common.training import fit


@dataclasses.dataclass(frozen=True)
class Settings:
    seed: int = 1


class Numbers:
    """Batches of numbers and their halves, in an order drawn from the seed and the epoch."""

    def __init__(self, seed=None):
        self.seed = seed
        self.epoch = 0

    def __len__(self):
        return 4

    def __iter__(self):
        numbers = np.linspace(-1, 1, 16, dtype="float32")
        if self.seed is not None:
            numbers = np.random.default_rng((self.seed, self.epoch)).permutation(numbers)
        for part in np.split(numbers[:, None], len(self)):
            yield part, part / 2

    def dataset(self):
        spec = tf.TensorSpec((None, 1), tf.float32)
        return feed(self, (spec, spec))


def make_model():
    keras.utils.set_random_seed(1)
    layers = [keras.Input((1,)), keras.layers.GaussianDropout(0.2)]
    model = keras.Sequential([*layers, keras.layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    return model


def train(folder, epochs=4, patience=9, **options):
    """Train in a folder, or go on there, and return the run."""
    with Run.begin(folder, Settings()) as run:
        model, batches = run.resumed() or make_model(), (Numbers(1), Numbers())
        fit(run, model, *batches, epochs=epochs, patience=patience, **options)
    return run


def main(argv):
    """Train as the command of an application does: `train --run FOLDER`."""
    train(Path(argv[-1]))
