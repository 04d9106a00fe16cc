"""Scheduled sampling: some of the targets replaced by the model's own predictions."""

from collections.abc import Callable

import keras
from keras import ops

from rnnlayers.types import Tensor


def mix_targets(
    targets: Tensor,
    predict: Callable[[Tensor], Tensor],
    *,
    rate: Tensor,
    passes: int,
    pad_token_id: int,
    seed: keras.random.SeedGenerator,
) -> Tensor:
    """Return the targets, a random part of them replaced by predictions.

    Args:
        targets: `(batch, target)`, integers, each given to the step after it. The first one is the
            start token and stays, as padding does.
        predict: Returns logits `(batch, target, vocabulary)` of all steps, given targets.
        rate: The share of tokens to replace.
        passes: The number of times to predict, each time from the mixture of the pass before.
        pad_token_id: The token after the end.
        seed: Generator for the choice of tokens.
    """
    replaced = (keras.random.uniform(ops.shape(targets), seed=seed) < rate) & (
        targets != pad_token_id
    )
    replaced = replaced & (ops.arange(ops.shape(targets)[1]) > 0)
    mixed = targets
    for _ in range(passes):
        predicted = ops.cast(ops.argmax(predict(mixed), -1), targets.dtype)
        shifted = ops.concatenate([targets[:, :1], predicted[:, :-1]], 1)
        mixed = ops.where(replaced, shifted, targets)
    return ops.stop_gradient(mixed)
