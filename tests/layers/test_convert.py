"""A converted layer keeps its arguments, weights, flags and states, and computes the same."""

import doctest
import inspect
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import rnnlayers
from rnnlayers.layers.convert import (
    from_keras,
    from_torch_state_dict,
    to_keras,
    to_torch_state_dict,
)
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
from tests.equations import ACTIVATIONS, cut, over_time
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
        (from_keras, keras.layers.RNN([keras.layers.LSTMCell(4)]), "StackedRNNCells"),
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


# PyTorch: the equations of its documentation (torch.nn.RNN, LSTM, GRU), in its letters.

TORCH_GATES = {"RNN_TANH": "h", "RNN_RELU": "h", "LSTM": "ifgo", "GRU": "rzn"}
LAYERS = {
    "RNN_TANH": rnnlayers.Elman,
    "RNN_RELU": rnnlayers.Elman,
    "LSTM": rnnlayers.LSTM,
    "GRU": rnnlayers.GRU,
}


def torch_step(mode, W_i, W_h, b_i=None, b_h=None):
    """Return PyTorch's step `(x, states) -> states` with the weights of one layer."""
    gates = TORCH_GATES[mode]
    sigmoid, tanh, relu = (ACTIVATIONS[name] for name in ("sigmoid", "tanh", "relu"))
    parts = cut(gates, W_i.T, W_h.T, b_i, b_h)

    def step(x, states):
        h = states[0]
        of_input = {k: x @ W + b for k, (W, _, b, _) in parts.items()}
        of_past = {k: h @ W + b for k, (_, W, _, b) in parts.items()}
        total = {k: of_input[k] + of_past[k] for k in gates}
        if mode == "LSTM":
            c = sigmoid(total["f"]) * states[1] + sigmoid(total["i"]) * tanh(total["g"])
            return sigmoid(total["o"]) * tanh(c), c
        if mode == "GRU":
            r, z = sigmoid(total["r"]), sigmoid(total["z"])
            n = tanh(of_input["n"] + r * of_past["n"])
            return ((1 - z) * n + z * h,)
        return ((tanh if mode == "RNN_TANH" else relu)(total["h"]),)

    return step


def make_state_dict(mode, num_layers=1, bidirectional=False, bias=True, prefix="", dtype="float32"):
    """Return a random state dict of a module with 3 features and 4 units."""
    rng, width = np.random.default_rng(3), 4 * len(TORCH_GATES[mode])
    shapes = {}
    for level in range(num_layers):
        for suffix in ("", "_reverse")[: 1 + bidirectional]:
            features = 4 * (1 + bidirectional) if level else 3
            shapes[f"weight_ih_l{level}{suffix}"] = (width, features)
            shapes[f"weight_hh_l{level}{suffix}"] = (width, 4)
            if bias:
                shapes[f"bias_ih_l{level}{suffix}"] = (width,)
                shapes[f"bias_hh_l{level}{suffix}"] = (width,)
    return {
        prefix + name: (0.5 * rng.normal(size=shape)).astype(dtype)
        for name, shape in shapes.items()
    }


def run_torch(mode, state_dict, x):
    """Return the outputs of PyTorch's module in NumPy float64."""
    level = 0
    while f"weight_ih_l{level}" in state_dict:
        outputs = []
        for suffix in ("", "_reverse"):
            end = f"l{level}{suffix}"
            if f"weight_ih_{end}" in state_dict:
                names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
                weights = [state_dict.get(f"{name}_{end}") for name in names]
                step = torch_step(mode, *weights)
                zeros = [np.zeros((len(x), 4))] * (2 if mode == "LSTM" else 1)
                back = bool(suffix)
                run, _ = over_time(step, x, zeros, go_backwards=back)
                outputs.append(run[:, ::-1] if back else run)
        x, level = np.concatenate(outputs, -1), level + 1
    return x


SHAPES = [
    {"num_layers": n, "bidirectional": b, "bias": bias}
    for n, b, bias in [(1, False, True), (1, True, False), (3, False, False), (2, True, True)]
]
# Each mode with two of the shapes, each shape with two of the modes.
each_module = pytest.mark.parametrize(
    ("mode", "shape"),
    [*in_turn([*TORCH_GATES], SHAPES), *in_turn([*TORCH_GATES], SHAPES[1:] + SHAPES[:1])],
)


@each_module
def test_layers_from_pytorch_compute_its_equations(mode, shape):
    state_dict = make_state_dict(mode, **shape, prefix="encoder.rnn.")
    state_dict["encoder.dense.weight"] = np.ones((2, 2))
    layers = from_torch_state_dict(state_dict, mode, prefix="encoder.rnn.")
    assert len(layers) == shape["num_layers"]
    x = sample()
    for layer in layers:
        x = layer(x)
    bare = {key.removeprefix("encoder.rnn."): value for key, value in state_dict.items()}
    assert_same(x, run_torch(mode, bare, sample()))


