"""An accelerated model predicts, trains and saves as the model it was made from."""

import doctest
import json
import sys
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import rnnlayers
from rnnlayers.convert import accelerate, with_keras_layers
from tests.numbers import assert_same, refused

pytestmark = pytest.mark.usefixtures("eagerly")

STOCK = (keras.layers.RNN, keras.layers.Bidirectional)
OURS = (rnnlayers.Recurrent, rnnlayers.Bidirectional)


def make_model():
    """Return a translator that has it all: masks, states, two directions, nesting, sharing."""
    source = keras.Input((None,), name="source", dtype="int32")
    target = keras.Input((None,), name="target", dtype="int32")
    extra = keras.Input((5, 3), name="extra", optional=True)

    tokens = keras.Input((None,), dtype="int32")
    x = layers.Embedding(11, 6, mask_zero=True)(tokens)
    x = layers.SimpleRNN(8, return_sequences=True, name="elman")(x)
    cell = layers.GRUCell(6, reset_after=False)
    x = layers.RNN(cell, return_sequences=True, name="rnn")(x)
    encoder = keras.Model(tokens, x, name="encoder")

    gru = layers.GRU(7, return_sequences=True, go_backwards=True)
    stack = [keras.Input((5, 3)), gru, layers.Dense(6)]
    stack = keras.Sequential(stack, name="stack")

    shared = layers.LSTM(6, return_sequences=True, name="shared")
    dense = layers.Dense(6, name="dense")
    x = layers.Embedding(11, 6, mask_zero=True)(source)
    x = shared(dense(shared(x)))
    x = layers.Bidirectional(layers.GRU(4, return_sequences=True), name="both")(x)
    _, h, c = layers.LSTM(5, return_state=True, name="reader")(x)
    y = dense(encoder(target) + stack(extra))
    y = layers.LSTM(5, return_sequences=True, name="writer")(y, initial_state=[h, c])
    outputs = {"words": layers.Dense(3, name="words")(y), "again": encoder(source), "state": h}
    inputs = {"source": source, "target": target, "extra": extra}
    return randomized(keras.Model(inputs, outputs, name="model"))


def randomized(model):
    rng = np.random.default_rng(5)
    model.set_weights([0.5 * rng.normal(size=w.shape) for w in model.weights])
    return model


def make_data(rows=8):
    rng = np.random.default_rng(6)
    source = rng.integers(1, 11, (rows, 7)).astype("int32")
    source[1, 4:] = source[2, :3] = source[3, 2:4] = source[4] = 0
    target = rng.integers(1, 11, (rows, 5)).astype("int32")
    extra = rng.normal(size=(rows, 5, 3)).astype("float32")
    return {"source": source, "target": target, "extra": extra}


def small(*stack, features=3):
    return randomized(keras.Sequential([keras.Input((None, features)), *stack]))


def all_layers(model):
    """Return all layers that models hold, also the nested models'."""
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from all_layers(layer)


def silently(exchange, model):
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Not exchanged")
        return exchange(model)


def reported(model, *words):
    """Accelerate a model and return it with the lines of the warning, which hold the words."""
    with pytest.warns(UserWarning, match="Not exchanged, or not kept") as caught:
        new = accelerate(model)
    _, *lines = str(caught[-1].message).splitlines()
    assert caught[-1].filename == __file__
    for word in words:
        assert any(word in line for line in lines), (word, lines)
    return new, lines


@pytest.fixture
def sequences():
    return np.random.default_rng(7).normal(size=(4, 6, 3)).astype("float32")


