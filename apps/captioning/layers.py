"""Layers of the image network that Keras lacks."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("apps.common")
class Coordinates(keras.Layer):
    """Adds to each cell of a grid its position: two features from -1 to 1 (Liu et al. 2018)."""

    def call(self, grid):
        """Return `(batch, height, width, features + 2)` of `(batch, height, width, features)`."""
        height, width = grid.shape[1:3]
        places = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
        places = ops.cast(np.stack(places, axis=-1)[None], grid.dtype)
        return ops.concatenate([grid, ops.repeat(places, ops.shape(grid)[0], axis=0)], axis=-1)

    def compute_output_shape(self, shape):
        """Return the shape of the output."""
        return (*shape[:-1], shape[-1] + 2)


@keras.saving.register_keras_serializable("apps.common")
class ForEachCaption(keras.Layer):
    """Repeats each image in training, once for each of its captions in the batch.

    The image network, which costs the most, then runs once for all captions of an image.

    Args:
        count: The number of captions.
    """

    def __init__(self, count: int, **kwargs):
        super().__init__(**kwargs)
        self.count = count

    def call(self, memory, training=False):
        """Return `(batch * count, ...)` in training, else `(batch, ...)` unchanged."""
        return ops.repeat(memory, self.count, axis=0) if training else memory

    def compute_output_shape(self, shape):
        """Return the shape of the output."""
        return (None, *shape[1:])

    def get_config(self):
        """Return the arguments of the constructor."""
        return {**super().get_config(), "count": self.count}
