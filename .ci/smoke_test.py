"""Try an installed rnnlayers as a new user does: train, save, load, export. Run it outside a clone.

It takes half a minute, needs nothing but the package, and ends with an error if anything is wrong.
"""

import importlib.metadata
import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import rnnlayers


def check_installation() -> None:
    """Check that the package is installed, is what it says, and brings no application."""
    version = importlib.metadata.version("rnnlayers")
    if rnnlayers.__version__ != version:
        raise RuntimeError(f"the metadata say {version}, the package {rnnlayers.__version__}")
    if "site-packages" not in Path(rnnlayers.__file__).parts:
        raise RuntimeError(f"rnnlayers is not the installed one: {rnnlayers.__file__}")
    tops = {file.parts[0] for file in importlib.metadata.files("rnnlayers") or ()}
    if tops != {"rnnlayers", f"rnnlayers-{version}.dist-info"}:
        raise RuntimeError(f"the package installs {', '.join(sorted(tops))}")


def check_model(folder: Path) -> None:
    """Train a model of each layer with masks, and compare it with its saved and exported forms.

    Args:
        folder: An empty folder.
    """
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.layers.Embedding(20, 8, mask_zero=True),
            rnnlayers.Bidirectional(rnnlayers.LSTM(8, return_sequences=True)),
            rnnlayers.GRU(8, return_sequences=True),
            rnnlayers.Elman(8),
            keras.layers.Dense(1),
        ]
    )
    model.compile("adam", "mse")
    tokens = np.random.default_rng(1).integers(1, 20, (64, 12))
    tokens[:, 8:] = 0
    losses = model.fit(tokens, tokens[:, :1] / 20, epochs=5, verbose=0).history["loss"]
    if not losses[-1] < losses[0]:
        raise RuntimeError(f"training does not lower the loss: {losses}")

    expected = model.predict(tokens, verbose=0)
    model.save(folder / "model.keras")
    loaded = keras.saving.load_model(folder / "model.keras")
    np.testing.assert_allclose(loaded.predict(tokens, verbose=0), expected, atol=1e-5)

    exported = tf.saved_model.load(rnnlayers.export_model(model, folder / "exported"))
    signature = exported.signatures["serving_default"]
    (name,) = signature.structured_input_signature[1]
    dtype = signature.structured_input_signature[1][name].dtype
    (answer,) = signature(**{name: tf.cast(tokens, dtype)}).values()
    np.testing.assert_allclose(answer, expected, atol=1e-5)


if __name__ == "__main__":
    check_installation()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        check_model(Path(name))
    print(f"rnnlayers {rnnlayers.__version__} works with Keras {keras.__version__}.")
