"""Bidirectional gives the numbers of its Keras twin, and padding changes nothing in it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnnlayers import GRU, LSTM, Bidirectional, Elman, LSTMCell, Recurrent
from tests.cases import (
    CORE_TWINS,
    MASKS,
    each_core,
    each_core_twin,
    in_turn,
    randomize,
    sample,
    sample_states,
    some,
)
from tests.numbers import assert_same, evaluate, refused

pytestmark = pytest.mark.usefixtures("eagerly")

MERGE_MODES = ["concat", "sum", "mul", "ave", None]
each_merge_mode = pytest.mark.parametrize("merge_mode", MERGE_MODES)


def make_twins(ours, theirs, batch=None, **options):
    """Return our layer and Keras' over two layers, with the same random weights."""
    ours = randomize(Bidirectional(ours, **options), batch=batch)
    theirs = keras.layers.Bidirectional(theirs, **options)
    theirs.build((batch, None, 3))
    theirs.set_weights(ours.get_weights())
    return ours, theirs


def states_for(layer):
    """Return random states for both directions."""
    return sample_states(layer.forward_layer) + sample_states(layer.backward_layer, seed=3)


def assert_equal(ours, theirs):
    """Compare a layer with its twin under every mask, with and without initial states."""
    for mask, states in in_turn(list(MASKS.values()), [None, states_for(ours)]):
        call = sample(), states, mask
        assert_same(evaluate(ours, *call), evaluate(theirs, *call))


@pytest.mark.parametrize(("case", "return_sequences"), in_turn(CORE_TWINS, [True, False]))
def test_every_case_equals_keras(case, return_sequences):
    options = {"return_sequences": return_sequences, "return_state": True}
    assert_equal(*make_twins(case.make_layer(**options), case.make_keras_layer(**options)))


@each_merge_mode
@pytest.mark.parametrize("return_sequences", some([True, False]))
def test_every_merge_mode_equals_keras(merge_mode, return_sequences):
    options = {"return_sequences": return_sequences, "return_state": True}
    layers = LSTM(4, **options), keras.layers.LSTM(4, **options)
    assert_equal(*make_twins(*layers, merge_mode=merge_mode))


@each_merge_mode
@pytest.mark.parametrize("return_state", [False, True])
def test_outputs_are_as_many_and_as_large_as_announced(merge_mode, return_state):
    for layer, keras_layer in ((Elman, keras.layers.SimpleRNN), (LSTM, keras.layers.LSTM)):
        options = {"return_sequences": True, "return_state": return_state}
        ours = Bidirectional(layer(4, **options), merge_mode=merge_mode)
        theirs = keras.layers.Bidirectional(keras_layer(4, **options), merge_mode=merge_mode)
        shapes = ours.compute_output_shape((6, 6, 3))
        assert shapes == theirs.compute_output_shape((6, 6, 3))
        outputs = tf.nest.flatten(ours(sample()))
        symbols = tf.nest.flatten(ours(keras.Input((None, 3))))
        flat = shapes if isinstance(shapes[0], tuple) else (shapes,)
        assert [tuple(output.shape) for output in outputs] == list(flat)
        assert [(6, *s.shape[1:-1], s.shape[-1]) for s in symbols if len(s.shape) == 2] == [
            shape for shape in flat if len(shape) == 2
        ]
        masks = ours.compute_mask(None, MASKS["every pattern"])
        masks = masks if isinstance(masks, list) else [masks]
        assert [mask is not None for mask in masks] == [len(shape) == 3 for shape in flat]


def test_the_two_directions_may_differ():
    def build(wrapper, forward, backward):
        return wrapper(
            forward(4, return_sequences=True, activation="relu"),
            backward_layer=backward(5, return_sequences=True, go_backwards=True),
        )

    ours = randomize(build(Bidirectional, LSTM, GRU))
    forward = randomize(LSTM(4, return_sequences=True, activation="relu"))
    backward = randomize(GRU(5, return_sequences=True, go_backwards=True))
    ours.set_weights(forward.get_weights() + backward.get_weights())
    mask = MASKS["every pattern"]
    outputs = ours(sample(), mask=mask)
    expected = [forward(sample(), mask=mask), backward(sample(), mask=mask)[:, ::-1]]
    assert_same(outputs[mask], np.concatenate(expected, -1)[mask])
    assert ours.compute_output_shape((6, 6, 3)) == outputs.shape == (6, 6, 9)


@each_core
def test_a_masked_row_equals_its_steps_alone(case):
    layer = randomize(Bidirectional(case.make_layer(return_sequences=True, return_state=True)))
    mask = MASKS["every pattern"]
    noisy = np.where(mask[..., None], sample(), np.float32(1e3))
    outputs, *finals = layer(noisy, mask=mask)
    for row, valid in enumerate(mask):
        alone, *states = layer(sample()[row][valid][None])
        assert_same(outputs[row][valid], alone[0])
        assert not np.any(outputs[row][~valid])
        assert_same([final[row : row + 1] for final in finals], states)


@each_core
def test_a_pattern_that_runs_backwards_swaps_the_directions(case):
    swapped = randomize(Bidirectional(case.make_layer(return_sequences=True, go_backwards=True)))
    plain = Bidirectional(case.make_layer(return_sequences=True))
    plain.build((None, None, 3))
    half = len(swapped.weights) // 2
    plain.set_weights(swapped.get_weights()[half:] + swapped.get_weights()[:half])
    mask = MASKS["every pattern"]
    assert_same(swapped(sample(), mask=mask), np.roll(plain(sample(), mask=mask), 4, axis=-1))


