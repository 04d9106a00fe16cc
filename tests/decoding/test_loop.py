"""The loop: what it hands to the step function, when it ends, where it runs, what it refuses."""

from typing import NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnlayers
from rnnlayers.decoding import BeamSearch, Decoded, Greedy, Sampling, decode
from tests.decoding.reference import Model, Task, walk
from tests.decoding.test_beam import assert_found, run
from tests.numbers import refused

SAMPLERS = {
    "greedy": Greedy(),
    "sampling": Sampling(temperature=2.0, top_p=0.9, seed=3, num_return=2),
    "beams": BeamSearch(4, length_penalty=0.7, coverage_penalty=0.1, num_return=3),
}
each_sampler = pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS.keys())


def script(*sentences):
    """Return a step function that is sure of the words of each sentence in turn, and its states."""

    def step(tokens, states):
        words, time = states
        words_now = tf.gather(words, time, axis=1, batch_dims=1)
        return 20 * tf.one_hot(words_now, 10), (words, time + 1)

    return step, (tf.constant(sentences), tf.zeros(len(sentences), tf.int32))


def most_likely(hypotheses):
    return max(hypotheses, key=lambda hypothesis: hypothesis.log_prob)


@each_sampler
def test_tokens_are_those_of_the_script_up_to_the_stop(sampler):
    step, states = script([4, 5, 1, 6], [1, 4, 4, 4], [7, 8, 9, 2])
    sampler = Sampling(0.1) if isinstance(sampler, Sampling) else sampler
    sampler = BeamSearch(1) if isinstance(sampler, BeamSearch) else sampler
    result = decode(step, states, [0] * 3, sampler, stop_token_id=1, max_length=4, pad_token_id=3)
    assert result.tokens.numpy().tolist() == [[[4, 5, 1, 3]], [[1, 3, 3, 3]], [[7, 8, 9, 2]]]
    assert result.lengths.numpy().tolist() == [[3], [1], [4]]
    np.testing.assert_allclose(result.scores, 0, atol=1e-5)
    assert result.extras is None
    assert (result.tokens.dtype, result.lengths.dtype) == (tf.int32, tf.int32)


@each_sampler
def test_the_loop_stops_as_soon_as_all_have_ended(sampler):
    calls = tf.Variable(0)

    def step(tokens, states):
        calls.assign_add(1)
        return (
            20 * tf.one_hot(tf.where(tokens == 2, 1, 2), 10),
            states,
            tf.ones((len_of(tokens), 1)),
        )

    mask = tf.ones((2, 1), tf.bool)
    result = decode(step, (), [0, 2], sampler, stop_token_id=1, max_length=50, source_mask=mask)
    assert calls == result.tokens.shape[2]
    assert calls.numpy() in (range(3, 20) if isinstance(sampler, BeamSearch) else [2])


def len_of(tokens):
    return tf.shape(tokens)[0]


TASKS = {
    "plain": Task(stop=1, max_length=9, start=2),
    "constraints": Task(stop=1, max_length=9, min_length=5, forbidden=(0, 4), forced=(-1, 4, 3)),
    "forced to stop": Task(stop=1, max_length=9, min_length=5, forced=(-1, 1)),
}


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS.keys())
def test_greedy_takes_the_most_likely_token_that_is_allowed(task):
    for seed in range(2):
        model = Model(6, seed, batch=16)
        expected = [walk(model, task, example, most_likely) for example in range(model.batch)]
        result = run(model, task, Greedy())
        assert_found(result, [[task.scored(h, model.source_mask[0])] for h in expected])


def test_of_tokens_alike_greedy_takes_the_first():
    def step(tokens, states):
        return tf.zeros((len_of(tokens), 4)), states

    for sampler in (Greedy(), BeamSearch(1)):
        result = decode(step, (), [3], sampler, stop_token_id=2, max_length=2, forbidden_tokens=[0])
        assert result.tokens.numpy().tolist() == [[[1, 1]]]
        np.testing.assert_allclose(result.scores, 2 * np.log(0.25), rtol=1e-6)


def test_positions_may_be_forced_in_each_example_apart():
    step, states = script([4, 5, 6, 1], [4, 5, 6, 1], [4, 5, 6, 1])
    forced = np.array([[-1, -1, 7, -1, -1], [8, 9, -1, -1, -1], [-1, 1, 5, 5, 5]])
    for sampler in (Greedy(), BeamSearch(2)):
        result = decode(
            step, states, [0] * 3, sampler, stop_token_id=1, max_length=4, forced_tokens=forced
        )
        expected = [[[4, 5, 7, 1]], [[8, 9, 6, 1]], [[4, 1, 0, 0]]]
        assert result.tokens.numpy().tolist() == expected


