"""Initial states that are learned."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnlayers
from tests.cases import CORE, MASKS, in_turn, randomize, sample
from tests.numbers import assert_same, evaluate, refused


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(("case", "engine"), in_turn(CORE, ["stepwise", "compiled"]))
def test_a_learned_state_is_that_of_every_row(case, engine):
    options = {"return_sequences": True, "return_state": True, "engine": engine}
    learning = randomize(case.make_layer(learn_initial_state=True, **options))
    plain = case.make_layer(**options)
    plain.build((None, None, 3))
    count = len(learning.cell.state_names)  # Keras lists the weights of a layer before its cell's
    assert [weight.name for weight in learning.weights[:count]] == [
        f"initial_{name}" for name in learning.cell.state_names
    ]
    first, others = learning.get_weights()[:count], learning.get_weights()[count:]
    plain.set_weights(others)
    mask = MASKS["every pattern"]
    x = sample(batch=len(mask), timesteps=mask.shape[1])
    states = [np.tile(state, (len(x), 1)) for state in first]
    outputs, (d_x, *d_weights) = evaluate(learning, x, mask=mask)
    expected, (expected_x, *expected_d) = evaluate(plain, x, states, mask=mask)
    d_states, d_others = expected_d[:count], expected_d[count:]
    assert_same(outputs, expected)
    assert_same([d_x, *d_weights[count:]], [expected_x, *d_others])
    assert_same(d_weights[:count], [np.sum(d, 0) for d in d_states])


def test_it_is_trained_and_saved_in_both_directions(tmp_path):
    layer = rnnlayers.LSTM(4, learn_initial_state=True)
    model = keras.Sequential([keras.Input((None, 3)), rnnlayers.Bidirectional(layer)])
    model.compile("sgd", "mse")
    x = sample()
    model.fit(x, np.ones((len(x), 8)), verbose=0)
    learned = [weight for weight in model.weights if weight.name.startswith("initial_")]
    assert len(learned) == 4
    assert all(np.abs(weight.numpy()).min() > 0 for weight in learned)
    model.save(tmp_path / "model.keras")
    assert_same(keras.models.load_model(tmp_path / "model.keras")(x), model(x))
    assert_same(tf.function(model)(tf.constant(x)), model(x))


def test_what_does_not_go_with_it_is_refused():
    with refused("learn_initial_state", "stateful"):
        rnnlayers.GRU(4, learn_initial_state=True, stateful=True)
    layer = randomize(rnnlayers.GRU(4, learn_initial_state=True, return_sequences=True))
    with refused("`layer`", "learn_initial_state"):
        rnnlayers.convert.to_keras(layer)
    with refused("`layers`", "learn_initial_state"):
        rnnlayers.convert.to_torch_state_dict(layer)
