"""The baseline: a model of n-grams of characters."""

import numpy as np


def ngram_nats(train: np.ndarray, test: np.ndarray, size: int, order: int) -> float:
    """Return the cross-entropy of a model of n-grams, in nats per character.

    The probability of a character c after a context of k characters is interpolated with that after
    the last k - 1 of them, with the weights of Witten and Bell (1991),

        p_k(c) = (n(c) + d p_{k-1}(c)) / (n + d),

    down to the uniform p_{-1}. Here n(c) counts c after the context, n is the sum of these counts,
    and d the number of different characters after the context. A context that was never counted
    leaves the probability as it is.

    Args:
        train: The ids to count, `(time,)`.
        test: The ids to predict, `(time,)`.
        size: The number of ids.
        order: The length of the longest n-grams.
    """
    text = np.concatenate([train, test]).astype("int64")
    places = np.concatenate([np.arange(len(train)), np.arange(len(test))])
    is_train = np.arange(len(text)) < len(train)
    probabilities = np.full(len(test), 1 / size)
    contexts = np.zeros(len(text), "int64")  # the number of the context before each character
    for length in range(order):
        # The n-grams are numbered: a context and the character after it.
        values, ngrams = np.unique(contexts * size + text, return_inverse=True)
        counted = is_train & (places >= length)
        counts = np.bincount(ngrams[counted], minlength=len(values))
        totals = np.bincount(values // size, counts)
        different = np.bincount(values // size, counts > 0)
        context, ngram = contexts[len(train) :], ngrams[len(train) :]
        known = (totals[context] > 0) & (places[len(train) :] >= length)
        n, d = totals[context][known], different[context][known]
        probabilities[known] = (counts[ngram][known] + d * probabilities[known]) / (n + d)
        contexts = np.concatenate([[0], ngrams[:-1]])  # one character longer
    return float(-np.log(probabilities).mean())
