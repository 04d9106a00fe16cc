"""What is installed and what is used: `python -m rnnlayers.info`, for reports of bugs."""

import platform

import keras
import tensorflow as tf

import rnnlayers
from rnnlayers.engines.native.library import find
from rnnlayers.engines.threads import thread_count


def describe() -> str:
    """Return the versions, and whether the native engine runs, one to a line.

    Example:

    >>> print(describe().splitlines()[0].split()[0])
    rnnlayers
    """
    native = find()
    if not isinstance(native, str):
        native = f"{native.target} kernels on up to {thread_count()} threads"
    else:
        native = f"not used, since {native}"
    lines = {
        "rnnlayers": rnnlayers.__version__,
        "Keras": keras.__version__,
        "TensorFlow": tf.__version__,
        "Python": f"{platform.python_version()} on {platform.platform()}",
        "GPUs": len(tf.config.list_physical_devices("GPU")),
        "native engine": native,
    }
    return "\n".join(f"{name:<14} {value}" for name, value in lines.items())


if __name__ == "__main__":
    print(describe())
