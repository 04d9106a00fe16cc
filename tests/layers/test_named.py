"""Elman, LSTM and GRU take every argument of their Keras twins, and keep it."""

import inspect
import json
import pydoc
import re

import keras
import numpy as np
import pytest

import rnnlayers
from rnnlayers import GRU, LSTM, Elman
from tests.cases import (
    CORE_TWINS,
    each_case,
    each_core,
    each_core_twin,
    each_named,
    each_twin,
    randomize,
    sample,
)
from tests.numbers import assert_same, evaluate, refused

# A value for each argument that is not its default.
ARGUMENTS = {
    "activation": "softsign",
    "recurrent_activation": "hard_sigmoid",
    "use_bias": True,
    "kernel_initializer": keras.initializers.RandomNormal(stddev=0.3, seed=1),
    "recurrent_initializer": keras.initializers.GlorotUniform(seed=2),
    "bias_initializer": keras.initializers.RandomUniform(seed=3),
    "unit_forget_bias": False,
    "kernel_regularizer": keras.regularizers.L2(0.01),
    "recurrent_regularizer": keras.regularizers.L1(0.02),
    "bias_regularizer": keras.regularizers.L1L2(0.03, 0.04),
    "activity_regularizer": keras.regularizers.L2(0.05),
    "kernel_constraint": keras.constraints.MaxNorm(0.5),
    "recurrent_constraint": keras.constraints.UnitNorm(),
    "bias_constraint": keras.constraints.NonNeg(),
    "dropout": 0.1,
    "recurrent_dropout": 0.2,
    "seed": 7,
    "reset_after": False,
    "return_sequences": True,
    "return_state": True,
    "go_backwards": True,
    "stateful": True,
    "unroll": True,
    "zero_output_for_mask": True,
    "name": "mine",
    "dtype": "mixed_bfloat16",
    "trainable": False,
}
# Files hold weights under the class names of the layers.
NAMED_ALIKE = [case for case in CORE_TWINS if case.layer.__name__ == case.keras_layer.__name__]
REGULARIZERS = {name: value for name, value in ARGUMENTS.items() if name.endswith("_regularizer")}


def accepted(layer_class):
    """Return the arguments that a Keras layer names, and what its base classes take."""
    names = inspect.signature(layer_class).parameters.keys() - {"units", "kwargs", "use_cudnn"}
    if layer_class is keras.layers.SimpleRNN:
        names -= {"activity_regularizer"}  # it takes it and forgets it, in Keras 3.15
    return names | {"zero_output_for_mask", "name", "dtype", "trainable"}


@each_core_twin
def test_every_argument_of_the_twin_is_taken_and_kept(case):
    names = accepted(case.keras_layer)
    assert names <= ARGUMENTS.keys()
    arguments = {name: ARGUMENTS[name] for name in names}
    ours, theirs = case.layer(4, **arguments), case.keras_layer(4, **arguments)
    config = ours.get_config()
    assert {name: config.get(name) for name in theirs.get_config()} == theirs.get_config()


@each_named
def test_the_configuration_makes_an_equal_layer(case):
    names = set(case.make_layer().get_config()) & ARGUMENTS.keys()
    layer = case.make_layer(**{name: ARGUMENTS[name] for name in names - case.arguments.keys()})
    config = json.loads(json.dumps(layer.get_config()))
    again = case.layer.from_config(config)
    assert again.get_config() == layer.get_config()
    for each in (layer, again):
        each.build((6, None, 3))
    assert_same(again.get_weights(), layer.get_weights())


@each_case
def test_the_configuration_makes_an_equal_cell_and_recurrent(case):
    cell = case.make_cell(dropout=0.1, seed=3)
    again = case.cell.from_config(json.loads(json.dumps(cell.get_config())))
    assert again.get_config() == cell.get_config()
    general = rnnlayers.Recurrent(cell, return_sequences=True, zero_output_for_mask=True)
    config = keras.saving.serialize_keras_object(general)
    again = keras.saving.deserialize_keras_object(json.loads(json.dumps(config)))
    assert again.get_config() == general.get_config()
    assert_same(randomize(again)(sample()), randomize(general)(sample()))


