"""A converted layer keeps its arguments, weights, flags and states, and computes the same."""

import doctest
import inspect
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import rnnlayers
from rnnlayers.convert import from_keras, to_keras
from tests.cases import (
    CORE_TWINS,
    MASKS,
    bent,
    each_core_twin,
    each_twin,
    in_turn,
    randomize,
    sample,
    sample_states,
)
from tests.numbers import assert_same, refused

# Something else than the default for every argument that Keras' layers and cells take.
UNUSUAL = {
    "activation": "relu",
    "recurrent_activation": "hard_sigmoid",
    "use_bias": False,
    "kernel_initializer": keras.initializers.RandomNormal(stddev=0.3, seed=1),
    "recurrent_initializer": "he_normal",
    "bias_initializer": "ones",
    "unit_forget_bias": False,
    "kernel_regularizer": keras.regularizers.L2(0.1),
    "recurrent_regularizer": "l1",
    "bias_regularizer": "l1l2",
    "activity_regularizer": keras.regularizers.L1(0.2),
    "kernel_constraint": keras.constraints.MaxNorm(3),
    "recurrent_constraint": "unit_norm",
    "bias_constraint": "non_neg",
    "dropout": 0.25,
    "recurrent_dropout": 0.125,
    "seed": 7,
    "return_sequences": True,
    "return_state": True,
    "go_backwards": True,
    "stateful": True,
    "unroll": True,
    "zero_output_for_mask": True,
    "reset_after": False,
    "name": "unusual",
    "trainable": False,
    "dtype": "mixed_float16",
}
NOT_CARRIED = {"kwargs", "use_cudnn", "units"}
CELLS = {
    case.cell: getattr(keras.layers, f"{case.keras_layer.__name__}Cell") for case in CORE_TWINS
}


def assert_twins(ours, theirs, **call):
    """Assert that two built layers have the same weights and outputs."""
    assert [w.name for w in ours.weights] == [w.name for w in theirs.weights]
    for our, their in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(our, their)
    assert_same(ours(sample(), **call), theirs(sample(), **call))


@each_twin
def test_a_layer_becomes_its_twin_and_back(case):
    theirs = randomize(case.make_keras_layer(return_sequences=True, return_state=True))
    ours = from_keras(theirs)
    assert type(ours) is case.layer
    states = sample_states(ours)
    assert_twins(ours, theirs, initial_state=states, mask=MASKS["every pattern"])
    back = to_keras(ours)
    assert type(back) is case.keras_layer
    assert back.get_config() == theirs.get_config()
    assert_twins(back, theirs, initial_state=states, mask=MASKS["every pattern"])


@each_core_twin
@pytest.mark.parametrize("what", ["layer", "cell"])
def test_every_argument_is_kept_both_ways(case, what):
    twins = (case.layer, case.keras_layer) if what == "layer" else (case.cell, CELLS[case.cell])
    parameters = {*inspect.signature(twins[1]).parameters, "name", "trainable", "dtype"}
    parameters |= {"zero_output_for_mask", "activity_regularizer"} if what == "layer" else set()
    assert parameters - NOT_CARRIED <= UNUSUAL.keys(), "Keras has an argument unknown here"
    arguments = {name: UNUSUAL[name] for name in parameters - NOT_CARRIED}
    theirs = twins[1](4, **arguments)
    ours = from_keras(theirs)
    assert type(ours) is twins[0]
    default = twins[0](4).get_config()
    if twins[1] is keras.layers.SimpleRNN:
        del arguments["activity_regularizer"]  # it takes it and forgets it, in Keras 3.15
    for name, value in ours.get_config().items():
        if name in arguments:
            assert value != default.get(name), f"{name} was not kept"
            assert value == theirs.get_config().get(name, value), name
    if what == "layer":
        assert ours.activity_regularizer is theirs.activity_regularizer
    assert to_keras(ours).get_config() == theirs.get_config()


@each_core_twin
def test_a_cell_in_a_stock_rnn_becomes_recurrent_and_back(case):
    cell = CELLS[case.cell](4, **case.arguments)
    penalty = keras.regularizers.L1(0.2)
    options = {"return_sequences": True, "zero_output_for_mask": True}
    theirs = keras.layers.RNN(cell, **options, activity_regularizer=penalty)
    ours = from_keras(randomize(theirs))
    assert type(ours) is rnnlayers.Recurrent
    assert ours.activity_regularizer is penalty
    assert type(ours.cell) is case.cell
    assert_twins(ours, theirs, mask=MASKS["every pattern"])
    assert to_keras(ours).get_config() == theirs.get_config()
    assert_same(from_keras(cell).get_weights(), cell.get_weights())


