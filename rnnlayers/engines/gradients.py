"""Functions whose gradient is written by hand; further derivatives are taken automatically."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import tensorflow as tf

from rnnlayers.engines.derivatives import Tensors
from rnnlayers.types import Tensor


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
        results, kept = forward(*_out_of_reach(*inputs))

        @tf.custom_gradient
        def pull_back(*arguments: Tensor) -> tuple[Tensors, Callable[..., Tensors]]:
            arguments, cut = _out_of_reach(*arguments), len(inputs)

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

    def twice(*arguments: Tensor) -> Tensors:
        arguments = tuple(map(tf.identity, arguments))  # in this graph, for `tf.gradients` to find
        cut = len(inputs)
        results = plain(*arguments[:cut])
        # Not by tapes: in forward mode TensorFlow has stopped them all, and they would give zeros.
        first = tf.gradients(
            results, arguments[:cut], arguments[cut:], unconnected_gradients="zero"
        )
        return tf.gradients(first, arguments, outer_upstream, unconnected_gradients="zero")

    arguments = *inputs, *upstream
    if tf.executing_eagerly():
        twice = tf.function(twice, autograph=False).get_concrete_function(*arguments)
    return twice(*arguments)


_gradients = partial(tf.gradients, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def _out_of_reach(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Return tensors that no derivative is taken of.

    Where tapes are nested, TensorFlow prepares to differentiate all that it can reach; compiled
    loops must be out of its reach. In forward mode it reaches into graphs all the same, and would
    find derivatives of zero.
    """
    if not tf.executing_eagerly():
        message = (
            "The fused engine has no derivatives in forward mode inside a graph. Call the layer "
            "outside `tf.function`."
        )
        tensors = tuple(tf.raw_ops.PreventGradient(input=t, message=message) for t in tensors)
    return tuple(map(tf.stop_gradient, tensors))