def test_every_example_may_have_its_own_limit():
    step, states = script(*[[4, 5, 6, 7, 1]] * 3)
    for sampler in (Greedy(), Sampling(0.1), BeamSearch(2)):
        result = decode(step, states, [0] * 3, sampler, stop_token_id=1, max_length=[2, 1, 9])
        assert result.lengths.numpy()[:, 0].tolist() == [2, 1, 5]
        assert result.tokens.numpy()[1, 0].tolist() == [4, 0, 0, 0, 0]


class Pair(NamedTuple):
    h: tf.Tensor
    c: tf.Tensor


@each_sampler
@pytest.mark.parametrize(
    "kind", ["dict", "tuple", "named", "list of one", "alone", "list for tuple"]
)
def test_states_come_in_any_structure(sampler, kind):
    model = Model(6)
    task = Task(stop=1, max_length=6)
    pack, unpack = {
        "dict": (lambda h, m: {"h": h, "deep": [{"m": m}]}, lambda s: (s["h"], s["deep"][0]["m"])),
        "tuple": (lambda h, m: (h, m), lambda s: s),
        "named": (Pair, lambda s: (s.h, s.c)),
        "list of one": (lambda h, m: [(h, m)], lambda s: s[0]),
        "alone": (
            lambda h, m: tf.concat([h, tf.cast(m, tf.float32)], 1),
            lambda s: (s[:, :4], s[:, 4:] > 0.5),
        ),
        "list for tuple": (lambda h, m: (h, m), lambda s: s),
    }[kind]

    def step(tokens, states):
        h, mask = unpack(states)
        logits, new, extras = model.step(tokens, {"memory": (h,), "mask": mask})
        new = pack(new["memory"][0], new["mask"])
        return logits, list(new) if kind == "list for tuple" else new, extras

    expected = run(model, task, sampler)
    result = decode(
        step,
        pack(*map(tf.constant, (model.initial.astype("float32"), model.source_mask))),
        tf.zeros(model.batch, tf.int64),
        sampler,
        stop_token_id=1,
        max_length=6,
        source_mask=model.source_mask,
    )
    for ours, theirs in zip(tf.nest.flatten(result), tf.nest.flatten(expected), strict=True):
        np.testing.assert_array_equal(ours, theirs)


class Network(tf.Module):
    """A step of an LSTM, whose two states must keep to their beams, attending to a source."""

    def __init__(self, vocabulary=12):
        self.cell = rnnlayers.LSTMCell(5)
        self.cell.build((None, vocabulary))
        self.output = tf.Variable(tf.random.stateless_normal((5, vocabulary), (1, 2), stddev=3.0))
        self.attend = tf.Variable(tf.random.stateless_normal((5, 5), (3, 4)))

    def translate(self, source, sampler, seed=None, **options):
        """Decode from sources `(batch, time, 5)`, which are not repeated for beams."""
        batch = tf.shape(source)[0]

        def step(tokens, states):
            one_hot = tf.one_hot(tokens, self.output.shape[1])
            h, states = self.cell(one_hot, states)
            query = tf.reshape(h @ self.attend, (batch, -1, 5))
            attention = tf.nn.softmax(tf.matmul(query, source, transpose_b=True))
            context = tf.reshape(tf.matmul(attention, source), (-1, 5))
            attention = tf.reshape(attention, (-1, tf.shape(source)[1]))
            return (h + context) @ self.output, states, attention

        states = [source[:, 0], source[:, -1]]
        mask = tf.ones_like(source[..., 0], tf.bool)
        options = {"stop_token_id": 1, "max_length": 12, **options}
        return decode(step, states, tf.zeros(batch, tf.int32), sampler, source_mask=mask, **options)


def sources(batch, time, seed=0):
    return tf.constant(np.random.default_rng(seed).normal(size=(batch, time, 5)), tf.float32)


SOURCES = tf.TensorSpec((None, None, 5), tf.float32)


@each_sampler
def test_a_traced_function_gives_what_eager_mode_gives_at_every_shape(sampler):
    network = Network()
    traced = tf.function(
        lambda source: network.translate(source, sampler),
        input_signature=[SOURCES],
        autograph=False,
    )
    for shape in [(1, 1), (7, 5)]:
        source = sources(*shape)
        ours, theirs = traced(source), network.translate(source, sampler)
        for our, their in zip(ours[:2], theirs[:2], strict=True):
            np.testing.assert_array_equal(our, their)
        np.testing.assert_allclose(ours.scores, theirs.scores, rtol=1e-5)
        np.testing.assert_allclose(ours.extras, theirs.extras, atol=1e-6)
    assert ours.tokens.shape[:2] == (7, getattr(sampler, "num_return", 1))


