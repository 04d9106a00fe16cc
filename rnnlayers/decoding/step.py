"""The step function, traced once, and what it must return."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from rnnlayers.types import Tensor


class TracedStep:
    """A step function that is known before it runs: its vocabulary, and what it collects.

    Args:
        step: See `decode`.
        states: What it is given first, `(rows, ...)` each.

    Attributes:
        vocabulary: Number of tokens.
        extras: The third item that `step` returns, as `tf.TensorSpec`s; `()` where there is none.

    Raises:
        ValueError: if `step` returns something else than it should.
    """

    def __init__(self, step: Callable[..., Any], states: Any) -> None:
        self.structure = states
        given = tf.nest.map_structure(_spec, states)
        signature = [tf.TensorSpec([None], tf.int32), given]
        self.function = tf.function(step, input_signature=signature, autograph=False)
        returned = self.function.get_concrete_function().structured_outputs
        if not isinstance(returned, list | tuple) or len(returned) not in (2, 3):
            raise ValueError(
                "`step` must return (logits, states), or (logits, states, extras); received "
                f"{returned!r}."
            )
        logits, new, *extras = returned
        if not tf.is_tensor(logits) or len(logits.shape) != 2 or logits.shape[1] is None:
            raise ValueError(
                "`step` must return logits (rows, vocabulary), of a known vocabulary; received "
                f"{logits!r}."
            )
        self.vocabulary = int(logits.shape[1])
        try:
            tf.nest.assert_same_structure(given, new, check_types=False)
            pairs = list(zip(tf.nest.flatten(given), tf.nest.flatten(new), strict=True))
            same = all(a.dtype == b.dtype and a.shape.is_compatible_with(b.shape) for a, b in pairs)
        except (AttributeError, TypeError, ValueError):
            same = False
        if not same:
            raise ValueError(
                "`step` must return states of the structure, the shapes and the dtypes that it is "
                f"given, {given}; received {new}."
            )
        self.extras = extras[0] if extras else ()
        wrong = [x for x in tf.nest.flatten(self.extras) if not tf.is_tensor(x) or not len(x.shape)]
        if wrong:
            raise ValueError(
                "`step` must return as its third item tensors (rows, ...) in any structure; "
                f"received {wrong[0]!r}."
            )

    def __call__(
        self, tokens: Tensor, states: Sequence[Tensor]
    ) -> tuple[Tensor, list[Tensor], Any]:
        """Take a step with flat states; return logits, flat states and the extras."""
        logits, new, *extras = self.function(
            tokens, tf.nest.pack_sequence_as(self.structure, states)
        )
        return logits, tf.nest.flatten(new), extras[0] if extras else ()


def repeat(tensor: Any, width: int) -> Tensor:
    """Return `(batch * width, ...)`, each row of `(batch, ...)` so many times in succession."""
    tensor = tf.convert_to_tensor(tensor)
    if not tensor.shape.rank:
        raise ValueError(
            "`initial_states` must be tensors with the leading axis batch; received one of shape "
            f"{tensor.shape}. What does not change from row to row, the step function can hold."
        )
    return tensor if width == 1 else tf.repeat(tensor, width, axis=0)


def _spec(state: Tensor) -> tf.TensorSpec:
    return tf.TensorSpec([None, *state.shape[1:]], state.dtype)
