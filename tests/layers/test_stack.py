"""A stack equals its layers called by hand, one after the other."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnlayers
from tests.cases import MASKS, randomize, sample
from tests.numbers import assert_same, evaluate, refused

pytestmark = pytest.mark.usefixtures("eagerly")
CONNECTIONS = {"plain": {}, "residual": {"residual": True}, "highway": {"highway": True}}
each_connection = pytest.mark.parametrize("options", CONNECTIONS.values(), ids=CONNECTIONS)
MASK = MASKS["every pattern"]
X = sample(batch=len(MASK), timesteps=MASK.shape[1])


def layers_of(kind):
    """Return layers of one size above a first one that changes the number of features."""
    if kind == "lstm":
        return [rnnlayers.LSTM(4) for _ in range(4)]
    return [
        rnnlayers.ProjectedLSTM(6, 4),
        rnnlayers.Recurrent(rnnlayers.MinGRUCell(4)),
        rnnlayers.JordanCell(4, hidden_units=6),
    ]


def by_hand(stack, x, mask, initial_state=None):
    """Return all outputs and the final states, from Keras' layers around ours."""
    options = {"return_sequences": True, "return_state": True}
    after, states = [], None if initial_state is None else list(initial_state)
    for number, layer in enumerate(stack.layers):
        alone = type(layer).from_config({**layer.get_config(), **options})
        alone.build((None, None, x.shape[-1]))
        alone.set_weights(layer.get_weights())
        first = None
        if states is not None:
            first = [states.pop(0) for _ in layer.cell.state_names]
        outputs, *new = alone(x, initial_state=first, mask=mask)
        if stack.go_backwards:
            outputs = tf.reverse(outputs, [1])
        after += new
        if number and stack.residual:
            outputs = keras.layers.Add()([outputs, x])
        elif number and stack.highway:
            names = {weight.name: weight.value for weight in stack.weights}
            H, b = (names[f"highway_{kind}_{number + 1}"] for kind in ("kernel", "bias"))
            t = tf.sigmoid(x @ H + b)
            outputs = t * outputs + (1 - t) * x
        x = outputs
    return x.numpy(), after


@each_connection
@pytest.mark.parametrize("kind", ["lstm", "various"])
@pytest.mark.parametrize("go_backwards", [False, True], ids=["forwards", "backwards"])
def test_it_equals_the_layers_called_by_hand(options, kind, go_backwards):
    stack = rnnlayers.Stack(
        layers_of(kind),
        return_sequences=True,
        return_state=True,
        go_backwards=go_backwards,
        **options,
    )
    randomize(stack)
    rng = np.random.default_rng(3)
    states = [rng.normal(size=(len(X), size)).astype("float32") for size in stack.state_sizes]
    for mask, first in ((None, states), (MASK, None)):
        outputs, *after = stack(X, initial_state=first, mask=mask)
        outputs = outputs.numpy()[:, ::-1] if go_backwards else outputs.numpy()
        expected, expected_after = by_hand(stack, X, mask, first)
        assert_same(after, expected_after)
        valid = np.ones(X.shape[:2], bool) if mask is None else mask
        assert_same(outputs[valid], expected[valid])
        last = rnnlayers.Stack.from_config({**stack.get_config(), "return_sequences": False})
        last.build(X.shape)
        last.set_weights(stack.get_weights())
        rows = outputs[:, ::-1] if go_backwards else outputs
        assert_same(last(X, initial_state=first, mask=mask)[0], rows[:, -1])


@each_connection
@pytest.mark.parametrize("name", ["every pattern", "all masked"])
def test_a_masked_step_repeats_the_output_before_it_or_is_zero(options, name):
    """Even NaN at masked steps reaches neither outputs nor gradients."""
    mask = MASKS[name]
    layers = [rnnlayers.GRU(3), rnnlayers.GRU(3)]
    stack = randomize(rnnlayers.Stack(layers, return_sequences=True, **options))
    spoiled = np.where(mask[..., None], X, np.nan).astype("float32")
    outputs, gradients = evaluate(stack, spoiled, mask=mask)
    assert all(np.all(np.isfinite(value)) for value in [*outputs, *gradients])
    clean, clean_gradients = evaluate(stack, np.where(mask[..., None], X, 0), mask=mask)
    assert_same([*outputs, *gradients], [*clean, *clean_gradients])
    zero = rnnlayers.Stack.from_config({**stack.get_config(), "zero_output_for_mask": True})
    zero.build(X.shape)
    zero.set_weights(stack.get_weights())
    zeroed = zero(spoiled, mask=mask).numpy()
    for row, valid in enumerate(mask):
        before = np.zeros(3)
        for step, here in enumerate(valid):
            before = outputs[0].numpy()[row, step] if here else before
            assert_same(outputs[0][row, step], before)
            assert_same(zeroed[row, step], before if here else np.zeros(3))


