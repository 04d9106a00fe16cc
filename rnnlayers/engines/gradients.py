"""Functions whose gradient is written by hand, and may be taken once."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from rnnlayers.cells.base import Tensor
from rnnlayers.engines.derivatives import Tensors


def with_gradient(
    forward: Callable[..., tuple[Sequence[Tensor], Any]],
    backward: Callable[[Tensors, Any, Tensors], Tensors],
) -> Callable[..., Sequence[Tensor]]:
    """Return `forward` with `backward` for its gradient.

    Args:
        forward: Takes tensors, and returns results and what is to be kept for the way back. What
            it closes over gets no gradient, so that weights must come in as arguments.
        backward: Takes the arguments, what was kept and the gradients of the results, and returns
            the gradients of the arguments.
    """

    @tf.custom_gradient
    def function(*inputs: Tensor) -> tuple[Sequence[Tensor], Callable[..., Tensors]]:
        # Where tapes are nested, TensorFlow prepares to differentiate all that it can reach. The
        # loops must be out of its reach, here and on the way back.
        results, kept = forward(*map(tf.stop_gradient, inputs))

        @tf.custom_gradient
        def pull_back(*arguments: Tensor) -> tuple[Tensors, Callable[..., Tensors]]:
            arguments = tuple(map(tf.stop_gradient, arguments))
            inputs_again, upstream = arguments[: len(inputs)], arguments[len(inputs) :]
            return backward(inputs_again, kept, upstream), _refuse_second_derivative

        def gradient(*upstream: Tensor) -> Tensors:
            # `tf.gather` sends slices.
            return pull_back(*inputs, *(tf.convert_to_tensor(d) for d in upstream))

        return results, gradient

    return function


def _refuse_second_derivative(*_: Tensor) -> Tensors:
    """Say so where a gradient is differentiated again."""
    raise NotImplementedError(
        "The fused engine has no second derivative. Build the layer with `engine='stepwise'`, "
        "which has derivatives of every order."
    )
