"""Names for what TensorFlow and Keras leave untyped."""

from typing import Any, TypeAlias

Tensor: TypeAlias = Any  # tf.Tensor or keras.KerasTensor
States: TypeAlias = tuple[Tensor, ...]  # one for each state of a cell