def test_predictions_weights_and_structure_are_the_same():
    model, x = make_model(), make_data()
    fast = silently(accelerate, model)
    assert fast is not model
    assert not any(isinstance(layer, STOCK) for layer in all_layers(fast))
    assert sum(isinstance(layer, OURS) for layer in all_layers(fast)) == 7
    assert [a.name for a in all_layers(fast)] == [b.name for b in all_layers(model)]
    assert [w.name for w in fast.weights] == [w.name for w in model.weights]
    for a, b in zip(fast.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert_same(fast.predict(x, verbose=0), model.predict(x, verbose=0))


def test_shared_layers_stay_shared(sequences):
    """A layer in two nested models, and one of them in the other."""
    shared = layers.LSTM(3, return_sequences=True, name="shared")
    inner = keras.Input((None, 3))
    inner = keras.Model(inner, layers.Dense(3)(shared(inner)), name="inner")
    outer = keras.Sequential(
        [keras.Input((None, 3)), shared, layers.GRU(3), layers.Reshape((1, 3))]
    )
    outer.add(inner)
    inputs = keras.Input((None, 3))
    model = randomized(keras.Model(inputs, [outer(inner(inputs)), shared(inputs)]))
    fast = silently(accelerate, model)
    found = [layer for layer in all_layers(fast) if layer.name == "shared"]
    assert len(found) == 4
    assert len({id(layer) for layer in found}) == 1
    assert isinstance(found[0], rnnlayers.LSTM)
    assert len(fast.weights) == len(model.weights)
    assert_same(fast.predict(sequences, verbose=0), model.predict(sequences, verbose=0))


def test_masks_pass_through_nested_models_as_before():
    inner = keras.Input((None, 3))
    inner = keras.Model(inner, layers.GRU(3, return_sequences=True)(inner))
    inner.supports_masking = True
    tokens = keras.Input((None,), dtype="int32")
    x = inner(layers.Embedding(5, 3, mask_zero=True)(tokens))
    model = randomized(keras.Model(tokens, layers.LSTM(2)(x)))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*does not support masking")
        fast = accelerate(model)
    x = np.array([[1, 2, 0, 0], [0, 3, 4, 1]], "int32")
    assert_same(fast(x), model(x))


def test_undone_it_is_the_model_that_it_was():
    model, x = make_model(), make_data()
    back = silently(with_keras_layers, accelerate(model))
    assert not any(isinstance(layer, OURS) for layer in all_layers(back))
    config, expected = (json.dumps(m.get_config(), sort_keys=True) for m in (back, model))
    assert config == expected
    assert_same(back.predict(x, verbose=0), model.predict(x, verbose=0))


def test_what_has_nothing_to_exchange_is_returned():
    fast = accelerate(make_model())
    assert silently(accelerate, fast) is fast
    plain = small(layers.Dense(2))
    assert silently(accelerate, plain) is plain
    assert silently(with_keras_layers, plain) is plain


def test_training_goes_on_where_it_stood(sequences):
    """Two epochs are one, accelerated, and another: with the momenta and the step's number."""
    x, y = sequences, sequences[:, 0, :2]
    results = []
    for exchange in (lambda model: model, accelerate):
        model = small(layers.Bidirectional(layers.GRU(4, return_sequences=True)), layers.LSTM(2))
        schedule = keras.optimizers.schedules.ExponentialDecay(0.05, 2, 0.5)
        model.compile(keras.optimizers.Adam(schedule), loss="mse", metrics=["mae"])
        model.fit(x, y, batch_size=2, shuffle=False, verbose=0)
        model = exchange(model)
        history = model.fit(x, y, batch_size=2, shuffle=False, verbose=0).history
        results.append(([history["loss"], history["mae"]], model.get_weights()))
    assert_same(results[1], results[0])


def squared(y_true, y_pred):
    return keras.ops.mean(keras.ops.square(y_true - y_pred))


def test_what_compile_set_up_is_kept(sequences):
    model = small(layers.LSTM(2))
    # A loss that is not registered, but at hand.
    model.compile("sgd", loss=squared, jit_compile=False, run_eagerly=True, steps_per_execution=1)
    fast = silently(accelerate, model)
    assert fast.compiled
    assert (fast.run_eagerly, fast.jit_compile) == (True, False)
    x, y = sequences, sequences[:, 0, :2]
    np.testing.assert_allclose(
        fast.evaluate(x, y, verbose=0), model.evaluate(x, y, verbose=0), rtol=1e-5
    )


def test_what_compile_set_up_and_cannot_be_kept_is_reported():
    model = small(layers.LSTM(2))
    model.compile("sgd", loss="mse", metrics=[squared])
    fast, _ = reported(model, "compiled again", "squared")
    assert isinstance(fast.layers[0], rnnlayers.LSTM)
    assert not fast.compiled


def test_mixed_precision_and_its_loss_scale_are_kept(sequences):
    keras.config.set_dtype_policy("mixed_float16")
    model = small(layers.GRU(2), layers.Dense(2, dtype="float32"))
    keras.config.set_dtype_policy("float32")
    model.compile("adam", "mse")
    model.fit(sequences, sequences[:, 0, :2], verbose=0)
    fast = silently(accelerate, model)
    assert [layer.compute_dtype for layer in fast.layers] == ["float16", "float32"]
    assert fast.layers[0].cell.compute_dtype == "float16"
    assert isinstance(fast.optimizer, keras.optimizers.LossScaleOptimizer)
    assert_same(fast.optimizer.variables, model.optimizer.variables)
    predictions = [m.predict(sequences, verbose=0) for m in (fast, model)]
    assert_same(*predictions, "float16")
    fast.fit(sequences, sequences[:, 0, :2], verbose=0)


def test_trainable_flags_are_kept():
    model = make_model()
    model.get_layer("shared").trainable = False
    model.get_layer("encoder").trainable = False
    model.get_layer("encoder").get_layer("elman").trainable = True
    model.get_layer("reader").cell.bias.trainable = False
    flags = [w.trainable for w in model.weights]
    trainable = [w.shape for w in model.trainable_weights]
    fast = accelerate(model)
    assert [w.trainable for w in fast.weights] == flags == [w.trainable for w in model.weights]
    assert [w.shape for w in fast.trainable_weights] == trainable
    assert not fast.get_layer("encoder").trainable
    fast.get_layer("encoder").trainable = True
    assert len(fast.trainable_weights) == len(trainable) + 4


def test_a_stateful_model_goes_on_from_its_states(sequences, not_eagerly):
    inputs = keras.Input(batch_shape=(4, None, 3))
    model = keras.Model(inputs, layers.GRU(2, stateful=True)(inputs))
    model.predict(sequences, batch_size=4, verbose=0)
    fast = silently(accelerate, model)
    results = [m.predict(sequences, batch_size=4, verbose=0) for m in (fast, model)]
    assert_same(*results)


@pytest.mark.parametrize("built", [False, True])
def test_a_model_without_an_input_is_exchanged(built, sequences):
    model = keras.Sequential([layers.LSTM(4, return_sequences=True), layers.Dense(2)], name="late")
    if built:
        model(sequences)
    fast = silently(accelerate, model)
    assert (fast.name, fast.built) == ("late", built)
    assert isinstance(fast.layers[0], rnnlayers.LSTM)
    if built:
        assert_same(fast(sequences), model(sequences))


class Trainer(keras.Model):
    def test_step(self, data):
        return {"own": 0.25}


def test_a_functional_subclass_keeps_its_class(sequences):
    inputs = keras.Input((None, 3))
    model = Trainer(inputs, layers.GRU(2)(inputs))
    model.compile("sgd", "mse")
    fast = silently(accelerate, model)
    assert type(fast) is Trainer
    assert isinstance(fast.layers[-1], rnnlayers.GRU)
    assert fast.evaluate(sequences, verbose=0, return_dict=True) == {"own": 0.25}


def test_time_distributed_layers_are_exchanged():
    inputs = keras.Input((3, 4, 2))
    lines = keras.Sequential([keras.Input((4, 2)), layers.LSTM(5)], name="lines")
    both = layers.Bidirectional(layers.GRU(3))
    model = keras.Model(
        inputs,
        [layers.TimeDistributed(lines)(inputs), layers.TimeDistributed(both, name="td")(inputs)],
    )
    fast = silently(accelerate, randomized(model))
    assert isinstance(fast.get_layer("td").layer, rnnlayers.Bidirectional)
    assert sum(isinstance(layer, STOCK) for layer in all_layers(fast)) == 0
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 2)).astype("float32")
    assert_same(fast.predict(x, verbose=0), model.predict(x, verbose=0))