@pytest.mark.parametrize("direction", [LSTM, keras.layers.LSTM])
def test_the_mask_of_the_sequences_counts_with_an_initial_state_too(direction):
    layer = randomize(Bidirectional(direction(4)))
    mask = MASKS["every pattern"]
    masked = keras.layers.Masking(7.0)(np.where(mask[..., None], sample(), np.float32(7)))
    states = states_for(layer)
    expected = layer(sample(), initial_state=states, mask=mask)
    assert_same(layer(masked, initial_state=states), expected)


@each_core_twin
def test_a_stateful_pair_carries_its_states_on_as_in_keras(case):
    options = {"stateful": True, "return_sequences": True}
    ours, theirs = make_twins(case.make_layer(**options), case.make_keras_layer(**options), batch=6)
    for seed in range(3):
        assert_same(ours(sample(seed=seed)), theirs(sample(seed=seed)))
    assert_same(list(ours.states), [*theirs.forward_layer.states, *theirs.backward_layer.states])
    ours.reset_state()
    theirs.reset_state()
    assert_same(ours(sample()), theirs(sample()))
    assert Bidirectional(case.make_layer()).states is None


def test_weights_given_are_the_weights_used():
    weights = randomize(Bidirectional(GRU(4))).get_weights()
    layer = Bidirectional(GRU(4), weights=weights)
    layer.build((None, None, 3))
    assert_same(layer.get_weights(), weights)
    with refused("weights"):
        Bidirectional(GRU(4), weights=weights[:-1]).build((None, None, 3))


@each_core
def test_keras_bidirectional_runs_our_layers(case):
    options = {"return_sequences": True, "return_state": True}
    ours, theirs = make_twins(case.make_layer(**options), case.make_layer(**options))
    call = sample(), states_for(ours), MASKS["every pattern"]
    assert_same(evaluate(theirs, *call), evaluate(ours, *call))


@each_core_twin
def test_it_runs_the_layers_of_keras(case):
    options = {"return_sequences": True, "return_state": True}
    ours, theirs = make_twins(case.make_keras_layer(**options), case.make_keras_layer(**options))
    call = sample(), states_for(ours), MASKS["every pattern"]
    assert_same(evaluate(ours, *call), evaluate(theirs, *call))


def test_it_runs_a_cell_over_time():
    general = randomize(Bidirectional(Recurrent(LSTMCell(4, seed=3), return_sequences=True)))
    named = randomize(Bidirectional(LSTM(4, return_sequences=True)))
    assert_same(general(sample()), named(sample()))


@each_core
def test_the_configuration_makes_an_equal_layer(case):
    pair = Bidirectional(
        case.make_layer(dropout=0.1, seed=3, return_sequences=True),
        merge_mode="ave",
        backward_layer=case.make_layer(go_backwards=True, return_sequences=True),
        activity_regularizer="l2",
        name="pair",
    )
    for layer in (pair, Bidirectional(case.make_layer(go_backwards=True))):
        again = Bidirectional.from_config(layer.get_config())
        assert again.get_config() == layer.get_config()
        assert_same(randomize(again)(sample()), randomize(layer)(sample()))


def test_the_pattern_is_left_as_it_was():
    pattern = randomize(LSTM(4, name="pattern"))
    before = pattern.get_weights()
    randomize(Bidirectional(pattern), seed=5)
    assert_same(pattern.get_weights(), before)
    assert pattern.name == "pattern"


@pytest.mark.parametrize(
    ("arguments", "named", "received"),
    [
        ({"layer": keras.layers.Dense(4)}, "`layer`", "Dense"),
        ({"layer": "lstm"}, "`layer`", "'lstm'"),
        ({"backward_layer": keras.layers.Dense(4)}, "`backward_layer`", "Dense"),
        ({"backward_layer": LSTM(4)}, "`backward_layer`", "False for both"),
        ({"merge_mode": "max"}, "`merge_mode`", "'max'"),
        (
            {"backward_layer": LSTM(4, go_backwards=True, return_sequences=True)},
            "`return_sequences`",
            "False and True",
        ),
        (
            {"backward_layer": LSTM(4, go_backwards=True, return_state=True)},
            "`return_state`",
            "False and True",
        ),
        (
            {"backward_layer": LSTM(4, go_backwards=True, stateful=True)},
            "`stateful`",
            "False and True",
        ),
    ],
)
def test_layers_that_do_not_fit_are_refused(arguments, named, received):
    with refused(named, received):
        Bidirectional(**{"layer": LSTM(4), **arguments})


@pytest.mark.parametrize("merge_mode", ["sum", "mul", "ave"])
def test_outputs_of_two_sizes_can_only_be_concatenated(merge_mode):
    layer = Bidirectional(GRU(4), backward_layer=GRU(1, go_backwards=True), merge_mode=merge_mode)
    with refused("`merge_mode`", merge_mode, "4 and 1"):
        layer.build((None, None, 3))


def test_another_number_of_features_is_refused():
    layer = randomize(Bidirectional(LSTM(4), name="both"))
    with refused("'both'", "(2, 3, 7)"):
        layer(np.ones((2, 3, 7)))


def test_states_that_do_not_fit_are_refused():
    layer = randomize(Bidirectional(LSTM(4)))
    states = states_for(layer)
    for given, received in ((states[:3], "(6, 4)"), (states[0], "(6, 4)"), (states[:2], "(6, 4)")):
        with refused("`initial_state`", received):
            layer(sample(), initial_state=given)
