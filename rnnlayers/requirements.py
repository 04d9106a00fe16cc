"""What this library needs of the process it is imported in."""

import keras


def check_backend() -> None:
    """Raise an ImportError unless Keras computes with TensorFlow."""
    backend = keras.config.backend()
    if backend != "tensorflow":
        raise ImportError(
            f"rnnlayers needs Keras on TensorFlow, and Keras runs on {backend!r} here. Set the "
            "environment variable KERAS_BACKEND to 'tensorflow' before Keras is imported, or "
            "`backend` in ~/.keras/keras.json."
        )


check_backend()
