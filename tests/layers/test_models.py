"""The layers inside models of every kind, trained, compiled, with shapes that change."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import rnnlayers
from rnnlayers import GRU, LSTM, Bidirectional, Elman
from rnnlayers.decoding import BeamSearch
from tests.cases import (
    BY_NAME,
    CORE,
    CORE_TWINS,
    MASKS,
    each_core,
    in_turn,
    randomize,
    sample,
    sample_states,
    some,
)
from tests.numbers import assert_same, differentiate

# Dynamic batch and time, as a traced or exported function has them.
ANY_SHAPE = tf.TensorSpec((None, None, 3), "float32")
ANY_MASK = tf.TensorSpec((None, None), "bool")
ANY_STATE = tf.TensorSpec((None, 4), "float32")


# tests/engines traces every case on the stepwise engine, which runs here.
@pytest.mark.parametrize(
    ("case", "go_backwards", "jit_compile"),
    [
        (CORE[1], True, False),
        *(
            pytest.param(*pair, jit, marks=pytest.mark.slow)
            for pair in in_turn(CORE, [False, True])
            for jit in (False, True)
            if (pair, jit) != ((CORE[1], True), False)
        ),
    ],
)
def test_a_traced_function_equals_eager_mode_at_every_shape(case, go_backwards, jit_compile):
    layer = randomize(
        case.make_layer(return_sequences=True, return_state=True, go_backwards=go_backwards)
    )
    count = len(sample_states(layer))
    traced = tf.function(
        lambda x, states, mask: differentiate(layer, x, states, mask=mask),
        input_signature=[ANY_SHAPE, [ANY_STATE] * count, ANY_MASK],
        jit_compile=jit_compile,
    )
    for batch, timesteps in [(6, 6), (1, 1)] if jit_compile else [(6, 6), (3, 0)]:
        x, mask = sample(batch, timesteps), MASKS["every pattern"][:batch, :timesteps]
        arguments = tf.constant(x), [*map(tf.constant, sample_states(layer, batch))], mask
        assert_same(traced(*arguments), differentiate(layer, *arguments[:2], mask=mask))


def test_a_traced_function_without_mask_and_states():
    layer = randomize(LSTM(4))
    traced = tf.function(lambda x: differentiate(layer, x), input_signature=[ANY_SHAPE])
    x = tf.constant(sample(1, 2))
    assert_same(traced(x), differentiate(layer, x))


def classifier(layer):
    return keras.Sequential([keras.Input((None, 3)), layer, keras.layers.Dense(1)])


FITTED = [
    *(
        pytest.param(
            case.make_keras_layer,
            case.make_layer,
            id=str(case),
            marks=() if str(case) == "lstm" else pytest.mark.slow,
        )
        for case in CORE_TWINS
    ),
    pytest.param(
        lambda: keras.layers.Bidirectional(keras.layers.GRU(4)),
        lambda: Bidirectional(GRU(4)),
        id="bidirectional",
    ),
]


@pytest.mark.parametrize(("make_keras_layer", "make_layer"), FITTED)
@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_fit_gives_the_weights_that_keras_gives(make_keras_layer, make_layer, jit_compile):
    rng = np.random.default_rng(4)
    data, targets = sample(8, 5), rng.normal(size=(8, 1)).astype("float32")
    start = classifier(randomize(make_layer())).get_weights()
    trained = []
    for make, jit in [(make_keras_layer, False), (make_layer, jit_compile)]:
        model = classifier(make())
        model.set_weights(start)
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=jit)
        history = model.fit(data, targets, batch_size=4, epochs=2, shuffle=False, verbose=0)
        assert history.history["loss"][-1] < history.history["loss"][0]
        trained.append(model.get_weights())
    assert_same(*trained)


class Tagger(keras.Model):
    """A subclassed model that calls its layers itself."""

    def __init__(self, layer):
        super().__init__()
        self.embedding = keras.layers.Embedding(9, 3, mask_zero=True)
        self.recurrent = Bidirectional(layer)
        self.tags = keras.layers.Dense(2)

    def call(self, words, training=False):
        return self.tags(self.recurrent(self.embedding(words), training=training))


@pytest.mark.usefixtures("eagerly")
def test_a_subclassed_model_trains_with_masks_and_dropout():
    model = Tagger(LSTM(4, return_sequences=True, dropout=0.1, recurrent_dropout=0.1))
    model.compile("sgd", "mse")
    words = np.array([[1, 2, 3, 0], [0, 0, 4, 5], [0, 0, 0, 0]])
    before = model.predict(words, verbose=0)
    history = model.fit(words, np.ones((3, 4, 2)), verbose=0)
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


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("layer", [Elman, LSTM, GRU])
def test_states_of_one_layer_start_another_in_a_functional_model(layer):
    model = translator(layer)
    words = np.array([[1, 2, 3, 0], [4, 5, 0, 0]])
    target = np.array([[6, 7, 0], [8, 0, 0]])
    together = model([words, target])
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
@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("wrap", [lambda cells: cells[0], keras.layers.StackedRNNCells])
def test_the_cells_run_inside_keras_rnn(case, wrap):
    cells = [randomize(case.make_cell()), randomize(case.make_cell(), features=4, seed=1)]
    ours = [rnnlayers.Recurrent(cell, return_sequences=True) for cell in cells]
    theirs = keras.layers.RNN(wrap(cells), return_sequences=True)
    expected = ours[0](sample(), mask=MASKS["every pattern"])
    if isinstance(theirs.cell, keras.layers.StackedRNNCells):
        expected = ours[1](expected, mask=MASKS["every pattern"])
    assert_same(theirs(sample(), mask=tf.constant(MASKS["every pattern"])), expected)


def test_the_cells_train_inside_keras_rnn():
    cells = [rnnlayers.LSTMCell(4, dropout=0.1, recurrent_dropout=0.1), rnnlayers.ElmanCell(4)]
    model = classifier(keras.layers.RNN(cells))
    model.compile("sgd", "mse")
    history = model.fit(sample(8, 3), np.ones((8, 1)), epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"][0])


# With a derivative written by hand, and with one that is taken automatically.
@pytest.mark.parametrize("layer", [LSTM(4), GRU(4, reset_after=False)], ids=["by hand", "taken"])
def test_several_tapes_around_an_eager_call(layer):
    randomize(layer)
    x = tf.constant(sample())
    sources = [x, *(weight.value for weight in layer.trainable_variables)]
    expected = differentiate(layer, x)[1]
    for persistent in (False, True):
        with (
            tf.GradientTape(persistent=persistent) as one,
            tf.GradientTape(persistent=persistent) as other,
        ):
            one.watch(x)
            other.watch(x)
            total = differentiate_total(layer, x)
        for tape in (one, other, *([one] if persistent else [])):
            assert_same(tape.gradient(total, sources), expected)


def differentiate_total(layer, x):
    output = layer(x, training=True)
    waves = tf.sin(1.0 + 1.7 * tf.range(tf.size(output), dtype="float32"))
    return tf.reduce_sum(output * tf.reshape(waves, output.shape))


HALF = [("mixed_float16", None), ("mixed_bfloat16", 3), ("mixed_float16", 3)]


def assert_fit_equals_stepwise(case, dtype, remat):
    """Fit on both engines, with an activation whose derivative is taken automatically."""
    trained = []
    for options in ({"engine": "stepwise"}, {"engine": "compiled", "remat": remat}):
        keras.utils.set_random_seed(1)
        model = classifier(case.make_layer(dtype=dtype, activation=ops.sin, **options))
        model.compile(keras.optimizers.SGD(0.1), "mse")
        model.fit(sample(timesteps=5), np.ones((6, 1)), batch_size=3, verbose=0)
        trained.append(model.get_weights())
    assert_same(*trained, dtype=dtype.removeprefix("mixed_"))


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(("case", "precision"), some(in_turn(CORE, HALF), 2))
def test_fit_in_mixed_precision_equals_stepwise(case, precision):
    assert_fit_equals_stepwise(case, *precision)


def test_fit_in_mixed_precision_equals_stepwise_where_it_is_compiled():
    assert_fit_equals_stepwise(BY_NAME["lstm"], "mixed_float16", 3)


@pytest.mark.slow
@each_core
@pytest.mark.parametrize("precision", [*HALF, ("mixed_bfloat16", None)])
def test_fit_in_every_mixed_precision_equals_stepwise_where_it_is_compiled(case, precision):
    assert_fit_equals_stepwise(case, *precision)


def test_numerics_are_checked_on_the_stepwise_engine():
    layer, twin = randomize(LSTM(4)), randomize(LSTM(4, engine="stepwise"))
    expected = differentiate(twin, tf.constant(sample()), training=True)
    tf.debugging.enable_check_numerics()
    try:
        assert "check_numerics" in rnnlayers.explain_engine(layer, (6, 6, 3))
        assert_same(differentiate(layer, tf.constant(sample()), training=True), expected)
    finally:
        tf.debugging.disable_check_numerics()
    assert "check_numerics" not in rnnlayers.explain_engine(layer, (6, 6, 3))


# From 32 rows on, multiples of 32 are compiled.
@pytest.mark.parametrize(
    "batches", [(7, 32), pytest.param((1, 31, 33, 64), marks=pytest.mark.slow)], ids=str
)
def test_every_batch_size_of_a_graph_equals_eager_mode(batches):
    layer = randomize(rnnlayers.GRU(4, return_sequences=True))
    signature = [tf.TensorSpec((None, 3, 3))]
    traced = tf.function(layer, input_signature=signature)
    slopes = tf.function(lambda x: differentiate(layer, x), input_signature=signature)
    for rows in batches:
        x = tf.constant(sample(rows, 3))
        assert_same(traced(x), layer(x))
        if rows != 32:  # gradients are compiled for every number of rows
            assert_same(slopes(x), differentiate(layer, x))


@pytest.fixture
def _float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")


@pytest.mark.usefixtures("_float64", "eagerly")
@pytest.mark.parametrize("layer", [Elman, LSTM, GRU])
@pytest.mark.parametrize("engine", ["stepwise", "compiled"])
def test_float64_as_the_type_of_keras(layer, engine):
    x, mask = np.ones((2, 3, 3)), np.array([[1, 0, 1], [0, 0, 1]], bool)
    made = layer(4, return_sequences=True, engine=engine, truncate=2)
    assert made(x, mask=mask).dtype == made(x, training=True).dtype == tf.float64
    tf.config.run_functions_eagerly(False)
    traced = tf.function(made, input_signature=[tf.TensorSpec((None, None, 3), "float64")])
    assert traced.get_concrete_function().structured_outputs.dtype == tf.float64


@pytest.mark.usefixtures("_float64", "eagerly")
@pytest.mark.parametrize("options", [{}, {"attend": "before"}, {"input_feeding": True}], ids=str)
def test_float64_as_the_type_of_keras_in_a_model_that_decodes(options):
    x = np.ones((2, 3, 3))
    model = rnnlayers.EncoderDecoder(
        rnnlayers.Bidirectional(rnnlayers.GRU(4, return_sequences=True)),
        keras.layers.Embedding(9, 5),
        rnnlayers.AttentiveDecoder(
            rnnlayers.AttentionCell(rnnlayers.GRUCell(8), "additive", **options)
        ),
        keras.layers.Dense(9),
        start_token_id=1,
        stop_token_id=2,
        sampling_rate=0.5,
    )
    assert model((x, np.ones((2, 3))), training=True).dtype == tf.float64
    assert model.generate(x, BeamSearch(3), max_length=2).scores.dtype == tf.float32
