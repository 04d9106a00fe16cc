from contextlib import contextmanager
from unittest import mock

import tensorflow as tf


@contextmanager
def gpu_in_sight():
    """Keras believes that a GPU is there, and so puts cuDNN into every graph that it traces."""
    real = tf.config.list_logical_devices

    def devices(kind=None):
        return ["a GPU"] if kind == "GPU" else real(kind)

    with mock.patch.object(tf.config, "list_logical_devices", devices):
        yield
