"""Tokens are drawn as often as their probability says, and the same ones from the same seed."""

import numpy as np
import pytest
import tensorflow as tf

from rnnlayers.decoding import Greedy, Sampling, decode
from rnnlayers.decoding.largest import largest
from tests.numbers import refused

LOGITS = np.array([1.0, -0.5, 2.0, 0.3, -1.0, 0.9])
DRAWS = 20_000


def step(tokens, states):
    return tf.tile(tf.constant(LOGITS[None], tf.float32), (tf.shape(tokens)[0], 1)), states


def draw(sampler, batch=DRAWS, steps=1, **options):
    """Return tokens `(batch * num_return, steps)`; the stop token never comes."""
    options = {"forbidden_tokens": [4], **options}
    result = decode(step, (), [0] * batch, sampler, stop_token_id=4, max_length=steps, **options)
    return result.tokens.numpy().reshape(-1, result.tokens.shape[2]), result


def distribution(temperature=1.0, top_k=None, top_p=1.0, forbidden=(4,)):
    """Return the probabilities that a sampler must draw with."""
    allowed = np.array([token not in forbidden for token in range(len(LOGITS))])
    weights = np.exp(LOGITS / temperature) * allowed
    order = np.argsort(-weights)
    if top_k is not None:
        weights[order[top_k:]] = 0
    total = 0.0
    for token in order:
        if total >= top_p * weights.sum() * (1 - 1e-9):
            weights[token] = 0
        else:
            total += weights[token]
            if total >= top_p * weights[order].sum() and top_p < 1:
                weights[order[list(order).index(token) + 1 :]] = 0
                break
    return weights / weights.sum()


def assert_distributed(tokens, expected):
    """Assert that counts are within 4.5 standard deviations of what is expected."""
    counts = np.bincount(tokens, minlength=len(expected))
    deviation = np.sqrt(len(tokens) * expected * (1 - expected))
    assert (np.abs(counts - len(tokens) * expected) <= 4.5 * deviation).all()


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"temperature": 0.5},
        {"temperature": 3.0},
        {"top_k": 1},
        {"top_k": 3},
        {"top_k": 6},
        {"top_p": 0.5},
        {"top_p": 0.8},
        {"top_p": 1e-6},
        {"temperature": 2.0, "top_k": 4, "top_p": 0.7},
    ],
    ids=str,
)
def test_tokens_are_drawn_as_often_as_their_probability_says(arguments):
    tokens, result = draw(Sampling(**arguments, seed=1))
    expected = distribution(**arguments)
    assert_distributed(tokens[:, 0], expected)
    assert set(tokens[:, 0]) == set(np.flatnonzero(expected))
    # Scores are the model's: no temperature, and all tokens.
    log_probs = LOGITS - np.log(np.sum(np.exp(LOGITS)))
    np.testing.assert_allclose(result.scores[:, 0], log_probs[tokens[:, 0]], rtol=1e-5)


def test_what_is_left_out_is_left_out_before_the_most_likely_are_taken():
    tokens, _ = draw(Sampling(top_k=2, seed=1), forbidden_tokens=[4, 2])
    assert_distributed(tokens[:, 0], distribution(top_k=2, forbidden=(4, 2)))


def test_examples_steps_and_hypotheses_are_drawn_apart():
    tokens, _ = draw(Sampling(seed=5, num_return=2), batch=DRAWS // 2, steps=3)
    expected = distribution()
    for step in range(3):
        assert_distributed(tokens[:, step], expected)
    pairs = [(tokens[:, 0], tokens[:, 1]), (tokens[:, 1], tokens[:, 2])]
    pairs += [(tokens[0::2, 0], tokens[1::2, 0]), (tokens[:-1, 0], tokens[1:, 0])]
    for first, second in pairs:
        assert_distributed(6 * first + second, np.outer(expected, expected).ravel())


def test_the_seed_alone_decides():
    def tokens(seed):
        return draw(Sampling(seed=seed), batch=50, steps=4)[0].tolist()

    assert tokens(3) == tokens(3) == tokens(tf.constant(3)) == tokens(np.int64(3))
    assert tokens(3) != tokens(4) != tokens(-4)


def test_as_the_temperature_falls_sampling_becomes_greedy():
    cold = Sampling(temperature=1e-3)
    np.testing.assert_array_equal(draw(cold, 50, 2)[0], draw(Greedy(), 50, 2)[0])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"temperature": 0.0}, ["temperature", "0.0", "Greedy"]),
        ({"temperature": -1}, ["temperature", "-1"]),
        ({"temperature": float("inf")}, ["temperature", "inf"]),
        ({"temperature": float("nan")}, ["temperature", "nan"]),
        ({"temperature": "hot"}, ["temperature", "hot"]),
        ({"temperature": True}, ["temperature", "True"]),
        ({"top_k": 0}, ["top_k", "0"]),
        ({"top_k": 2.0}, ["top_k", "2.0"]),
        ({"top_p": 0.0}, ["top_p", "0.0"]),
        ({"top_p": 1.1}, ["top_p", "1.1"]),
        ({"top_p": float("nan")}, ["top_p", "nan"]),
        ({"top_p": None}, ["top_p", "None"]),
        ({"num_return": 0}, ["num_return", "0"]),
        ({"seed": 2**31}, ["seed", "32 bits"]),
        ({"seed": None}, ["seed", "None"]),
    ],
    ids=str,
)
def test_arguments_out_of_range_are_refused(arguments, words):
    with refused(*words):
        Sampling(**arguments)


@pytest.mark.parametrize("size", [1, 7, 128, 1000, 4096, 5003])
@pytest.mark.parametrize("k", [1, 2, 10])
def test_the_largest_are_those_that_tensorflow_finds(size, k):
    values = tf.random.stateless_normal((20, size), (size, k))
    values = tf.where(tf.random.stateless_uniform((20, size), (k, size)) < 0.1, -np.inf, values)
    for rows in (values, values[:0], tf.sort(values), -tf.sort(-values)):
        found, places = largest(rows, min(k, size))
        expected, where = tf.math.top_k(rows, min(k, size))
        np.testing.assert_array_equal(found, expected)
        finite = found.numpy() > -np.inf
        np.testing.assert_array_equal(places.numpy()[finite], where.numpy()[finite])


def test_of_few_numbers_among_many_none_is_found_outside():
    values = tf.tensor_scatter_nd_update(tf.fill((1, 5003), -np.inf), [[0, 5002]], [1.0])
    found, places = largest(values, 30)
    assert places[0, 0] == 5002
    assert tf.reduce_max(places) < 5003
    assert tf.math.count_nonzero(found > -np.inf) == 1