@each_sampler
def test_no_examples_give_no_results(sampler):
    network = Network()
    traced = tf.function(lambda source: network.translate(source, sampler), autograph=False)
    for decoded in (traced(sources(0, 3)), network.translate(sources(0, 3), sampler)):
        assert decoded.tokens.shape[0] == decoded.lengths.shape[0] == decoded.extras.shape[0] == 0


@pytest.mark.parametrize("sampler", [Greedy(), BeamSearch(4, 0.7, 0.1, num_return=2)])
def test_a_batch_gives_what_each_sentence_gives_alone(sampler):
    network = Network()
    translate = tf.function(
        lambda source: network.translate(source, sampler), reduce_retracing=True, autograph=False
    )
    source = sources(6, 4)
    together = translate(source)
    for row in range(6):
        alone = translate(source[row : row + 1])
        time = alone.tokens.shape[2]
        np.testing.assert_array_equal(together.tokens[row, :, :time], alone.tokens[0])
        assert not np.any(together.tokens[row, :, time:])
        np.testing.assert_allclose(together.scores[row], alone.scores[0], rtol=1e-4)
        np.testing.assert_allclose(together.extras[row, :, :time], alone.extras[0], atol=1e-5)


def test_the_exported_graph_gives_what_the_live_one_gives(tmp_path, in_process):
    network = Network()

    def endpoint(sampler):
        def serve(source):
            decoded = network.translate(source, sampler, forbidden_tokens=[3], min_length=2)
            return {name: getattr(decoded, name) for name in Decoded._fields}

        return serve, {"source": SOURCES}

    def sample(source, seed):
        return network.translate(source, Sampling(seed=seed, top_k=4)).tokens

    endpoints = {
        "serving_default": endpoint(SAMPLERS["beams"]),
        "sample": (sample, {"source": SOURCES, "seed": tf.TensorSpec((), tf.int32)}),
    }
    probes = {"serving_default": [{"source": sources(batch, 4)} for batch in (1, 5)]}
    probes["sample"] = [{"source": sources(3, 4), "seed": tf.constant(seed)} for seed in (1, 2)]
    # The export compares: equal tokens, scores and attention within the tolerance.
    path = rnnlayers.export_model(network, tmp_path, endpoints, probes, tolerance=1e-4)
    loaded = tf.saved_model.load(str(path))
    live = network.translate(sources(5, 4), SAMPLERS["beams"], forbidden_tokens=[3], min_length=2)
    exported = loaded.signatures["serving_default"](source=sources(5, 4))
    np.testing.assert_array_equal(exported["tokens"], live.tokens)
    np.testing.assert_allclose(exported["scores"], live.scores, rtol=1e-4)


def test_autograph_leaves_it_alone(capfd):
    traced = tf.function(lambda start: decode(plain, (), start, Greedy(), **SMALL))
    assert traced(tf.zeros(2, tf.int32)).tokens.shape == (2, 1, 3)
    assert "AutoGraph" not in capfd.readouterr().err


def test_half_precision_logits_are_summed_in_single():
    def step(tokens, states):
        return tf.zeros((len_of(tokens), 2000), tf.float16), states

    result = decode(step, (), [0], Greedy(), stop_token_id=1, max_length=100, forbidden_tokens=[1])
    np.testing.assert_allclose(result.scores, -100 * np.log(2000), rtol=1e-6)


def test_logits_may_rule_out_tokens():
    def step(tokens, states):
        return tf.tile([[-np.inf, 0.0, -np.inf]], (len_of(tokens), 1)), states

    for sampler in (Greedy(), Sampling(), BeamSearch(3, num_return=3)):
        result = decode(step, (), [0], sampler, stop_token_id=1, max_length=3)
        assert result.tokens.numpy()[0, 0].tolist()[:1] == [1]
        assert result.scores.numpy()[0, 0] == 0
        assert result.lengths.numpy()[0].tolist() == [1, 0, 0][: result.lengths.shape[1]]


SMALL = {"stop_token_id": 1, "max_length": 3}


def plain(tokens, states):
    return tf.zeros((len_of(tokens), 5)), states


