"""Training by reward: against the exact gradient, in `fit`, saved, and given what does not fit."""

import itertools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnlayers
from rnnlayers import AttentionCell, AttentiveDecoder, EncoderDecoder, GRUCell, SelfCritical
from rnnlayers.decoding import Sampling
from tests.numbers import assert_same, refused

pytestmark = pytest.mark.usefixtures("eagerly")

PAD, START, STOP, UNKNOWN = 0, 1, 2, 3
VOCABULARY, LENGTH = 6, 3


def make_encoder(dropout=0.0):
    ids = keras.Input((None,), dtype="int32")
    present = keras.ops.not_equal(ids, 0)
    vectors = keras.layers.Dropout(dropout)(keras.layers.Embedding(9, 4)(ids))
    return keras.Model(ids, [rnnlayers.GRU(3, return_sequences=True)(vectors, present), present])


def make_model(dropout=0.0):
    model = EncoderDecoder(
        make_encoder(dropout),
        keras.layers.Embedding(VOCABULARY, 5),
        [keras.layers.Dropout(dropout), AttentiveDecoder(AttentionCell(GRUCell(6), units=5))],
        keras.layers.Dense(VOCABULARY),
        start_token_id=START,
        stop_token_id=STOP,
    )
    model.build(((None, None), (None, None)))
    rng = np.random.default_rng(1)
    for weight in model.trainable_variables:
        weight.assign(rng.normal(0, 0.8, weight.shape))
    return model


@keras.saving.register_keras_serializable("tests")
def wanted(tokens, references):
    """How much of a sequence is the token that is wanted, less for each token."""
    return np.sum(tokens == references[:, :1], axis=1) - 0.3 * np.sum(tokens != PAD, axis=1)


def make(model=None, **options):
    options = {"max_length": LENGTH, "forbidden_tokens": [UNKNOWN], "seed": 1, **options}
    return SelfCritical(make_model() if model is None else model, wanted, **options)


def everything():
    """Every sequence that may be said: the tokens 4 and 5, and the stop token at the end."""
    for length in range(1, LENGTH + 1):
        last = (STOP,) if length < LENGTH else (STOP, 4, 5)
        for words in itertools.product((4, 5), repeat=length - 1):
            for end in last:
                yield [*words, end, *[PAD] * (LENGTH - length)]


SOURCES = np.array([[3, 4, 0], [5, 0, 0], [7, 2, 8]], "int32")
REFERENCES = np.array([[4], [5], [5]], "int32")
ALL = np.array([*everything()], "int32")


def test_of_all_sequences_one_is_said():
    tuned = make()
    encoded = tuned.model.encode(SOURCES)
    chances = tuned.log_probabilities(np.stack([ALL] * 3), encoded)
    assert_same(tf.reduce_sum(tf.exp(chances), axis=1), np.ones(3))


def test_log_probabilities_are_those_with_which_tokens_are_drawn():
    tuned = make()
    encoded = tuned.model.encode(SOURCES[:1])
    drawn = tuned.model.generate_encoded(
        encoded,
        Sampling(num_return=20000, seed=5),
        max_length=LENGTH,
        forbidden_tokens=[UNKNOWN],
    ).tokens.numpy()[0]
    chances = np.exp(tuned.log_probabilities(ALL[None], encoded)[0])
    often = [np.mean((drawn == one).all(axis=1)) for one in ALL]
    np.testing.assert_allclose(often, chances, atol=0.015)


def test_a_step_follows_the_gradient_of_the_expected_reward(not_eagerly):
    model = make_model()
    tuned = make(model, num_samples=3000)
    before = [weight.numpy() for weight in model.trainable_variables]
    with tf.GradientTape() as tape:
        chances = tuned.log_probabilities(np.stack([ALL] * 3), model.encode(SOURCES))
        rewards = np.stack([wanted(ALL, np.repeat(one[None], len(ALL), 0)) for one in REFERENCES])
        expected = tf.reduce_mean(tf.reduce_sum(tf.exp(chances) * rewards, axis=1))
    exact = tape.gradient(expected, model.trainable_variables)
    exact = np.concatenate([np.ravel(tf.convert_to_tensor(part)) for part in exact])
    tuned.compile(keras.optimizers.SGD(1.0))
    steps = []
    batch = [np.repeat(part, 4, axis=0) for part in (SOURCES, REFERENCES)]
    for turn in range(3):
        for weight, value in zip(model.trainable_variables, before, strict=True):
            weight.assign(value)
        logs = tuned.train_on_batch(*batch, return_dict=True)
        if turn == 0:
            assert logs["reward"] == pytest.approx(float(expected), abs=0.02)
            assert logs["loss"] == -logs["reward"]
        after = [weight.numpy() for weight in model.trainable_variables]
        pairs = zip(after, before, strict=True)
        steps.append(np.concatenate([np.ravel(new - old) for new, old in pairs]))
    assert np.linalg.norm(steps[1] - steps[0]) > 0.003 * np.linalg.norm(exact)  # drawn anew
    assert np.linalg.norm(np.mean(steps, axis=0) - exact) < 0.03 * np.linalg.norm(exact)


