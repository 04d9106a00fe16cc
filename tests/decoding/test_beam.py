"""Beam search finds what lists and recursion find: the best of all, or the best a beam can see."""

import numpy as np
import pytest
import tensorflow as tf

from rnnlayers.decoding import BeamSearch, Greedy, decode
from tests.decoding.reference import Model, Task, enumerate_all, search
from tests.numbers import refused


def run(model, task, sampler, rows=slice(None), **options):
    """Decode with a task of the reference."""
    states = model.states(rows)
    batch = len(states["mask"])
    if task.forced:
        options["forced_tokens"] = tf.constant([task.forced] * batch)
    return decode(
        model.step,
        states,
        tf.fill([batch], task.start),
        sampler,
        stop_token_id=task.stop,
        max_length=task.max_length,
        min_length=task.min_length,
        forbidden_tokens=task.forbidden,
        source_mask=states["mask"],
        **options,
    )


def beams(task, num_beams, **options):
    penalties = {"length_penalty": task.length_penalty, "coverage_penalty": task.coverage_penalty}
    return BeamSearch(num_beams, **penalties, **options)


def assert_found(result, expected):
    """Assert that a result is what the reference returned for each example, with its extras."""
    result = tf.nest.map_structure(lambda x: x.numpy(), result)
    for example, hypotheses in enumerate(expected):
        for rank in range(result.tokens.shape[1]):
            length = result.lengths[example, rank]
            if rank >= len(hypotheses):
                assert length == 0
                assert result.scores[example, rank] == -np.inf
                assert not result.tokens[example, rank].any()
                continue
            hypothesis = hypotheses[rank]
            assert result.tokens[example, rank, :length].tolist() == hypothesis.tokens
            np.testing.assert_allclose(
                result.scores[example, rank], hypothesis.score, rtol=2e-5, atol=1e-5
            )
            attention = result.extras["attention"][example, rank]
            np.testing.assert_allclose(attention[:length], hypothesis.attention, atol=2e-5)
            assert not attention[length:].any()
            given = result.extras["tokens"][example, rank, :length].tolist()
            assert given[1:] == hypothesis.tokens[:-1]
        assert not result.tokens[example, :, result.lengths[example].max() :].any()


# Few tokens are allowed, so that a beam not wider than the vocabulary holds all hypotheses.
WIDE = 32
FEW = tuple(range(3, WIDE))
COMPLETE = {
    "plain": Task(stop=1, max_length=4, forbidden=FEW),
    "length penalty": Task(stop=1, max_length=4, forbidden=FEW, length_penalty=1.0),
    "least length": Task(stop=1, max_length=4, forbidden=FEW, min_length=3, length_penalty=0.6),
    "prefix": Task(stop=1, max_length=4, forced=(5, 2), forbidden=(*range(2), *FEW[1:])),
    "forced within": Task(stop=1, max_length=4, forced=(-1, -1, 2), forbidden=FEW),
    "forced prevails": Task(
        stop=1, max_length=4, forced=(-1, 7, 1), min_length=4, forbidden=FEW, length_penalty=2.0
    ),
    "no stop": Task(stop=1, max_length=3, forbidden=(1, *range(4, WIDE)), length_penalty=1.0),
    "coverage": Task(stop=1, max_length=4, forbidden=FEW, length_penalty=0.5, coverage_penalty=0.7),
    "all penalties, cut": Task(
        stop=1, max_length=3, min_length=3, forbidden=FEW, coverage_penalty=2.0, length_penalty=1.0
    ),
}


@pytest.mark.parametrize("task", COMPLETE.values(), ids=COMPLETE.keys())
def test_a_beam_that_holds_all_finds_the_best_of_all(task):
    model = Model(WIDE, sharpness=1.0)
    expected = [enumerate_all(model, task, example) for example in range(model.batch)]
    assert max(map(len, expected)) <= WIDE
    for stopping in ("optimal", "never"):
        sampler = beams(task, WIDE, num_return=WIDE, stopping=stopping)
        assert_found(run(model, task, sampler), expected)


NARROW = {
    "plain": Task(stop=1, max_length=8),
    "length penalty": Task(stop=1, max_length=9, length_penalty=0.8),
    "strong length penalty": Task(stop=2, max_length=7, length_penalty=3.0, start=3),
    "coverage": Task(stop=1, max_length=7, length_penalty=0.8, coverage_penalty=0.4),
    "constraints": Task(stop=1, max_length=7, min_length=4, forbidden=(0, 4), forced=(4, -1, 3)),
    "cut": Task(stop=1, max_length=3, min_length=3, length_penalty=1.0),
    "one step": Task(stop=1, max_length=1),
}


@pytest.mark.parametrize("num_beams", [1, 3, 6])
@pytest.mark.parametrize("task", NARROW.values(), ids=NARROW.keys())
def test_a_narrow_beam_finds_what_lists_find(task, num_beams):
    model = Model(6, seed=num_beams, batch=16)
    expected = [search(model, task, example, num_beams) for example in range(model.batch)]
    for stopping, num_return in (("optimal", 1), ("never", num_beams)):
        sampler = beams(task, num_beams, num_return=num_return, stopping=stopping)
        assert_found(run(model, task, sampler), expected)


@pytest.mark.parametrize("task", NARROW.values(), ids=NARROW.keys())
def test_enough_stops_when_as_many_have_ended_as_there_are_beams(task):
    model = Model(6, seed=5, batch=16)
    expected = [search(model, task, example, 3, enough=True) for example in range(model.batch)]
    result = run(model, task, beams(task, 3, num_return=3, stopping="enough"))
    assert_found(result, expected)