@each_twin
def test_the_initial_weights_are_those_of_the_twin(case):
    initializers = {name: v for name, v in ARGUMENTS.items() if name.endswith("_initializer")}
    layers = case.make_layer(**initializers), case.make_keras_layer(**initializers)
    for layer in layers:
        layer.build((None, None, 3))
    ours, theirs = layers
    assert_same(ours.get_weights(), theirs.get_weights())


@each_core_twin
def test_regularizers_and_constraints_are_those_of_the_twin(case):
    constraints = {name: v for name, v in ARGUMENTS.items() if name.endswith("_constraint")}
    regularizers = {
        name: REGULARIZERS[name] for name in accepted(case.keras_layer) & set(REGULARIZERS)
    }
    options = {**regularizers, **constraints}
    ours, theirs = case.make_twins(**options, return_sequences=True, return_state=True)
    for layer in (ours, theirs):
        layer(sample())
    assert len(ours.losses) == len(theirs.losses)
    assert_same(sorted(map(float, ours.losses)), sorted(map(float, theirs.losses)))
    for our, their in zip(ours.weights, theirs.weights, strict=True):
        assert_same(our.constraint(our.value), their.constraint(their.value))
        assert np.max(np.abs(our.constraint(our.value) - our.value)) > 0.01


@each_core
def test_the_activity_regularizer_sees_the_outputs(case):
    layer = randomize(case.make_layer(activity_regularizer="l2", return_sequences=True))
    outputs = layer(sample())
    assert_same(layer.losses, [0.01 * np.sum(np.square(outputs)) / len(outputs)])


@each_core_twin
@pytest.mark.usefixtures("eagerly")
def test_training_with_regularizers_and_constraints_equals_keras(case):
    trained = []
    ours, theirs = case.make_twins(
        kernel_constraint=ARGUMENTS["kernel_constraint"],
        recurrent_regularizer=ARGUMENTS["recurrent_regularizer"],
    )
    for layer in (ours, theirs):
        model = keras.Sequential([keras.Input((None, 3)), layer])
        model.compile(keras.optimizers.SGD(0.1), "mse")
        model.fit(sample(), np.ones((6, 4)), batch_size=3, epochs=1, shuffle=False, verbose=0)
        trained.append(model.get_weights())
    assert_same(*trained)


def test_a_frozen_layer_has_no_trainable_weights():
    layer = randomize(rnnlayers.GRU(4, trainable=False))
    assert layer.trainable_weights == []
    layer.trainable = True
    assert len(layer.trainable_weights) == 3


@each_named
def test_what_the_cell_was_made_with_can_be_read_from_the_layer(case):
    layer = case.make_layer(units=5, dropout=0.3, name="mine")
    assert (layer.units, layer.dropout, layer.cell.units) == (5, 0.3, 5)
    assert layer.name == "mine"
    with pytest.raises(AttributeError, match="nothing"):
        _ = layer.nothing


@pytest.mark.parametrize("case", NAMED_ALIKE, ids=str)
def test_weights_are_read_from_a_file_that_keras_wrote(case, tmp_path):
    ours, theirs = (keras.Sequential([keras.Input((None, 3)), x]) for x in case.make_twins())
    ours.layers[0].set_weights([0 * weight for weight in ours.get_weights()])
    theirs.save_weights(tmp_path / "keras.weights.h5")
    ours.load_weights(tmp_path / "keras.weights.h5")
    assert_same(evaluate(ours.layers[0], sample()), evaluate(theirs.layers[0], sample()))