@pytest.mark.slow
def test_fit_raises_the_reward_and_goes_on_when_it_is_loaded(tmp_path):
    tuned = make(make_model(dropout=0.2))
    tuned.compile(keras.optimizers.Adam(0.04))
    data = [np.repeat(part, 8, axis=0) for part in (SOURCES, REFERENCES)]
    options = {"validation_data": (SOURCES, REFERENCES), "verbose": 0, "shuffle": False}
    first = tuned.fit(*data, epochs=4, **options).history
    assert first["val_reward"][-1] > first["val_reward"][0] + 0.2
    assert first["val_loss"] == [-reward for reward in first["val_reward"]]
    tuned.save(tmp_path / "tuned.keras")
    loaded = keras.saving.load_model(tmp_path / "tuned.keras")
    assert json.dumps(loaded.get_config()) == json.dumps(tuned.get_config())
    for weights, theirs in zip(loaded.variables, tuned.variables, strict=True):
        if weights.name == "seed_generator_state":  # which Keras does not save
            weights.assign(theirs)
    again = [model.fit(*data, epochs=1, **options).history["loss"] for model in (tuned, loaded)]
    np.testing.assert_allclose(*again, rtol=1e-5)
    assert_same(loaded.model((SOURCES, ALL[:3])), tuned.model((SOURCES, ALL[:3])))


def test_it_computes_in_the_dtype_of_its_model():
    keras.config.set_dtype_policy("mixed_float16")
    model = make_model()
    keras.config.set_dtype_policy("float32")
    tuned = make(model)
    tuned.compile(keras.optimizers.SGD(1.0))
    assert isinstance(tuned.optimizer, keras.optimizers.LossScaleOptimizer)
    before = [weight.numpy() for weight in model.trainable_variables]
    logs = tuned.train_on_batch(SOURCES, REFERENCES, return_dict=True)
    assert np.isfinite(logs["reward"])
    after = [weight.numpy() for weight in model.trainable_variables]
    assert all(np.isfinite(weights).all() for weights in after)
    assert any((new != old).any() for new, old in zip(after, before, strict=True))


def test_validation_rewards_what_is_said_greedily():
    tuned = make(make_model(dropout=0.5))
    tuned.compile("sgd")
    said = tuned.model.generate(SOURCES, max_length=LENGTH, forbidden_tokens=[UNKNOWN]).tokens
    expected = wanted(said[:, 0].numpy(), REFERENCES).mean()
    found = tuned.evaluate(SOURCES, REFERENCES, return_dict=True, verbose=0)
    found = {name: float(value) for name, value in found.items()}
    assert found == {"loss": pytest.approx(-expected), "reward": pytest.approx(expected)}


def test_it_answers_as_its_model_does():
    tuned = make()
    targets = np.c_[np.full(len(SOURCES), START), ALL[:3]].astype("int32")
    assert_same(tuned((SOURCES, targets)), tuned.model((SOURCES, targets)))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_length": 0}, ("`max_length`", "positive integer", "0")),
        ({"max_length": 2.5}, ("`max_length`", "2.5")),
        ({"max_length": True}, ("`max_length`", "True")),
        ({"num_samples": 1}, ("`num_samples`", "at least 2", "1")),
        ({"reward": None}, ("`reward`", "None")),
        ({"model": "not one"}, ("`model`", "EncoderDecoder", "not one")),
    ],
)
def test_arguments_that_do_not_fit(options, words):
    options = {"model": make_model(), "reward": wanted, "max_length": 4, **options}
    with refused(*words):
        SelfCritical(**options)


def test_a_model_without_weights():
    model = EncoderDecoder(
        make_encoder(),
        keras.layers.Embedding(VOCABULARY, 5),
        rnnlayers.GRU(4, return_sequences=True),
        keras.layers.Dense(VOCABULARY),
        start_token_id=START,
        stop_token_id=STOP,
    )
    with refused("`model`", "with weights"):
        SelfCritical(model, wanted, max_length=4)


@pytest.mark.parametrize(
    "reward",
    [lambda tokens, _: tokens, lambda *_: 1.0, lambda tokens, _: np.full(len(tokens), np.nan)],
    ids=["for each token", "for all", "no number"],
)
def test_rewards_that_do_not_fit(reward):
    tuned = SelfCritical(make_model(), reward, max_length=LENGTH)
    tuned.compile("sgd", run_eagerly=True)
    with pytest.raises(Exception, match="`reward` must return a finite number for each of 15 rows"):
        tuned.fit(SOURCES, REFERENCES, verbose=0)


def test_data_that_does_not_fit():
    tuned = make()
    tuned.compile("sgd", run_eagerly=True)
    with refused("sources alone"):
        tuned.fit(SOURCES, verbose=0)
    with refused("weights too"):
        tuned.fit(SOURCES, REFERENCES, sample_weight=np.ones(3), verbose=0)
