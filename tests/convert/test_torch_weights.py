"""PyTorch's weights: the layers made of them compute its equations, and they go round."""

import importlib

import keras
import numpy as np
import pytest

import rnnlayers
from rnnlayers.convert import from_torch_state_dict, to_torch_state_dict
from tests.cases import in_turn, randomize, sample
from tests.equations import ACTIVATIONS, cut, over_time
from tests.numbers import assert_same, refused

# The equations of the documentation of torch.nn.RNN, LSTM and GRU, in its letters.

TORCH_GATES = {"RNN_TANH": "h", "RNN_RELU": "h", "LSTM": "ifgo", "GRU": "rzn"}


def torch_step(mode, W_i, W_h, b_i=None, b_h=None, W_r=None):
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
            h = sigmoid(total["o"]) * tanh(c)
            return h if W_r is None else h @ W_r.T, c
        if mode == "GRU":
            r, z = sigmoid(total["r"]), sigmoid(total["z"])
            n = tanh(of_input["n"] + r * of_past["n"])
            return ((1 - z) * n + z * h,)
        return ((tanh if mode == "RNN_TANH" else relu)(total["h"]),)

    return step


def make_state_dict(
    mode, num_layers=1, bidirectional=False, bias=True, proj_size=0, prefix="", dtype="float32"
):
    """Return a random state dict of a module with 3 features and 4 units."""
    rng, width = np.random.default_rng(3), 4 * len(TORCH_GATES[mode])
    height = proj_size or 4
    shapes = {}
    for level in range(num_layers):
        for suffix in ("", "_reverse")[: 1 + bidirectional]:
            features = height * (1 + bidirectional) if level else 3
            shapes[f"weight_ih_l{level}{suffix}"] = (width, features)
            shapes[f"weight_hh_l{level}{suffix}"] = (width, height)
            if bias:
                shapes[f"bias_ih_l{level}{suffix}"] = (width,)
                shapes[f"bias_hh_l{level}{suffix}"] = (width,)
            if proj_size:
                shapes[f"weight_hr_l{level}{suffix}"] = (proj_size, 4)
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
                names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
                weights = [state_dict.get(f"{name}_{end}") for name in names]
                step = torch_step(mode, *weights)
                sizes = (weights[1].shape[1], 4)[: 2 if mode == "LSTM" else 1]
                zeros = [np.zeros((len(x), size)) for size in sizes]
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
    [
        *in_turn([*TORCH_GATES], SHAPES),
        *in_turn([*TORCH_GATES], SHAPES[1:] + SHAPES[:1]),
        *(("LSTM", {**shape, "proj_size": 2 + 4 * n}) for n, shape in enumerate(SHAPES[2:])),
    ],
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
            ["'weight_hr_l0'", "(4, 4)", "(2, 4)"],
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
        (
            without("weight_hr_l1", make_state_dict("LSTM", 2, proj_size=2)),
            "LSTM",
            ["'weight_hr_l1'"],
        ),
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
        (lambda: built(rnnlayers.ProjectedLSTM(4, 2, peephole=True)), "gates"),
        (lambda: [built(rnnlayers.LSTM(4)), built(rnnlayers.ProjectedLSTM(4, 4), 4)], "alike"),
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


def test_the_standard_forms_are_those_cells_alone():
    """A cell that computes something else must not be taken for a standard network."""
    forms = {
        "LSTM": [rnnlayers.LSTMCell(4), rnnlayers.LSTMCell(4, use_bias=False)],
        "GRU": [rnnlayers.GRUCell(4)],
        "RNN_RELU": [rnnlayers.ElmanCell(4, "relu")],
        None: [
            rnnlayers.LSTMCell(4, "relu"),
            rnnlayers.GRUCell(4, recurrent_activation="hard_sigmoid"),
            rnnlayers.PeepholeLSTMCell(4),
            rnnlayers.ProjectedLSTMCell(4, 2, layer_norm=True),
            type("Mine", (rnnlayers.LSTMCell,), {})(4),
            None,
        ],
    }
    for mode, cells in forms.items():
        for cell in cells:
            assert getattr(rnnlayers.standard_form(cell), "mode", None) == mode, cell


@pytest.mark.parametrize("place", ["convert", "accelerate"])
def test_the_old_place_of_a_function_is_still_there(place):
    name = {"convert": "from_keras", "accelerate": "accelerate"}[place]
    old = importlib.import_module(f"rnnlayers.layers.{place}")
    with pytest.deprecated_call(match=r"rnnlayers\.convert"):
        assert getattr(old, name) is getattr(rnnlayers.convert, name)
