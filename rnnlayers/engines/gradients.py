"""Functions with a gradient written by hand; TensorFlow takes their further derivatives."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from rnnlayers.engines.derivatives import Tensors
from rnnlayers.types import Tensor


def with_gradient(
    forward: Callable[..., tuple[Sequence[Tensor], Any]],
    backward: Callable[[Tensors, Any, Tensors], Tensors],
    plain: Callable[..., Sequence[Tensor]],
) -> Callable[..., Sequence[Tensor]]:
    """Return `forward` with `backward` as its gradient.

    Args:
        forward: Takes tensors, and returns results and what to save for the backward pass. Tensors
            that it closes over get no gradient, so weights must be arguments.
        backward: Takes the arguments, what was saved, and the gradients of the results; returns the
            gradients of the arguments.
        plain: Takes the arguments and returns the results. TensorFlow can differentiate it any
            number of times: second derivatives come from it, and derivatives in forward mode, which
            are computed from second derivatives.
    """

    @tf.custom_gradient
    def function(*inputs: Tensor) -> tuple[Sequence[Tensor], Callable[..., Tensors]]:
        results, saved = forward(*_detach(*inputs))

        @tf.custom_gradient
        def pull_back(*arguments: Tensor) -> tuple[Tensors, Callable[..., Tensors]]:
            arguments, cut = _detach(*arguments), len(inputs)

            def second(*upstream: Tensor) -> Tensors:
                return _second_derivative(plain, arguments[:cut], arguments[cut:], upstream)

            return backward(arguments[:cut], saved, arguments[cut:]), second

        def gradient(*upstream: Tensor) -> Tensors:
            # The gradient of `tf.gather` is an `IndexedSlices`.
            return pull_back(*inputs, *(tf.convert_to_tensor(d) for d in upstream))

        return results, gradient

    return function


def _second_derivative(
    plain: Callable[..., Sequence[Tensor]],
    inputs: Tensors,
    upstream: Tensors,
    outer_upstream: Tensors,
) -> Tensors:
    """Return the gradients, with respect to inputs and upstream, of the first gradient."""

    def twice(*arguments: Tensor) -> Tensors:
        arguments = tuple(
            map(tf.identity, arguments)
        )  # so that `tf.gradients` finds them in this graph
        cut = len(inputs)
        results = plain(*arguments[:cut])
        # A tape would give zeros: in forward mode TensorFlow has stopped all tapes.
        first = tf.gradients(
            results, arguments[:cut], arguments[cut:], unconnected_gradients="zero"
        )
        return tf.gradients(first, arguments, outer_upstream, unconnected_gradients="zero")

    arguments = *inputs, *upstream
    if tf.executing_eagerly():
        twice = tf.function(twice, autograph=False).get_concrete_function(*arguments)
    return twice(*arguments)


def _detach(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Return the tensors cut off from differentiation.

    Under nested tapes TensorFlow prepares to differentiate everything that the tensors depend on,
    which must not include compiled loops. In forward mode it differentiates graphs in spite of
    `stop_gradient`, and would find derivatives of zero: there the call is refused.
    """
    if not tf.executing_eagerly():
        message = (
            "The compiled engine has no derivatives in forward mode inside a graph. Call the layer "
            "outside `tf.function`."
        )
        tensors = tuple(tf.raw_ops.PreventGradient(input=t, message=message) for t in tensors)
    return tuple(map(tf.stop_gradient, tensors))
