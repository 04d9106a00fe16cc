"""Functions whose gradient is written by hand; further derivatives are taken automatically."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from rnnlayers.cells.base import Tensor
from rnnlayers.engines.derivatives import Tensors


def with_gradient(
    forward: Callable[..., tuple[Sequence[Tensor], Any]],
    backward: Callable[[Tensors, Any, Tensors], Tensors],
    plain: Callable[..., Sequence[Tensor]],
) -> Callable[..., Sequence[Tensor]]:
    """Return `forward` with `backward` for its gradient.

    Args:
        forward: Takes tensors, and returns results and what is to be kept for the way back. What
            it closes over gets no gradient, so that weights must come in as arguments.
        backward: Takes the arguments, what was kept and the gradients of the results, and returns
            the gradients of the arguments.
        plain: Takes the arguments and returns the results, so that TensorFlow can differentiate it
            as often as is asked. Second derivatives, and derivatives in forward mode, which are
            taken by way of them, come from it.
    """

    @tf.custom_gradient
    def function(*inputs: Tensor) -> tuple[Sequence[Tensor], Callable[..., Tensors]]:
        # Where tapes are nested, TensorFlow prepares to differentiate all that it can reach. The
        # loops must be out of its reach, here and on the way back.
        results, kept = forward(*map(tf.stop_gradient, inputs))

        @tf.custom_gradient
        def pull_back(*arguments: Tensor) -> tuple[Tensors, Callable[..., Tensors]]:
            arguments = tuple(map(tf.stop_gradient, arguments))
            cut = len(inputs)

            def second(*upstream: Tensor) -> Tensors:
                return _second_derivative(plain, arguments[:cut], arguments[cut:], upstream)

            return backward(arguments[:cut], kept, arguments[cut:]), second

        def gradient(*upstream: Tensor) -> Tensors:
            # `tf.gather` sends slices.
            return pull_back(*inputs, *(tf.convert_to_tensor(d) for d in upstream))

        return results, gradient

    return function


def _second_derivative(
    plain: Callable[..., Sequence[Tensor]],
    inputs: Tensors,
    upstream: Tensors,
    outer_upstream: Tensors,
) -> Tensors:
    """Return the gradients, of inputs and upstream, of the gradient that `upstream` gives."""
    arguments = (*inputs, *upstream)
    with tf.GradientTape() as outer:
        outer.watch(arguments)
        with tf.GradientTape() as inner:
            inner.watch(inputs)
            results = plain(*inputs)
        first = inner.gradient(
            results, inputs, output_gradients=upstream, unconnected_gradients=_ZERO
        )
    return outer.gradient(
        first, arguments, output_gradients=outer_upstream, unconnected_gradients=_ZERO
    )


_ZERO = tf.UnconnectedGradients.ZERO