@each_connection
def test_steps_one_by_one_equal_the_sequence(options):
    stack = randomize(rnnlayers.Stack(layers_of("various"), return_sequences=True, **options))
    states, outputs = stack.get_initial_state(len(X)), []
    for step in range(X.shape[1]):
        output, states = stack.take_step(tf.constant(X[:, step]), states)
        outputs.append(output)
    assert_same(np.stack(outputs, 1), stack(X))


def test_it_is_trained_saved_and_run_in_both_directions(tmp_path):
    stack = rnnlayers.Stack(
        [rnnlayers.LSTM(4, seed=1), rnnlayers.GRUCell(4, seed=2)],
        residual=True,
        dropout=0.2,
        seed=3,
    )
    both = rnnlayers.Bidirectional(stack)
    seeds = [layer.cell.seed for layer in both.backward_layer.layers]
    assert (*seeds, both.backward_layer.seed) == (2, 3, 4)
    model = keras.Sequential([keras.Input((None, 3)), keras.layers.Masking(), both])
    model.add(keras.layers.Dense(1))
    model.compile("adam", "mse")
    x = sample(8)
    losses = model.fit(x, x[:, :1, 0], epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    model.save(tmp_path / "model.keras")
    assert_same(keras.models.load_model(tmp_path / "model.keras")(x), model(x))


def test_dropout_is_between_the_layers():
    stack = rnnlayers.Stack([rnnlayers.GRU(4), rnnlayers.GRU(4)], dropout=0.5, seed=1)
    randomize(stack)
    first = rnnlayers.Stack([stack.layers[0]], dropout=0.5, seed=1)
    assert_same(first(X, training=True), first(X))
    assert np.abs(stack(X, training=True) - stack(X)).max() > 0.01


def test_a_stateful_stack_carries_its_states_on():
    stack = rnnlayers.Stack([rnnlayers.LSTM(4), rnnlayers.GRU(4)], stateful=True)
    randomize(stack, batch=len(X))
    halves = stack(X[:, :3]), stack(X[:, 3:])
    assert len(stack.states) == 3
    stack.reset_state()
    assert_same(stack(X), halves[1])
    states = [np.ones((len(X), size), "float32") for size in stack.state_sizes]
    stack.reset_state(states)
    plain = rnnlayers.Stack([rnnlayers.LSTM(4), rnnlayers.GRU(4)])
    plain.build(X.shape)
    plain.set_weights(stack.get_weights())
    assert_same(stack(X), plain(X, initial_state=states))


def test_the_layers_given_are_patterns():
    layer = randomize(rnnlayers.LSTM(4))
    cell = randomize(rnnlayers.Recurrent(rnnlayers.GRUCell(4)), features=4).cell
    stack = rnnlayers.Stack([layer, cell])
    stack.build((None, None, 3))
    assert stack.layers[0] is not layer
    assert not layer.return_sequences
    assert_same(stack.get_weights(), [*layer.get_weights(), *cell.get_weights()])


@pytest.mark.parametrize("go_backwards", [False, True])
def test_keras_stacked_cells_are_its_twin(go_backwards):
    cells = [keras.layers.LSTMCell(4), keras.layers.GRUCell(5)]
    options = {"return_sequences": True, "go_backwards": go_backwards}
    theirs = randomize(keras.layers.RNN(cells, **options))
    ours = rnnlayers.convert.from_keras(theirs)
    assert type(ours) is rnnlayers.Stack
    assert_same(ours(X, mask=MASK), theirs(X, mask=MASK))
    back = rnnlayers.convert.to_keras(ours)
    assert type(back) is keras.layers.RNN
    assert_same(back(X, mask=MASK), theirs(X, mask=MASK))
    model = keras.Sequential([keras.Input((None, 3)), theirs])
    accelerated = rnnlayers.accelerate(model)
    assert type(accelerated.layers[0]) is rnnlayers.Stack
    again = rnnlayers.convert.with_keras_layers(accelerated)
    assert_same(again(X), model(X))
    for wrong in ({"residual": True}, {"dropout": 0.1}, {"return_state": True}):
        with refused("`layer`", "no twin"):
            rnnlayers.convert.to_keras(rnnlayers.Stack([rnnlayers.LSTM(4)], **wrong))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: rnnlayers.Stack([]), ["`layers`", "[]"]),
        (lambda: rnnlayers.Stack([keras.layers.LSTM(4)]), ["`layers`", "recurrent"]),
        (
            lambda: rnnlayers.Stack([rnnlayers.GRU(4)], residual=True, highway=True),
            ["residual", "highway", "one"],
        ),
        (lambda: rnnlayers.Stack([rnnlayers.GRU(4, go_backwards=True)]), ["go_backwards", "Stack"]),
        (
            lambda: rnnlayers.Stack([rnnlayers.GRU(4), rnnlayers.GRU(5)], residual=True)(X),
            ["`layers`", "4", "5", "layer 2"],
        ),
        (
            lambda: rnnlayers.Stack([rnnlayers.LSTM(4)])(X, initial_state=[np.ones((len(X), 4))]),
            ["`initial_state`", "h, c", "1 tensors"],
        ),
    ],
)
def test_what_does_not_fit_is_refused(make, words):
    with refused(*words):
        make()
