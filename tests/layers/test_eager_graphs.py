"""Eager calls of layers: what a user sees of the graphs behind them."""

import logging

import numpy as np

import rnnlayers


def test_a_model_of_many_layers_is_no_retracing(caplog):
    """TensorFlow counts traces by code, and warns of the fifth; each layer here has its first."""
    inputs = np.zeros((1, 2, 3), "float32")
    with caplog.at_level(logging.WARNING, "tensorflow"):
        for units in range(1, 8):
            rnnlayers.Elman(units)(inputs)
    assert not [text for text in caplog.messages if "retracing" in text]
