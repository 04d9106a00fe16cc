"""The layers inside models of every kind, trained, compiled, with shapes that change."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import rnnlayers
from rnnlayers import GRU, LSTM, Bidirectional, Elman
from tests.cases import CORE_TWINS, MASKS, each_core, randomize, sample, sample_states
from tests.numbers import assert_same, differentiate

# Dynamic batch and time, as a traced or exported function has them.
ANY_SHAPE = tf.TensorSpec((None, None, 3), "float32")
ANY_MASK = tf.TensorSpec((None, None), "bool")
ANY_STATE = tf.TensorSpec((None, 4), "float32")


@each_core
@pytest.mark.parametrize(("jit_compile", "go_backwards"), [(False, False), (True, True)])
def test_a_traced_function_equals_eager_mode_at_every_shape(case, jit_compile, go_backwards):
    layer = randomize(
        case.make_layer(return_sequences=True, return_state=True, go_backwards=go_backwards)
    )
    count = len(sample_states(layer))
    traced = tf.function(
        lambda x, states, mask: differentiate(layer, x, states, mask=mask),
        input_signature=[ANY_SHAPE, [ANY_STATE] * count, ANY_MASK],
        jit_compile=jit_compile,
    )
    for batch, timesteps in [(6, 6), (1, 1)] if jit_compile else [(6, 6), (1, 1), (3, 0)]:
        x, mask = sample(batch, timesteps), MASKS["every pattern"][:batch, :timesteps]
        arguments = tf.constant(x), [*map(tf.constant, sample_states(layer, batch))], mask
        assert_same(traced(*arguments), differentiate(layer, *arguments[:2], mask=mask))


@each_core
def test_a_traced_function_without_mask_and_states(case):
    layer = randomize(case.make_layer())
    traced = tf.function(lambda x: differentiate(layer, x), input_signature=[ANY_SHAPE])
    for shape in [(6, 6), (1, 2)]:
        x = tf.constant(sample(*shape))
        assert_same(traced(x), differentiate(layer, x))


def classifier(layer):
    return keras.Sequential([keras.Input((None, 3)), layer, keras.layers.Dense(1)])


FITTED = [
    *(pytest.param(case.make_keras_layer, case.make_layer, id=str(case)) for case in CORE_TWINS),
    pytest.param(
        lambda: keras.layers.Bidirectional(keras.layers.GRU(4)),
        lambda: Bidirectional(GRU(4)),
        id="bidirectional",
    ),
]


@pytest.mark.parametrize(("make_keras_layer", "make_layer"), FITTED)
def test_fit_gives_the_weights_that_keras_gives_compiled_or_not(make_keras_layer, make_layer):
    rng = np.random.default_rng(4)
    data, targets = sample(8, 5), rng.normal(size=(8, 1)).astype("float32")
    start = classifier(randomize(make_layer())).get_weights()
    trained = []
    for make, jit_compile in [
        (make_keras_layer, False),
        (make_layer, False),
        (make_layer, True),
    ]:
        model = classifier(make())
        model.set_weights(start)
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=jit_compile)
        history = model.fit(data, targets, batch_size=4, epochs=3, shuffle=False, verbose=0)
        assert history.history["loss"][-1] < history.history["loss"][0]
        trained.append(model.get_weights())
    keras_weights, plain, compiled = trained
    assert_same(plain, keras_weights)
    assert_same(compiled, keras_weights)


class Tagger(keras.Model):
    """A subclassed model that calls its layers itself."""

    def __init__(self, layer):
        super().__init__()
        self.embedding = keras.layers.Embedding(9, 3, mask_zero=True)
        self.recurrent = Bidirectional(layer)
        self.tags = keras.layers.Dense(2)

    def call(self, words, training=False):
        return self.tags(self.recurrent(self.embedding(words), training=training))


@pytest.mark.parametrize("layer", [LSTM, GRU])
def test_a_subclassed_model_trains_with_masks_and_dropout(layer):
    model = Tagger(layer(4, return_sequences=True, dropout=0.1, recurrent_dropout=0.1))
    model.compile("sgd", "mse")
    words = np.array([[1, 2, 3, 0], [0, 0, 4, 5], [0, 0, 0, 0]])
    before = model.predict(words, verbose=0)
    history = model.fit(words, np.ones((3, 4, 2)), epochs=2, verbose=0)
    assert np.all(np.isfinite(history.history["loss"]))
    assert np.max(np.abs(model.predict(words, verbose=0) - before)) > 0


def translator(layer):
    """An encoder whose states start the decoder, both over padded words."""
    words = keras.Input((None,), dtype="int32")
    target = keras.Input((None,), dtype="int32")
    embedding = keras.layers.Embedding(9, 3, mask_zero=True)
    _, *states = layer(4, return_state=True, name="encoder")(embedding(words))
    outputs = layer(4, return_sequences=True, name="decoder")(
        embedding(target), initial_state=states
    )
    return keras.Model([words, target], outputs)


@pytest.mark.parametrize("layer", [Elman, LSTM, GRU])
def test_states_of_one_layer_start_another_in_a_functional_model(layer):
    model = translator(layer)
    words = np.array([[1, 2, 3, 0], [4, 5, 0, 0]])
    target = np.array([[6, 7, 0], [8, 0, 0]])
    together = model.predict([words, target], verbose=0)
    for row, length in enumerate([3, 2]):
        shown = target[row][target[row] > 0][None]
        alone = model([words[row : row + 1, :length], shown])
        assert_same(together[row : row + 1, : shown.shape[1]], alone)
        # The decoder's words decide, but so do the encoder's.
        other = model([words[row : row + 1, ::-1], shown])
        assert np.max(np.abs(other - alone)) > 1e-3
    again = keras.Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    assert_same(again([words, target]), together)


def test_one_layer_can_be_used_twice_in_a_model():
    shared = GRU(4)
    left, right = keras.Input((None, 3)), keras.Input((5, 3))
    model = keras.Model([left, right], [shared(left), shared(right)])
    first, second = model([sample(6, 5), sample(6, 5)])
    assert_same(first, second)
    assert len(model.weights) == 3


@each_core
@pytest.mark.parametrize("wrap", [lambda cells: cells[0], keras.layers.StackedRNNCells])
def test_the_cells_run_inside_keras_rnn(case, wrap):
    cells = [randomize(case.make_cell()), randomize(case.make_cell(), features=4, seed=1)]
    ours = [rnnlayers.Recurrent(cell, return_sequences=True) for cell in cells]
    theirs = keras.layers.RNN(wrap(cells), return_sequences=True)
    expected = ours[0](sample(), mask=MASKS["every pattern"])
    if isinstance(theirs.cell, keras.layers.StackedRNNCells):
        expected = ours[1](expected, mask=MASKS["every pattern"])
    assert_same(theirs(sample(), mask=tf.constant(MASKS["every pattern"])), expected)


@pytest.mark.parametrize("cell", [rnnlayers.ElmanCell, rnnlayers.LSTMCell])
def test_the_cells_train_inside_keras_rnn(cell):
    cells = [cell(4, dropout=0.1, recurrent_dropout=0.1), cell(4)]
    model = classifier(keras.layers.RNN(cells))
    model.compile("sgd", "mse")
    history = model.fit(sample(8, 3), np.ones((8, 1)), epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"][0])


@pytest.mark.parametrize("persistent", [False, True])
@each_core
def test_several_tapes_around_an_eager_call(case, persistent):
    layer = randomize(case.make_layer())
    x = tf.constant(sample())
    expected = differentiate(layer, x)[1]
    with (
        tf.GradientTape(persistent=persistent) as one,
        tf.GradientTape(persistent=persistent) as other,
    ):
        one.watch(x)
        other.watch(x)
        total = differentiate_total(layer, x)
    sources = [x, *(weight.value for weight in layer.trainable_variables)]
    for tape in (one, other, *([one] if persistent else [])):
        assert_same(tape.gradient(total, sources), expected)


def differentiate_total(layer, x):
    output = layer(x, training=True)
    waves = tf.sin(1.0 + 1.7 * tf.range(tf.size(output), dtype="float32"))
    return tf.reduce_sum(output * tf.reshape(waves, output.shape))


@pytest.mark.parametrize("remat", [None, 3])
@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
@each_core
def test_fit_in_mixed_precision_equals_stepwise(case, dtype, remat):
    trained = []
    for options in ({"engine": "stepwise"}, {"engine": "fused", "remat": remat}):
        keras.utils.set_random_seed(1)
        model = classifier(case.make_layer(dtype=dtype, activation=ops.sin, **options))
        model.compile(keras.optimizers.SGD(0.1), "mse")
        model.fit(sample(timesteps=7), np.ones((6, 1)), epochs=2, verbose=0)
        trained.append(model.get_weights())
    assert_same(*trained, dtype=dtype.removeprefix("mixed_"))


def test_numerics_are_checked_on_the_stepwise_engine():
    layer = randomize(rnnlayers.LSTM(4))
    expected = differentiate(layer, tf.constant(sample()), training=True)
    tf.debugging.enable_check_numerics()
    try:
        assert "check_numerics" in rnnlayers.explain_engine(layer, (6, 6, 3))
        assert_same(differentiate(layer, tf.constant(sample()), training=True), expected)
    finally:
        tf.debugging.disable_check_numerics()
    assert "check_numerics" not in rnnlayers.explain_engine(layer, (6, 6, 3))


@pytest.mark.parametrize("rows", [1, 7, 31, 32, 33, 64])
def test_every_batch_size_of_a_graph_equals_eager_mode(rows):
    layer = randomize(rnnlayers.Bidirectional(rnnlayers.GRU(4, return_sequences=True)))
    traced = tf.function(layer, input_signature=[tf.TensorSpec((None, 6, 3))])
    assert_same(traced(sample(rows)), layer(sample(rows)))
    slopes = tf.function(
        lambda x: differentiate(layer, x), input_signature=[tf.TensorSpec((None, 6, 3))]
    )
    assert_same(slopes(tf.constant(sample(rows))), differentiate(layer, tf.constant(sample(rows))))


FLOAT64 = """
import keras, numpy as np, tensorflow as tf
keras.config.set_floatx("float64")
import rnnlayers
from rnnlayers.decoding import BeamSearch

