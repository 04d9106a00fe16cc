"""What is measured against what: one workload, computed by each contender.

A contender is a function without arguments. It returns the outputs `(batch, timesteps, units)`
and, in training, the gradients of the inputs and of the weights, in Keras' order.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

import rnnlayers

Contender = Callable[[], list[Any]]

LAYERS = {
    "Elman": (rnnlayers.Elman, keras.layers.SimpleRNN),
    "LSTM": (rnnlayers.LSTM, keras.layers.LSTM),
    "GRU": (rnnlayers.GRU, keras.layers.GRU),
}


class Shape(NamedTuple):
    """The sizes of a workload."""

    batch: int
    time: int
    features: int
    units: int


SHAPES = {
    "s1": Shape(1, 100, 64, 128),
    "s2": Shape(32, 100, 128, 128),
    "s3": Shape(32, 500, 64, 64),
    "s4": Shape(128, 96, 32, 256),
    "s5": Shape(64, 200, 256, 512),
}
TINY = Shape(3, 6, 4, 5)


@dataclass(frozen=True)
class Workload:
    """A layer over sequences, all of whose outputs are asked for."""

    layer: str  # a key of LAYERS
    shape: Shape
    training: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)  # more arguments of the layer
    bidirectional: bool = False
    left_padded: bool = False  # rows begin with up to half their steps masked
    dtype: str = "float32"  # of weights and inputs

    def make_layer(self, ours: bool) -> keras.Layer:
        """Return the layer, built, of this library or of Keras."""
        # Keras cannot draw bfloat16 from its usual initializer; what is drawn is replaced anyway.
        options = {"dtype": self.dtype, "recurrent_initializer": "zeros", **self.options}
        layer = LAYERS[self.layer][0 if ours else 1](
            self.shape.units, return_sequences=True, **options
        )
        if self.bidirectional:
            layer = (rnnlayers if ours else keras.layers).Bidirectional(layer, dtype=self.dtype)
        layer.build((None, self.shape.time, self.shape.features))
        return layer


class Arrays(NamedTuple):
    """What all contenders compute with, in float32, before it is cast to their dtype."""

    inputs: np.ndarray  # (batch, timesteps, features)
    upstream: np.ndarray  # the gradient of the outputs, of their shape
    weights: list[np.ndarray]  # in Keras' order
    mask: np.ndarray | None  # (batch, timesteps)


def draw(workload: Workload) -> Arrays:
    """Return the arrays of a workload, seeded."""
    rng = np.random.default_rng(0)
    batch, time, features, units = workload.shape

    def normal(shape: tuple[int, ...], scale: float = 1.0) -> np.ndarray:
        return (scale * rng.standard_normal(shape)).astype("float32")

    mask = None
    if workload.left_padded:
        mask = np.arange(time) >= rng.integers(0, time // 2 + 1, (batch, 1))
    return Arrays(
        inputs=normal((batch, time, features)),
        upstream=normal((batch, time, units * (1 + workload.bidirectional))),
        weights=[
            normal(weight.shape, units**-0.5) for weight in workload.make_layer(ours=False).weights
        ],
        mask=mask,
    )


def in_graph(workload: Workload, arrays: Arrays, ours: bool, xla: bool = False) -> Contender:
    """Return a layer in a `tf.function`, as `fit` runs it: the batch size is left open."""
    step, operands = _step(workload, arrays, ours)
    signature = [tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype) for tensor in operands]
    graph = tf.function(step, input_signature=signature, jit_compile=xla)
    return lambda: graph(*operands)


def eager(workload: Workload, arrays: Arrays, ours: bool) -> Contender:
    """Return a layer called outside a graph, with a tape in training."""
    step, operands = _step(workload, arrays, ours)
    return lambda: step(*operands)


def _step(
    workload: Workload, arrays: Arrays, ours: bool
) -> tuple[Callable[..., list[Any]], list[tf.Tensor]]:
    """Return a function of the inputs, the upstream gradient and, if there is one, the mask."""
    layer = workload.make_layer(ours)
    layer.set_weights(arrays.weights)

    def infer(inputs: tf.Tensor, unused: tf.Tensor, mask: tf.Tensor | None = None) -> list[Any]:
        return [layer(inputs, mask=mask, training=False)]

    def train(inputs: tf.Tensor, upstream: tf.Tensor, mask: tf.Tensor | None = None) -> list[Any]:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, mask=mask, training=True)
        sources = [inputs, *layer.trainable_variables]
        return [outputs, *tape.gradient(outputs, sources, output_gradients=upstream)]

    tensors = [tf.cast(operand, workload.dtype) for operand in (arrays.inputs, arrays.upstream)]
    if arrays.mask is not None:
        tensors.append(tf.constant(arrays.mask))
    return train if workload.training else infer, tensors


def floor(workload: Workload, arrays: Arrays) -> Contender:
    """Return the matrix products alone, compiled with XLA, where a loop costs least.

    Forwards these are the input projection and one product a step, each waiting for the one
    before; backwards one product a step and those that give the gradients of the two kernels and
    of the inputs. No gate is computed. The recurrent kernel is a rotation, repeated for each gate,
    so that what goes round the loop neither grows nor fades to denormal numbers.
    """
    rng = np.random.default_rng(0)
    batch, time, features, units = workload.shape
    gates = arrays.weights[0].shape[1] // units
    rotation = np.linalg.qr(rng.standard_normal((units, units)))[0].astype("float32")
    operands = (
        arrays.inputs.reshape(-1, features),
        rng.standard_normal((time * batch, units), "float32"),  # the outputs of all steps
        rng.standard_normal((time * batch, gates * units), "float32"),  # gradients of the gates
        arrays.weights[0],
        np.tile(rotation, (1, gates)),
        np.tile(rotation.T, (gates, 1)) / gates,
    )

    @tf.function(jit_compile=True)
    def products(
        x: tf.Tensor,
        h: tf.Tensor,
        d_gates: tf.Tensor,
        kernel: tf.Tensor,
        there: tf.Tensor,
        back: tf.Tensor,
    ) -> list[Any]:
        def repeat(product: Callable[[tf.Tensor], tf.Tensor], first: tf.Tensor) -> tf.Tensor:
            return tf.while_loop(
                lambda index, _: index < time,
                lambda index, state: (index + 1, product(state)),
                (0, first),
                maximum_iterations=time,
            )[1]

        forwards = [x @ kernel, repeat(lambda z: z[:, :units] @ there, d_gates[:batch])]
        if not workload.training:
            return forwards
        return [
            *forwards,
            repeat(lambda d_h: tf.tile(d_h, (1, gates)) @ back, h[:batch]),
            tf.matmul(h, d_gates, transpose_a=True),
            tf.matmul(x, d_gates, transpose_a=True),
            tf.matmul(d_gates, kernel, transpose_b=True),
        ]

    tensors = [tf.constant(operand) for operand in operands]
    return lambda: products(*tensors)