@each_module
def test_state_dicts_go_round(mode, shape):
    """Exactly, up to the two biases that become one: their sum is kept."""
    state_dict = make_state_dict(mode, **shape, prefix="rnn.")
    layers = from_torch_state_dict(state_dict, mode, prefix="rnn.")
    back = to_torch_state_dict(layers, prefix="rnn.")
    assert list(back) == list(state_dict)
    for key, value in state_dict.items():
        if "bias" in key and mode != "GRU":
            other = state_dict[key.replace("bias_ih", "bias_hh")]
            value = value + other if "bias_ih" in key else np.zeros_like(value)
        np.testing.assert_array_equal(back[key], value, err_msg=key)
    again = from_torch_state_dict(back, mode, prefix="rnn.")
    for ours, expected in zip(again, layers, strict=True):
        for a, b in zip(ours.get_weights(), expected.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


@each_module
def test_pytorch_itself_agrees(mode, shape):
    torch = pytest.importorskip("torch")
    kind, _, nonlinearity = mode.lower().partition("_")
    options = {"nonlinearity": nonlinearity} if nonlinearity else {}
    module = getattr(torch.nn, kind.upper())(3, 4, batch_first=True, **shape, **options)
    with torch.no_grad():
        expected = module(torch.from_numpy(sample()))[0].numpy()
        layers = from_torch_state_dict(module.state_dict(), module.mode)
        x = sample()
        for layer in layers:
            x = layer(x)
        assert_same(x, expected)
        arrays = to_torch_state_dict([randomize(layer) for layer in layers])
        module.load_state_dict({key: torch.from_numpy(a) for key, a in arrays.items()})
        x = sample()
        for layer in layers:
            x = layer(x)
        assert_same(x, module(torch.from_numpy(sample()))[0].numpy())


def without(key, state_dict):
    return {k: v for k, v in state_dict.items() if k != key}


@pytest.mark.parametrize(
    ("state_dict", "mode", "words"),
    [
        (make_state_dict("LSTM"), "lstm", ["`mode`", "RNN_TANH", "'lstm'"]),
        (make_state_dict("LSTM"), "GRU", ["'weight_hh_l0'", "(12, 4)", "(16, 4)", "'GRU'"]),
        (make_state_dict("GRU", prefix="rnn."), "GRU", ["'weight_hh_l0'", "rnn.weight_hh_l0"]),
        ({}, "GRU", ["'weight_hh_l0'", "none"]),
        (
            make_state_dict("LSTM") | {"weight_hr_l0": np.ones((2, 4))},
            "LSTM",
            ["weight_hr_l0", "proj_size"],
        ),
        (
            make_state_dict("LSTM") | {"weight_ih_l0": np.ones((16,))},
            "LSTM",
            ["'weight_ih_l0'", "(16, any)", "(16,)"],
        ),
        (
            make_state_dict("GRU", 2) | {"weight_ih_l1": np.ones((12, 5))},
            "GRU",
            ["'weight_ih_l1'", "(12, 4)", "(12, 5)"],
        ),
        (
            make_state_dict("GRU", bidirectional=True) | {"weight_ih_l0_reverse": np.ones((12, 5))},
            "GRU",
            ["'weight_ih_l0_reverse'", "(12, 3)", "(12, 5)"],
        ),
        (without("bias_hh_l0", make_state_dict("GRU")), "GRU", ["'bias_hh_l0'"]),
        (without("bias_ih_l0", make_state_dict("GRU")), "GRU", ["bias_hh_l0", "same keys"]),
        (
            without("weight_ih_l1", make_state_dict("GRU", 3, bias=False)),
            "GRU",
            ["weight_hh_l1", "weight_ih_l2", "same keys"],
        ),
        (
            without("weight_hh_l1_reverse", make_state_dict("GRU", 2, bidirectional=True)),
            "GRU",
            ["'weight_hh_l1_reverse'"],
        ),
    ],
)
def test_a_state_dict_that_does_not_fit_is_refused(state_dict, mode, words):
    with refused(*words):
        from_torch_state_dict(state_dict, mode)


def built(layer, features=3):
    layer.build((None, None, features))
    return layer


@pytest.mark.parametrize(
    ("layers", "word"),
    [
        (lambda: rnnlayers.LSTM(4), "built"),
        (lambda: built(rnnlayers.GRU(4, reset_after=False)), "gates"),
        (lambda: built(rnnlayers.LSTM(4, activation="relu")), "gates"),
        (lambda: built(rnnlayers.Elman(4, activation="sigmoid")), "gates"),
        (lambda: built(keras.layers.LSTM(4)), "gates"),
        (lambda: built(rnnlayers.LSTM(4, go_backwards=True)), "go_backwards=False"),
        (lambda: built(rnnlayers.Bidirectional(rnnlayers.GRU(4), "sum")), "concat"),
        (lambda: [built(rnnlayers.GRU(4)), built(rnnlayers.GRU(5), 4)], "alike"),
        (lambda: [built(rnnlayers.GRU(4)), built(rnnlayers.LSTM(4), 4)], "alike"),
        (lambda: [built(rnnlayers.GRU(4)), built(rnnlayers.GRU(4, use_bias=False), 4)], "alike"),
        (lambda: [built(rnnlayers.GRU(4)), built(rnnlayers.GRU(4), 3)], "4 features"),
    ],
)
def test_what_pytorch_cannot_compute_is_refused(layers, word):
    with refused("`layers`", word):
        to_torch_state_dict(layers())


def test_the_examples_in_the_documentation():
    names = {"np": np, "keras": keras, "rnnlayers": rnnlayers}
    page = Path(rnnlayers.__file__).parents[1] / "docs" / "conventions.md"
    for result in (
        doctest.testfile(str(page), module_relative=False),
        doctest.testmod(sys.modules[from_keras.__module__], extraglobs=names),
    ):
        assert result.attempted
        assert not result.failed
