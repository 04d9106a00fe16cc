"""Answers of a model, batch by batch."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf


def answering(model: keras.Model) -> Callable[[Any], np.ndarray]:
    """Return a function from a batch of inputs to the outputs of a model, in inference.

    Keras' `predict` makes a function of each model from one code, so that TensorFlow warns of
    retracing when a program asks several models. A partial function has no code of its own.
    """
    call = tf.function(functools.partial(model, training=False), reduce_retracing=True)
    return lambda inputs: call(inputs).numpy()


def answers(model: keras.Model, dataset: tf.data.Dataset) -> np.ndarray:
    """Return the outputs of a model for all batches of inputs and targets, one after the other."""
    answer = answering(model)
    return np.concatenate([answer(inputs) for inputs, *_ in dataset])