@pytest.mark.parametrize(
    ("arguments", "named", "received"),
    [
        ({"units": 0}, "`units`", "0"),
        ({"units": -3}, "`units`", "-3"),
        ({"units": 2.5}, "`units`", "2.5"),
        ({"units": True}, "`units`", "True"),
        ({"units": "many"}, "`units`", "'many'"),
        ({"dropout": 1.5}, "`dropout`", "1.5"),
        ({"dropout": 1}, "`dropout`", "1"),
        ({"dropout": -0.1}, "`dropout`", "-0.1"),
        ({"dropout": None}, "`dropout`", "None"),
        ({"recurrent_dropout": 1.5}, "`recurrent_dropout`", "1.5"),
        ({"use_cudnn": "yes"}, "`use_cudnn`", "'yes'"),
        ({"activation": "unheard"}, "activation", "unheard"),
        ({"kernel_initializer": "unheard"}, "initializer", "unheard"),
    ],
)
@pytest.mark.parametrize("layer", [Elman, LSTM, GRU])
def test_an_argument_out_of_its_range_is_refused(layer, arguments, named, received):
    with refused(named, received):
        layer(**{"units": 4, **arguments})


def test_an_argument_that_is_none_is_refused():
    with refused("GRU has no argument `unit_forget_bias`."):
        rnnlayers.GRU(4, unit_forget_bias=True)
    with refused("LSTM has no argument `return_sequence`.", "`return_sequences`"):
        rnnlayers.LSTM(4, return_sequence=True)


def test_numpy_numbers_are_numbers():
    layer = rnnlayers.LSTM(np.int64(4), dropout=np.float32(0.25))
    assert json.loads(json.dumps(layer.get_config()))["dropout"] == 0.25