def test_the_search_stops_before_the_limit():
    task = Task(stop=1, max_length=500)
    for stopping in ("optimal", "enough"):
        result = run(Model(6, 0), task, beams(task, 3, num_return=2, stopping=stopping))
        assert result.tokens.shape[2] < 40


@pytest.mark.parametrize("stopping", ["optimal", "enough"])
def test_the_search_stops_where_nothing_is_left_to_run_on(stopping):
    task = Task(stop=1, max_length=50, forced=(3, 1))
    result = run(Model(6), task, beams(task, 3, num_return=3, stopping=stopping))
    assert result.tokens.shape[2] == 2
    assert result.lengths.numpy().tolist() == [[2, 0, 0]] * 8


def test_one_beam_is_greedy():
    task = Task(stop=1, max_length=8)
    for seed in range(2):
        model = Model(6, seed, batch=32)
        greedy, beam = run(model, task, Greedy()), run(model, task, BeamSearch(1))
        for ours, theirs in zip(greedy, beam, strict=True):
            tf.nest.map_structure(np.testing.assert_array_equal, ours, theirs)


@pytest.mark.slow
@pytest.mark.parametrize("stopping", ["optimal", "enough", "never"])
def test_a_batch_gives_what_each_example_gives_alone_each_with_its_own_limit(stopping):
    task = Task(
        stop=1,
        max_length=np.array([2, 7, 5, 1]),
        length_penalty=0.7,
        coverage_penalty=0.1,
    )
    for seed in range(2):
        model = Model(6, seed, batch=4)
        sampler = beams(task, 4, num_return=4, stopping=stopping)
        together = run(model, task, sampler)
        for example, limit in enumerate(task.max_length):
            alone_task = Task(**{**vars(task), "max_length": int(limit)})
            alone = run(model, alone_task, sampler, slice(example, example + 1))
            assert together.lengths[example].numpy().tolist() == alone.lengths[0].numpy().tolist()
            time = alone.tokens.shape[2]
            assert not np.any(together.tokens[example, :, time:])
            np.testing.assert_array_equal(together.tokens[example, :, :time], alone.tokens[0])
            np.testing.assert_allclose(together.scores[example], alone.scores[0], rtol=1e-5)
            np.testing.assert_allclose(
                together.extras["attention"][example, :, :time],
                alone.extras["attention"][0],
                atol=1e-5,
            )


def test_ended_come_before_cut_and_each_kind_best_first():
    model = Model(6, 1)
    task = Task(stop=1, max_length=4, length_penalty=1.0)
    result = run(model, task, beams(task, 6, num_return=6))
    kinds = set()
    for tokens, lengths, scores in zip(*(x.numpy() for x in result[:3]), strict=True):
        ended = [1 in row[:length] for row, length in zip(tokens, lengths, strict=True)]
        kinds |= set(ended)
        assert ended == sorted(ended, reverse=True)
        for kind in (True, False):
            of_kind = scores[np.array(ended) == kind]
            assert (np.diff(of_kind) <= 0).all()
    assert kinds == {True, False}


def test_what_was_never_attended_to_costs_much_but_not_everything():
    def step(tokens, states):
        return tf.zeros((tf.size(tokens), 2)), states, tf.one_hot(tf.zeros_like(tokens), 2)

    result = decode(
        step,
        (),
        [0],
        BeamSearch(2, coverage_penalty=1.0),
        stop_token_id=1,
        max_length=3,
        source_mask=[[True, True]],
    )
    assert np.isfinite(result.scores[0, 0])
    assert result.scores[0, 0] < -80


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"num_beams": 0}, ["num_beams", "positive", "0"]),
        ({"num_beams": 2.0}, ["num_beams", "2.0"]),
        ({"num_beams": True}, ["num_beams", "True"]),
        ({"num_beams": 2, "num_return": 0}, ["num_return", "0"]),
        ({"num_beams": 2, "num_return": 3}, ["num_return", "num_beams", "3"]),
        ({"num_beams": 2, "length_penalty": -0.1}, ["length_penalty", "-0.1"]),
        ({"num_beams": 2, "length_penalty": "long"}, ["length_penalty", "long"]),
        ({"num_beams": 2, "coverage_penalty": -1}, ["coverage_penalty", "-1"]),
        ({"num_beams": 2, "coverage_penalty": float("nan")}, ["coverage_penalty", "nan"]),
        ({"num_beams": 2, "stopping": "soon"}, ["stopping", "optimal", "enough", "soon"]),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, words):
    with refused(*words):
        BeamSearch(**arguments)


def test_a_beam_wider_than_the_vocabulary_is_refused():
    task = Task(stop=1, max_length=3)
    run(Model(6), task, BeamSearch(6))
    with refused("num_beams", "vocabulary", "6", "7"):
        run(Model(6), task, BeamSearch(7))


def test_a_coverage_penalty_needs_the_attention_and_the_mask():
    def step(tokens, states):
        return tf.zeros((tf.size(tokens), 3)), states

    sampler = BeamSearch(2, coverage_penalty=0.1)
    with refused("source_mask", "coverage_penalty"):
        decode(step, (), [0], sampler, stop_token_id=1, max_length=3)
    with refused("attention", "coverage_penalty"):
        decode(step, (), [0], sampler, stop_token_id=1, max_length=3, source_mask=[[True]])
