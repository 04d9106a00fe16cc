"""Constraints on the next token."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from rnnlayers.types import Tensor


class Constraints:
    """Forbidden tokens, a least length, and tokens that are forced at their positions.

    A forced token prevails over the other constraints. Probabilities are not normalized again: each
    token that remains keeps the probability that the model gives.

    Args:
        vocabulary: Number of tokens.
        stop_token_id: The token that ends a hypothesis.
        min_length: Least number of tokens in a hypothesis, including the stop token.
        forbidden_tokens: Ids that are never allowed.
        forced_tokens: `(rows, positions)`, the id that is forced at each position, -1 for any; or
            None.
    """

    def __init__(
        self,
        vocabulary: int,
        stop_token_id: int,
        min_length: int,
        forbidden_tokens: Sequence[int],
        forced_tokens: Tensor | None,
    ) -> None:
        allowed = np.ones(vocabulary, bool)
        allowed[list(forbidden_tokens)] = False
        going_on = allowed.copy()
        going_on[stop_token_id] = False
        if not allowed.any() or (min_length > 1 and not going_on.any()):
            raise ValueError(
                "`forbidden_tokens` must leave a token to choose and, with a `min_length`, one "
                f"other than the stop token; received {list(forbidden_tokens)} of {vocabulary} "
                f"tokens, with min_length={min_length}."
            )
        self.min_length = min_length
        self.allowed = None if allowed.all() else _penalty(allowed)
        self.going_on = _penalty(going_on) if min_length > 1 else None
        self.forced = None
        if forced_tokens is not None:  # positions after the last are free
            self.forced = tf.pad(forced_tokens, [[0, 0], [0, 1]], constant_values=-1)
            self.ids = tf.range(vocabulary)

    def apply(self, logits: Tensor, time: Tensor) -> Tensor:
        """Return logits `(rows, vocabulary)`, -inf for tokens that are not allowed at this step."""
        left = logits
        if self.going_on is not None:
            later = np.zeros_like(self.going_on) if self.allowed is None else self.allowed
            left = left + tf.where(time + 1 < self.min_length, self.going_on, later)
        elif self.allowed is not None:
            left = left + self.allowed
        if self.forced is not None:
            last = tf.shape(self.forced)[1] - 1
            forced = tf.gather(self.forced, tf.minimum(time, last), axis=1)[:, None]
            left = tf.where(forced < 0, left, tf.where(forced == self.ids, logits, -np.inf))
        return left


def _penalty(allowed: np.ndarray) -> np.ndarray:
    return np.where(allowed, 0.0, -np.inf).astype("float32")
