"""Answers of models, batch by batch."""

import logging

import keras
import numpy as np
import tensorflow as tf

from apps.common.inference import answering, answers


def make_model(units):
    model = keras.Sequential([keras.Input((None, 2)), keras.layers.Dense(units)])
    return keras.Sequential([model, keras.layers.Dropout(0.5)])


def test_answers_are_those_of_inference_in_the_order_of_batches():
    model, values = make_model(3), np.random.default_rng(0).normal(size=(5, 4, 2))
    batches = tf.data.Dataset.from_tensor_slices((values, np.zeros(5))).batch(2)
    found = answers(model, batches)
    np.testing.assert_allclose(found, model(values, training=False), rtol=1e-5)


def test_many_models_are_no_retracing(caplog):
    """`predict` of Keras warns here."""
    with caplog.at_level(logging.WARNING, "tensorflow"):
        for units in range(1, 8):
            answering(make_model(units))(np.zeros((1, 3, 2)))
    assert not [text for text in caplog.messages if "retracing" in text]