REFUSED = {
    "a stop token that is none": ({"stop_token_id": 5}, ["stop_token_id", "0 to 4", "5"]),
    "a negative stop token": ({"stop_token_id": -1}, ["stop_token_id", "-1"]),
    "a stop token by name": ({"stop_token_id": "</s>"}, ["stop_token_id", "</s>"]),
    "padding that is none": ({"pad_token_id": -1}, ["pad_token_id", "-1"]),
    "forbidding unknown tokens": ({"forbidden_tokens": [1, 7]}, ["forbidden_tokens", "7"]),
    "forbidding all": ({"forbidden_tokens": range(5)}, ["forbidden_tokens", "5 tokens"]),
    "forbidding all but the stop": (
        {"forbidden_tokens": [0, 2, 3, 4], "min_length": 2},
        ["forbidden_tokens", "min_length=2"],
    ),
    "forcing unknown tokens": ({"forced_tokens": [[-1, 6]] * 2}, ["forced_tokens", "6"]),
    "forcing negative tokens": ({"forced_tokens": [[-2]] * 2}, ["forced_tokens", "-2"]),
    "forcing one position": ({"forced_tokens": [1, 2]}, ["forced_tokens", "(2,)"]),
    "forcing numbers": ({"forced_tokens": [[0.5]]}, ["forced_tokens", "float32"]),
    "no length": ({"max_length": 0}, ["max_length", "0"]),
    "half a length": ({"max_length": 2.5}, ["max_length", "2.5"]),
    "no length in a row": ({"max_length": [3, 0]}, ["max_length", "[3, 0]"]),
    "a table of lengths": ({"max_length": [[3, 2]]}, ["max_length", "[[3, 2]]"]),
    "a negative least length": ({"min_length": -1}, ["min_length", "-1"]),
    "half a least length": ({"min_length": 0.5}, ["min_length", "0.5"]),
    "the least above the most": ({"min_length": 4}, ["min_length", "max_length", "4", "3"]),
    "the least above one row's most": (
        {"min_length": 3, "max_length": [5, 2]},
        ["min_length", "[5, 2]"],
    ),
    "one start token": ({"start_tokens": 0}, ["start_tokens", "()"]),
    "start tokens that are none": ({"start_tokens": [0.0, 1.0]}, ["start_tokens", "float32"]),
    "negative start tokens": ({"start_tokens": [0, -1]}, ["start_tokens", "[ 0 -1]"]),
    "a sampler by name": ({"sampler": "greedy"}, ["sampler", "Greedy()", "'greedy'"]),
    "a mask of one row": ({"source_mask": [True, True]}, ["source_mask", "(2,)"]),
    "states without rows": ({"initial_states": tf.constant(1.0)}, ["initial_states", "()"]),
    "too many to draw from": ({"sampler": Sampling(top_k=6)}, ["top_k", "vocabulary", "6"]),
    "nothing but logits": ({"step": lambda t, s: tf.zeros((2, 5))}, ["step", "(logits, states)"]),
    "logits of one row": ({"step": lambda t, s: (tf.zeros(5), s)}, ["step", "logits"]),
    "an unknown vocabulary": (
        {"step": lambda t, s: (tf.zeros((2, tf.reduce_sum(t))), s)},
        ["step", "vocabulary"],
    ),
    "other states": (
        {"step": lambda t, s: (tf.zeros((2, 5)), {"h": t}), "initial_states": [tf.zeros((2, 3))]},
        ["step", "states"],
    ),
    "states of another shape": (
        {"step": lambda t, s: (tf.zeros((2, 5)), s[:, :1]), "initial_states": tf.zeros((2, 3))},
        ["step", "states", "(None, 3)", "(None, 1)"],
    ),
    "states of another dtype": (
        {
            "step": lambda t, s: (tf.zeros((2, 5)), tf.cast(s, "float16")),
            "initial_states": tf.zeros((2, 3)),
        },
        ["step", "states", "float16"],
    ),
    "extras without rows": (
        {"step": lambda t, s: (tf.zeros((2, 5)), s, tf.constant(1.0))},
        ["step", "third"],
    ),
}


@pytest.mark.parametrize(("changes", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_does_not_fit_is_refused(changes, words):
    options = {"stop_token_id": 1, "max_length": 3, "sampler": Greedy(), "step": plain}
    options |= {"initial_states": (), "start_tokens": [0, 0]}
    decode(**options)
    with refused(*words):
        decode(**{**options, **changes})


def test_a_keras_model_can_be_the_step_function():
    embedding, output = keras.layers.Embedding(9, 4), keras.layers.Dense(9)
    cell = rnnlayers.GRUCell(4)

    def step(tokens, states):
        h, states = cell(embedding(tokens), states)
        return output(h), states

    step(tf.zeros(1, tf.int32), [tf.zeros((1, 4))])  # builds
    for sampler in SAMPLERS.values():
        if not getattr(sampler, "coverage_penalty", 0):
            decode(step, [tf.zeros((2, 4))], [0, 1], sampler, stop_token_id=1, max_length=3)
