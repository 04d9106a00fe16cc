"""What a generator has to beat."""

import math
from collections import Counter, defaultdict

import numpy as np
from tqdm import tqdm


def ngram_nats(train: np.ndarray, test: np.ndarray, size: int, order: int) -> float:
    """Returns the cross-entropy of a model of n-grams, in nats per character.

    The chance of a character after the `order - 1` before it is mixed with that after one fewer,
    and so on down to all alike, with the weights of Witten and Bell (1991): what has been followed
    by many different characters trusts its own counts less.

    Args:
        train: The ids to count, `(time,)`.
        test: The ids to predict, `(time,)`.
        size: How many ids there are.
        order: The length of the longest n-grams.
    """
    counts: list[dict[tuple, Counter]] = [defaultdict(Counter) for _ in range(order)]
    text = train.tolist()
    for length, table in enumerate(tqdm(counts, desc="Counting n-grams", disable=None)):
        for place in range(length, len(text)):
            table[tuple(text[place - length : place])][text[place]] += 1
    totals = [{context: found.total() for context, found in table.items()} for table in counts]
    text, nats = test.tolist(), 0.0
    for place, id_ in enumerate(text):
        chance = 1 / size
        for length in range(min(order, place + 1)):
            context = tuple(text[place - length : place])
            if (found := counts[length].get(context)) is None:
                break
            different = len(found)
            chance = (found[id_] + different * chance) / (totals[length][context] + different)
        nats -= math.log(chance)
    return nats / len(text)