x, mask = np.ones((2, 5, 3)), np.array([[1, 1, 0, 0, 1], [0, 0, 0, 1, 1]], bool)
for layer in (rnnlayers.Elman, rnnlayers.LSTM, rnnlayers.GRU):
    for engine in ("stepwise", "fused"):
        made = layer(4, return_sequences=True, engine=engine, truncate=2)
        assert made(x, mask=mask).dtype == made(x, training=True).dtype == tf.float64
        tf.function(made, input_signature=[tf.TensorSpec((None, None, 3), "float64")])(x)
for options in ({}, {"attend": "before"}, {"input_feeding": True}):
    cell = rnnlayers.AttentionCell(rnnlayers.GRUCell(8), "additive", **options)
    model = rnnlayers.EncoderDecoder(
        rnnlayers.Bidirectional(rnnlayers.GRU(4, return_sequences=True)),
        keras.layers.Embedding(9, 5), rnnlayers.AttentiveDecoder(cell), keras.layers.Dense(9),
        start_token_id=1, stop_token_id=2, sampling_rate=0.5,
    )
    model((x, np.ones((2, 6))), training=True)
    model.generate(x, BeamSearch(3), max_length=4)
"""


def test_float64_as_the_type_of_keras():
    done = subprocess.run([sys.executable, "-c", FLOAT64], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
