"""What a measurement costs, next to a step of training as `fit` runs it."""

import statistics
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnlayers
from rnnlayers.diagnostics import FlowProbe

ROUNDS = 15


def seconds(function):
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Elman", "LSTM", "GRU", "MinGRU"])
def test_gradient_flow_costs_at_most_two_training_steps(name, record_property):
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(size=(32, 100, 64)), "float32")
    y = tf.zeros((32, 1))
    inputs = keras.Input((100, 64))
    kind = getattr(rnnlayers, name)
    h = kind(128)(kind(128, return_sequences=True)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1)(h))
    model.compile("adam", loss="mse")
    probe = FlowProbe(model)
    for function in (lambda: model.train_on_batch(x, y), lambda: probe(x, y)):  # which compile
        function()
    ratios = []
    for _ in range(ROUNDS):  # in turn, so that other load meets both
        step = seconds(lambda: model.train_on_batch(x, y))
        ratios.append(seconds(lambda: probe(x, y)) / step)
    ratio = statistics.median(ratios)
    record_property("ratio", ratio)
    print(f"{name}: {ratio:.2f} of a training step")
    assert ratio < 2
