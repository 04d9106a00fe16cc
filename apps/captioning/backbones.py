"""Convolutional networks of `keras.applications`, by name."""

import inspect
from collections.abc import Callable

import keras
from keras import ops

from apps.common.refusal import Refusal


def names() -> list[str]:
    """Returns the names of all networks that there are."""
    return [
        name
        for name, value in vars(keras.applications).items()
        if callable(value) and not inspect.ismodule(value)
    ]


def check_name(name: str) -> None:
    """Refuses a name that is none of `names()`."""
    if name not in names():
        raise Refusal(f"backbone must be 'small', or one of {', '.join(names())}; got {name!r}")


def build_backbone(name: str, size: int, weights: str | None = None) -> keras.Model:
    """Builds a network without its classifier: `(batch, height, width, features)` of pixels.

    Args:
        name: One of `names()`, such as `MobileNetV2`.
        size: The side of the images, in pixels.
        weights: `imagenet`, which are downloaded once, the path of a file of weights, or None for
            random ones.

    Raises:
        Refusal: If there is no such network, or no such weights.
    """
    check_name(name)
    network = getattr(keras.applications, name)
    try:
        backbone = network(weights=weights, include_top=False, input_shape=(size, size, 3))
    except ValueError as error:
        raise Refusal(f"backbone {name}: {error}") from error
    except Exception as error:  # what Keras raises where a download fails
        if weights != "imagenet":
            raise
        raise Refusal(
            f"weights: those of {name} cannot be downloaded ({error}); without a network choose "
            f"--weights none, or the path of a file of weights"
        ) from error
    pixels = keras.Input((size, size, 3), dtype="uint8")
    prepared = _preparation(network)(ops.cast(pixels, "float32"))
    return keras.Model(pixels, backbone(prepared), name="backbone")


def _preparation(network: Callable) -> Callable:
    """Returns what brings pixels from 0 to 255 into the range that a network wants."""
    # Not every network is to be found in the public module of its family.
    family = network.__module__.rpartition(".")[2]
    return getattr(keras.applications, family).preprocess_input
