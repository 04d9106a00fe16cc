"""A layer on the compiled engine and its slow twin of the same weights on the stepwise engine."""

import numpy as np
import tensorflow as tf

from rnnlayers.engines.choose import ENGINES
from tests.cases import randomize, sample
from tests.numbers import assert_same, differentiate

# "scan" runs linear cells alone, and "native" and "cudnn" some cells, which test_native.py and
# test_cudnn.py compare.
OF_EVERY_CELL = ("compiled", "stepwise")
assert list(ENGINES) == ["native", "scan", "cudnn", *OF_EVERY_CELL], "compare a new engine here too"


def twins(make, features=3, batch=None, engines=OF_EVERY_CELL, **options):
    """Return one layer of random weights for each engine; `make` takes a layer's options."""
    return [randomize(make(engine=engine, **options), features, batch) for engine in engines]


def assert_engines_agree(layers, sequences=None, states=None, dtype="float32", **call):
    """Assert that layers have the same outputs and the same gradients of all that goes in."""
    sequences = tf.constant(sample() if sequences is None else sequences)
    states = None if states is None else [tf.constant(state) for state in states]
    results = [differentiate(layer, sequences, states, **call) for layer in layers]
    assert_same(*results, dtype)
    assert any(np.any(gradient) for gradient in results[0][1]), "nothing was compared"
