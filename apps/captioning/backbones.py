"""Convolutional networks of `keras.applications`, by name."""

import inspect
from collections.abc import Callable
from pathlib import Path

import keras
from keras import ops

from apps.common.refusal import Refusal


def names() -> list[str]:
    """Return the names of all networks."""
    return [
        name
        for name, value in vars(keras.applications).items()
        if callable(value) and not inspect.ismodule(value)
    ]


def build_backbone(name: str, size: int, weights: str = "none") -> keras.Model:
    """Build a network without its classifier: `(batch, height, width, features)` of pixels.

    Args:
        name: One of `names()`, such as `MobileNetV2`.
        size: The side of the images, in pixels.
        weights: `imagenet`, which is downloaded once, the path of a file of weights, or `none` for
            random weights.

    Raises:
        Refusal: If there is no such network, or if it does not fit the images or the weights.
    """
    if name not in names():
        raise Refusal(f"backbone must be small, or one of {', '.join(names())}; received {name!r}")
    if weights not in ("none", "imagenet") and not Path(weights).is_file():
        raise Refusal(
            f"weights must be none, imagenet, or the path of a file of weights; received "
            f"{weights!r}, and there is no such file"
        )
    network = getattr(keras.applications, name)
    try:
        backbone = network(
            weights=None if weights == "none" else weights,
            include_top=False,
            input_shape=(size, size, 3),
        )
    except ValueError as error:
        raise Refusal(
            f"backbone {name} cannot be built with image_size {size} and weights {weights}: {error}"
        ) from error
    except OSError as error:
        if weights == "imagenet":
            raise
        raise Refusal(f"weights: {weights} is no sound file of weights: {error}") from error
    except Exception as error:
        if type(error) is not Exception:
            raise
        # Keras raises a plain Exception when a download fails, and only then.
        raise Refusal(
            f"weights: those of {name} cannot be downloaded ({error}); without a network choose "
            f"--weights none, or the path of a file of weights"
        ) from error
    pixels = keras.Input((size, size, 3), dtype="uint8")
    prepared = _preparation(network)(ops.cast(pixels, "float32"))
    return keras.Model(pixels, backbone(prepared), name="backbone")


def _preparation(network: Callable) -> Callable:
    """Return the function that scales pixels from 0 to 255 to the range that a network takes."""
    # Some networks are missing from the public module of their family.
    family = network.__module__.rpartition(".")[2]
    return getattr(keras.applications, family).preprocess_input