class Doubled(layers.Layer):
    """A custom layer without a configuration, which nobody could copy."""

    def __init__(self, layer):
        super().__init__()
        self.held = {"deep": [layer]}

    def call(self, x):
        return self.held["deep"][0](x)


def test_other_layers_are_the_same_objects():
    text = layers.TextVectorization(output_sequence_length=4)
    text.adapt(["a b c d", "b c"])  # what it learnt is in no configuration
    inputs = keras.Input((), dtype="string")
    x = layers.Embedding(9, 3, mask_zero=True)(text(inputs))
    x = layers.GRU(4, return_sequences=True)(x)
    x = layers.Lambda(lambda t: 2 * t)(Doubled(layers.BatchNormalization())(x)) + 1.0
    model = keras.Model(inputs, layers.LSTM(2)(x))
    fast = silently(accelerate, model)
    pairs = list(zip(model.layers, fast.layers, strict=True))
    assert [a for a, b in pairs if a is not b] == [a for a, _ in pairs if isinstance(a, STOCK)]
    assert_same(*(m.predict(tf.constant(["a b", "d"]), verbose=0) for m in (fast, model)))


class Sub(keras.Model):
    def __init__(self):
        super().__init__()
        self.lstm = layers.LSTM(2, name="lstm")
        self.stack = keras.Sequential([layers.GRU(3, return_sequences=True, name="gru")])

    def call(self, x):
        return self.lstm(self.stack(x))


