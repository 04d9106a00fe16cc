"""The model of n-grams."""

import math

import numpy as np
import pytest

from apps.textgen.baselines import ngram_nats


def witten_bell(train, context, id_, size):
    """Return the probability of an id after a context, by the recursive definition."""
    width = len(context) + 1
    shorter = witten_bell(train, context[1:], id_, size) if context else 1 / size
    windows = (tuple(train[place : place + width]) for place in range(len(train) - width + 1))
    followers = [window[-1] for window in windows if window[:-1] == context]
    different = len(set(followers))
    if not followers:
        return shorter
    return (followers.count(id_) + different * shorter) / (len(followers) + different)


@pytest.mark.parametrize("seed", range(5))
def test_it_follows_the_definition(seed):
    rng = np.random.default_rng(seed)
    size, order = int(rng.integers(2, 6)), int(rng.integers(1, 5))
    train, test = rng.integers(0, size, 60), rng.integers(0, size + 1, 20)
    nats = 0.0
    for place, id_ in enumerate(test):
        context = tuple(test[max(0, place - order + 1) : place])
        nats -= math.log(witten_bell(train.tolist(), context, id_, size + 1))
    assert ngram_nats(train, test, size + 1, order) == pytest.approx(nats / len(test))


def test_it_learns_repetitions():
    text = np.tile([0, 1, 2, 3], 200)
    assert ngram_nats(text, text, 4, 1) == pytest.approx(math.log(4), rel=0.01)
    assert ngram_nats(text, text, 4, 2) < 0.05