@pytest.mark.parametrize(
    ("case", "merge_mode"), in_turn(CORE_TWINS, ["concat", "sum", "mul", "ave", None])
)
def test_bidirectional_becomes_its_twin_and_back(case, merge_mode):
    options = {"return_sequences": True, "return_state": True}
    layer = case.make_keras_layer(**options)
    backward = case.make_keras_layer(go_backwards=True, activation="relu", **options)
    theirs = keras.layers.Bidirectional(layer, merge_mode, backward_layer=backward, name="both")
    randomize(theirs)
    theirs.forward_layer.trainable = False
    ours = from_keras(theirs)
    assert type(ours) is rnnlayers.Bidirectional
    assert (type(ours.forward_layer), type(ours.backward_layer)) == (case.layer,) * 2
    assert len(ours.trainable_weights) == 3
    states = [*sample_states(theirs.forward_layer), *sample_states(theirs.backward_layer)]
    assert_twins(ours, theirs, initial_state=states, mask=MASKS["every pattern"])
    assert to_keras(ours).get_config() == theirs.get_config()


def test_states_flags_and_precision_are_kept():
    theirs = keras.layers.GRU(4, stateful=True, dtype="mixed_float16")
    theirs(sample())
    theirs.cell.bias.trainable = False
    ours = from_keras(theirs)
    assert_same(ours.states, theirs.states)
    assert np.any(np.asarray(ours.states[0]))
    assert [w.name for w in ours.trainable_weights] == ["kernel", "recurrent_kernel"]
    assert (ours.compute_dtype, ours.variable_dtype) == ("float16", "float32")
    assert_same(ours(sample()), theirs(sample()), "float16")
    assert_same(to_keras(ours).states, ours.states)


def test_a_layer_that_is_not_built_stays_so():
    ours = from_keras(keras.layers.LSTM(4))
    assert not ours.built
    assert ours(sample(features=5)).shape == (6, 4)


def test_an_activation_need_not_be_registered():
    theirs = randomize(keras.layers.SimpleRNN(4, activation=lambda x: bent(2 * x)))
    assert_twins(from_keras(theirs), theirs)


class OwnLSTM(keras.layers.LSTM):
    pass


@keras.saving.register_keras_serializable(package="tests")
class OwnCell(rnnlayers.GRUCell):
    pass


@pytest.mark.parametrize(
    ("convert", "layer", "word"),
    [
        (from_keras, OwnLSTM(4), "OwnLSTM"),
        (from_keras, keras.layers.Dense(4), "Dense"),
        (from_keras, keras.layers.ConvLSTM1D(4, 3), "ConvLSTM1D"),
        (from_keras, keras.layers.RNN([keras.layers.LSTMCell(4)], return_state=True), "nests"),
        (from_keras, keras.layers.RNN(rnnlayers.LSTMCell(4)), "LSTMCell"),
        (from_keras, keras.layers.Bidirectional(keras.layers.RNN(OwnCell(4))), "OwnCell"),
        (from_keras, rnnlayers.LSTM(4), "class LSTM"),
        (to_keras, keras.layers.LSTM(4), "class LSTM"),
        (to_keras, rnnlayers.Recurrent(OwnCell(4)), "OwnCell"),
    ],
)
def test_what_has_no_twin_is_refused(convert, layer, word):
    with refused("`layer`", word, "no twin"):
        convert(layer)


def test_swapped_directions_are_refused_where_they_differ():
    def swapped(**options):
        backwards = keras.layers.GRU(4, go_backwards=True, **options)
        forwards = keras.layers.GRU(4, **options)
        return randomize(keras.layers.Bidirectional(backwards, backward_layer=forwards))

    with refused("go_backwards", "Swap"):
        from_keras(swapped(return_sequences=True))
    assert_twins(from_keras(swapped()), swapped(), mask=MASKS["every pattern"])


def test_the_examples_in_the_documentation():
    names = {"np": np, "keras": keras, "rnnlayers": rnnlayers}
    page = Path(rnnlayers.__file__).parents[1] / "docs" / "conventions.md"
    for result in (
        doctest.testfile(str(page), module_relative=False),
        doctest.testmod(sys.modules[from_keras.__module__], extraglobs=names),
    ):
        assert result.attempted
        assert not result.failed
