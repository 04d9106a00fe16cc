"""The model of n-grams."""

import math

import numpy as np
import pytest

from apps.textgen.baselines import ngram_nats


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("context", [[], [0], [1, 2], [3, 3, 3]])
def test_the_probabilities_of_all_characters_add_up(order, context):
    train = np.random.default_rng(0).integers(0, 4, 300)
    text = np.array([*context, 0])
    before = ngram_nats(train, text[:-1], 4, order) * len(context) if context else 0.0
    probabilities = []
    for id_ in range(4):
        text[-1] = id_
        probabilities.append(math.exp(before - ngram_nats(train, text, 4, order) * len(text)))
    assert sum(probabilities) == pytest.approx(1)


def test_it_learns_repetitions():
    text = np.tile([0, 1, 2, 3], 200)
    assert ngram_nats(text, text, 4, 1) == pytest.approx(math.log(4), rel=0.01)
    assert ngram_nats(text, text, 4, 2) < 0.05