class Own(keras.Model):
    """A functional model that makes itself, so that it cannot be made around other layers."""

    def __init__(self, units):
        inputs = keras.Input((None, 3))
        super().__init__(inputs, layers.LSTM(units, name="lstm")(inputs))
        self.units = units


class OwnSequential(keras.Sequential):
    pass


class OwnGRU(layers.GRU):
    pass


@pytest.mark.parametrize("built", [False, True])
def test_a_subclassed_model_is_reported(built, sequences):
    model = Sub()
    if built:
        model(sequences)
    same, lines = reported(model, "lstm: it is inside", "/gru: it is inside", "class Sub")
    assert same is model
    assert len(lines) == 2


def test_a_class_that_would_be_lost_is_reported(sequences):
    inputs = keras.Input((None, 3))
    own = OwnSequential([keras.Input((None, 3)), layers.GRU(2, name="gru")], name="listed")
    outputs = [Own(2)(inputs), own(inputs), layers.GRU(2)(inputs)]
    model = keras.Model(inputs, outputs)
    fast, lines = reported(
        model, "listed/gru: it is inside 'listed' of class OwnSequential", "class Own,"
    )
    assert len(lines) == 2
    assert sum(isinstance(layer, OURS) for layer in fast.layers) == 1
    assert_same(fast(sequences), model(sequences))


@keras.saving.register_keras_serializable(package="tests")
class OwnCell(layers.GRUCell):
    pass


def test_what_has_no_twin_stays_and_is_reported(sequences):
    inputs = keras.Input((6, 3))
    x = layers.RNN([layers.LSTMCell(3), OwnCell(3)], return_sequences=True, name="deep")(inputs)
    x = layers.Bidirectional(layers.RNN([OwnCell(2)], return_sequences=True), name="two")(x)
    x = layers.RNN(rnnlayers.LSTMCell(3), return_sequences=True, name="cell")(x)
    x = OwnGRU(3, return_sequences=True, name="own")(x)
    x = layers.LSTM(3, return_sequences=True)(x)
    images = layers.Reshape((6, 3, 1))(x)
    model = keras.Model(inputs, [x, layers.ConvLSTM1D(2, 2, name="conv")(images)])
    names = ("deep", "two", "cell", "own", "conv")
    fast, lines = reported(randomized(model), *(f"  {name}: " for name in names))
    assert len(lines) == len(names)
    kept = [layer.name for layer in fast.layers if isinstance(layer, STOCK)]
    assert sorted(kept) == sorted(names)
    assert_same(fast(sequences), model(sequences))


