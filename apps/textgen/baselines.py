"""The baseline: a model of n-grams of characters."""

import math
from collections import Counter, defaultdict

import numpy as np
from tqdm import tqdm


def ngram_nats(train: np.ndarray, test: np.ndarray, size: int, order: int) -> float:
    """Return the cross-entropy of a model of n-grams, in nats per character.

    The probability of a character after the `order - 1` previous ones is interpolated with that
    after one fewer, and so on down to the uniform distribution, with the weights of Witten and Bell
    (1991): the more different characters follow a context, the less its own counts weigh.

    Args:
        train: The ids to count, `(time,)`.
        test: The ids to predict, `(time,)`.
        size: The number of ids.
        order: The length of the longest n-grams.
    """
    counts: list[dict[tuple, Counter]] = [defaultdict(Counter) for _ in range(order)]
    text = train.tolist()
    for length, table in enumerate(tqdm(counts, desc="Counting n-grams", disable=None)):
        for place in range(length, len(text)):
            table[tuple(text[place - length : place])][text[place]] += 1
    totals = [
        {context: followers.total() for context, followers in table.items()} for table in counts
    ]
    text, nats = test.tolist(), 0.0
    for place, id_ in enumerate(text):
        probability = 1 / size
        for length in range(min(order, place + 1)):
            context = tuple(text[place - length : place])
            if (followers := counts[length].get(context)) is None:
                break
            different, total = len(followers), totals[length][context]
            probability = (followers[id_] + different * probability) / (total + different)
        nats -= math.log(probability)
    return nats / len(text)
