"""The step function, traced once and checked."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from rnnlayers.types import Tensor


class TracedStep:
    """A step function that is traced before it runs, so that its vocabulary and extras are known.

    Args:
        step: See `decode`.
        states: The states before the first step, `(rows, ...)` each.

    Attributes:
        vocabulary: Number of tokens.
        extras: The third item that `step` returns, as `tf.TensorSpec`s; `()` if there is none.

    Raises:
        ValueError: if `step` returns anything else.
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
                "`step` must return logits (rows, vocabulary), where the size of the vocabulary is "
                f"known; received {logits!r}."
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
                "`step` must return states of the structure, shapes and dtypes that it is given, "
                f"{given}; received {new}."
            )
        self.extras = extras[0] if extras else ()
        wrong = [x for x in tf.nest.flatten(self.extras) if not tf.is_tensor(x) or not len(x.shape)]
        if wrong:
            raise ValueError(
                "`step` must return a third item that consists of tensors (rows, ...), in any "
                f"structure; received {wrong[0]!r}."
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
    """Return `(batch * width, ...)`, each row of `(batch, ...)` `width` times in succession."""
    tensor = tf.convert_to_tensor(tensor)
    if not tensor.shape.rank:
        raise ValueError(
            "`initial_states` must be tensors with the leading axis batch; received one of shape "
            f"{tensor.shape}. Let the step function close over what is the same for all rows."
        )
    return tensor if width == 1 else tf.repeat(tensor, width, axis=0)


def _spec(state: Tensor) -> tf.TensorSpec:
    return tf.TensorSpec([None, *state.shape[1:]], state.dtype)
