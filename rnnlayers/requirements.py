"""The requirements of this library on the process that imports it."""

import keras


def check_backend() -> None:
    """Raise an ImportError unless Keras computes with TensorFlow."""
    backend = keras.config.backend()
    if backend != "tensorflow":
        raise ImportError(
            f"rnnlayers needs Keras with TensorFlow, but Keras runs with {backend!r} here. Set the "
            "environment variable KERAS_BACKEND to 'tensorflow' before Keras is imported, or "
            "`backend` in ~/.keras/keras.json."
        )


check_backend()