def test_what_is_shared_with_a_custom_layer_stays_shared(sequences):
    shared, cell = layers.LSTM(3, return_sequences=True, name="shared"), layers.GRUCell(3)
    inputs = keras.Input((None, 3))
    x = shared(Doubled(shared)(inputs))
    x = layers.RNN(cell, return_sequences=True, name="one")(x)
    x = layers.RNN(cell, name="other")(x)
    model = keras.Model(inputs, [x, layers.GRU(2)(inputs)])
    fast, lines = reported(
        model, "shared: it is inside 'doubled", "one: it shares its 'gru_cell", "other: it shares"
    )
    assert len(lines) == 3
    assert len(fast.weights) == len(model.weights)
    assert_same(fast(sequences), model(sequences))


def test_a_model_is_asked_for():
    with refused("`model`", "keras.Model", "from_keras"):
        accelerate(layers.LSTM(3))


def decoder():
    tokens = keras.Input((None,), dtype="int32")
    x = layers.Embedding(5, 3, mask_zero=True)(tokens)
    zeros = keras.ops.zeros_like(x[:, 0])
    return keras.Model(tokens, layers.LSTM(3)(x, initial_state=[zeros + 0.5, zeros - 0.5]))


def backwards():
    gru = layers.GRU(3, return_sequences=True, go_backwards=True)
    return keras.Sequential([layers.Embedding(5, 3, mask_zero=True), gru, layers.LSTM(3)])


@pytest.mark.parametrize("make", [decoder, backwards])
def test_padding_counts_only_in_keras(make):
    """The two differences that `accelerate` names: Keras computes on padding there."""
    full, padded = (np.array([row], "int32") for row in ([1, 2, 3], [1, 2, 3, 0, 0]))
    model = make()
    model.build((None, None))
    fast = accelerate(randomized(model))
    assert_same(fast(full), model(full))
    assert_same(fast(padded), fast(full))
    assert np.max(np.abs(model(padded) - model(full))) > 0.01


def test_it_is_saved_and_loaded(tmp_path):
    model, x = make_model(), make_data()
    accelerate(model).save(tmp_path / "fast.keras")
    again = keras.models.load_model(tmp_path / "fast.keras")
    assert sum(isinstance(layer, OURS) for layer in all_layers(again)) == 7
    assert_same(again.predict(x, verbose=0), model.predict(x, verbose=0))


def stacked():
    return small(
        layers.Bidirectional(layers.SimpleRNN(3, return_sequences=True)),
        layers.GRU(4, return_sequences=True, dropout=0.1),
        layers.LSTM(2),
    )


def test_saved_weights_load_into_both(tmp_path):
    model = stacked()
    fast = accelerate(model)
    for source, target in ((model, fast), (fast, model)):
        source.save_weights(tmp_path / "a.weights.h5")
        expected = source.get_weights()
        target.set_weights([np.zeros_like(w) for w in expected])
        target.load_weights(tmp_path / "a.weights.h5")
        for a, b in zip(target.get_weights(), expected, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "make", [lambda: layers.SimpleRNN(3), lambda: layers.RNN(layers.LSTMCell(3))]
)
def test_saved_weights_that_do_not_load_fail_loudly(make, tmp_path):
    """Keras names them by class, and these classes have another name here."""
    model = small(make())
    model.save_weights(tmp_path / "a.weights.h5")
    with refused("could not be loaded"):
        accelerate(model).load_weights(tmp_path / "a.weights.h5")


def test_the_example_in_the_documentation():
    names = {"np": np, "keras": keras, "rnnlayers": rnnlayers}
    result = doctest.testmod(sys.modules[accelerate.__module__], extraglobs=names)
    assert result.attempted
    assert not result.failed