@pytest.mark.parametrize("case", CORE_TWINS, ids=str)
def test_the_signature_is_that_of_the_twin(case):
    """The same names in the same order with the same defaults; ours has some more by name."""
    ours, theirs = (inspect.signature(layer).parameters for layer in (case.layer, case.keras_layer))
    positional = [p for p in ours.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    if "use_cudnn" not in theirs:
        positional = [p for p in positional if p.name != "use_cudnn"]
    named = [p for p in theirs.values() if p.name != "kwargs"]
    assert [(p.name, p.default) for p in positional] == [(p.name, p.default) for p in named]
    shown = pydoc.plain(pydoc.render_doc(case.layer)).splitlines()[2:6]
    assert all(re.search(rf"\b{name}\b", " ".join(shown)) for name in ours)
    made = case.layer(4)
    assert list(inspect.signature(made).parameters) == ["args", "kwargs"]  # those of its call


@pytest.mark.parametrize("case", CORE_TWINS, ids=str)
def test_the_signature_of_a_cell_is_that_of_the_twin(case):
    twin = getattr(keras.layers, f"{case.keras_layer.__name__}Cell")
    ours, theirs = (inspect.signature(cell).parameters for cell in (case.cell, twin))
    named = [(p.name, p.default) for p in theirs.values() if p.name != "kwargs"]
    assert [(p.name, p.default) for p in ours.values()][: len(named)] == named


def test_positional_arguments_are_those_of_keras():
    layer = LSTM(4, "tanh", "hard_sigmoid", False)
    assert layer.recurrent_activation is keras.activations.hard_sigmoid
    assert not layer.use_bias
    with pytest.raises(TypeError, match="LSTM: too many positional arguments"):
        LSTM(*range(30))
    with pytest.raises(TypeError, match="GRU: missing a required argument: 'units'"):
        GRU()


def test_a_mistyped_argument_is_named_with_the_layer_and_the_right_one():
    with refused("LSTM has no argument `retrun_sequences`", "Did you mean `return_sequences`?"):
        LSTM(4, retrun_sequences=True)


@pytest.mark.parametrize(
    ("made", "arguments"),
    [
        (LSTM, (4,)),
        (rnnlayers.LSTMCell, (4,)),
        (rnnlayers.Recurrent, (rnnlayers.GRUCell(4),)),
        (rnnlayers.Bidirectional, (GRU(4),)),
        (rnnlayers.AttentionCell, (rnnlayers.GRUCell(4),)),
        (rnnlayers.AttentiveDecoder, (rnnlayers.AttentionCell(rnnlayers.GRUCell(4)),)),
        (rnnlayers.ClippedOptimizer, (keras.optimizers.SGD(), ())),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_mistyped_argument_is_reported_as_one_of_the_class_that_was_called(made, arguments):
    made(*arguments)
    with refused(made.__name__, "mistyped") as error:
        made(*arguments, mistyped=True)
    others = {"LSTM", "LSTMCell", "GRU", "GRUCell", "Recurrent", "AttentionCell"} - {made.__name__}
    assert not others & set(re.findall(r"\w+", str(error.value)))


def test_arguments_by_position_are_those_of_keras_in_layers_of_layers():
    recurrent = rnnlayers.Recurrent(rnnlayers.GRUCell(4), True, False, True, False, True, True)
    stock = keras.layers.RNN(keras.layers.GRUCell(4), True, False, True, False, True, True)
    names = inspect.signature(keras.layers.RNN).parameters.keys() - {"cell", "kwargs"}
    assert {n: getattr(recurrent, n) for n in names} == {n: getattr(stock, n) for n in names}
    backward = Elman(4, go_backwards=True)
    assert rnnlayers.Bidirectional(LSTM(4), "sum", None, backward).backward_layer is backward


def test_a_subclass_with_a_constructor_of_its_own():
    class Twice(rnnlayers.GRU):
        def __init__(self, half, **kwargs):
            super().__init__(2 * half, **kwargs)

    assert list(inspect.signature(Twice).parameters) == ["half", "kwargs"]
    assert Twice(3, return_sequences=True)(sample()).shape == (6, 6, 6)


@pytest.mark.parametrize("layer", [Elman, LSTM, GRU])
def test_what_belongs_to_the_cell_cannot_be_set_on_the_layer(layer):
    made = layer(4)
    for name in ("units", "dropout", "activation", "kernel_initializer"):
        with pytest.raises(AttributeError, match=f"`{name}` of {layer.__name__} cannot be set"):
            setattr(made, name, 0.5)


def test_what_the_weights_were_made_for_cannot_be_set_on_the_cell():
    cell = randomize(GRU(4)).cell
    for name in ("units", "use_bias", "reset_after"):
        with pytest.raises(AttributeError, match=f"`{name}` of GRUCell cannot be set now"):
            setattr(cell, name, 7)


def test_a_cudnn_kernel_that_is_asked_for_is_said_to_be_missing():
    with pytest.warns(UserWarning, match="LSTM has no cuDNN kernel"):
        layer = LSTM(4, use_cudnn=True)
    pair = rnnlayers.Bidirectional(layer)
    assert pair.forward_layer.use_cudnn is pair.backward_layer.use_cudnn is True
    assert "use_cudnn" not in layer.get_config()


def test_a_shape_given_to_the_first_layer_builds_the_model():
    with pytest.warns(UserWarning, match="input_shape"):
        model = keras.Sequential([LSTM(4, input_shape=(5, 3)), keras.layers.Dense(1)])
    assert model.built
    assert model.count_params() == 133


def test_autocast_reaches_layer_and_cell():
    layer = GRU(4, autocast=False, dtype="mixed_bfloat16")
    assert not layer.autocast
    assert not layer.cell.autocast


@each_core_twin
@pytest.mark.usefixtures("eagerly")
def test_an_activation_with_weights_of_its_own(case):
    ours, theirs = (
        keras.Sequential([keras.Input((5, 3)), layer(4, activation=keras.layers.PReLU())])
        for layer in (case.layer, case.keras_layer)
    )
    rng, x = np.random.default_rng(3), sample(3, 5)
    theirs(x)  # Keras makes the weights of the activation in the first call
    weights = [0.3 * rng.normal(size=weight.shape) for weight in theirs.get_weights()]
    for model in (ours, theirs):
        model.set_weights(weights)
        model.compile(keras.optimizers.SGD(0.1), "mse")
        model.fit(x, np.ones((3, 4)), verbose=0)
    assert_same(ours.get_weights(), theirs.get_weights())
    assert_same(ours.predict(x, verbose=0), theirs.predict(x, verbose=0))


def test_keras_names_on_every_layer():
    layer = LSTM(4)
    assert (layer.state_size, layer.single_state, layer.use_cudnn) == ([4, 4], False, "auto")
    assert (GRU(4).state_size, GRU(4).single_state) == (4, True)
    layer.reset_states()
