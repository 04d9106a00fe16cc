"""Checks of the arguments of `decode`."""

from typing import Any

import numpy as np
import tensorflow as tf

from rnnlayers.checks import is_integer
from rnnlayers.decoding.step import repeat
from rnnlayers.types import Tensor


def check_start(tokens: Any) -> Tensor:
    """Return the start tokens `(batch,)`. Their values are checked if they are known."""
    tokens = tf.convert_to_tensor(tokens)
    known = tf.get_static_value(tokens)
    negative = known is not None and np.any(known < 0)
    if len(tokens.shape) != 1 or not tokens.dtype.is_integer or negative:
        raise ValueError(
            "`start_tokens` must be ids (batch,), one for each example; received "
            f"{tokens.dtype.name} of shape {tokens.shape}{'' if known is None else f', {known}'}."
        )
    return tf.cast(tokens, tf.int32)


def check_mask(mask: Any) -> Tensor | None:
    """Return the mask of the source `(batch, source)` as booleans, or None."""
    if mask is None:
        return None
    mask = tf.cast(mask, tf.bool)
    if len(mask.shape) != 2:
        raise ValueError(
            "`source_mask` must be booleans (batch, source), False where there is nothing to "
            f"attend to; received shape {mask.shape}."
        )
    return mask


def check_forced(tokens: Any, width: int, vocabulary: int) -> Tensor | None:
    """Return the forced tokens of each row. Their values are checked if they are known."""
    if tokens is None:
        return None
    tokens = tf.convert_to_tensor(tokens)
    if len(tokens.shape) != 2 or not tokens.dtype.is_integer:
        raise ValueError(
            "`forced_tokens` must be integers (batch, positions), -1 for any token; "
            f"received {tokens.dtype.name} of shape {tokens.shape}."
        )
    known = tf.get_static_value(tokens)
    if known is not None:
        check_ids("forced_tokens", known[known != -1], vocabulary)
    return repeat(tf.cast(tokens, tf.int32), width)


def check_lengths(min_length: Any, max_length: Any, batch: Tensor) -> Tensor:
    """Return the length at which the hypotheses of each example are cut, `(batch, 1)`."""
    limits = tf.convert_to_tensor(max_length)
    known = tf.get_static_value(limits)
    if (
        not limits.dtype.is_integer
        or len(limits.shape) > 1
        or (known is not None and np.any(known < 1))
    ):
        raise ValueError(
            "`max_length` must be a positive integer, or positive integers (batch,), the largest "
            f"number of tokens; received {max_length!r}."
        )
    if not is_integer(min_length) or min_length < 0:
        raise ValueError(
            "`min_length` must be an integer of at least 0, the least number of tokens; received "
            f"{min_length!r}."
        )
    if known is not None and np.any(min_length > known):
        raise ValueError(
            f"`min_length` must be at most `max_length`; received {min_length} and {max_length!r}."
        )
    limits = tf.reshape(tf.cast(limits, tf.int32), (-1, 1))
    return tf.broadcast_to(limits, (batch, 1))


def check_ids(name: str, ids: Any, vocabulary: int) -> None:
    """Raise a ValueError unless all are ids of the vocabulary."""
    for token in ids:
        if not is_integer(token) or not 0 <= token < vocabulary:
            raise ValueError(
                f"`{name}` must hold ids of the vocabulary, integers from 0 to {vocabulary - 1}; "
                f"received {token!r}."
            )
