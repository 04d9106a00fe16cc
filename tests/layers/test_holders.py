"""Whatever holds a layer, and however it was built: every way to compute uses today's weights.

Keras builds a layer or model that has no `build` of its own by a symbolic run in which variables
stand for their initial values. A graph that was traced there must not be used afterwards.
"""

import copy

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rnnlayers
from tests.cases import BY_NAME, CORE_TWINS, sample, some
from tests.numbers import assert_same

STEPS, FEATURES, UNITS = 5, 3, 4


@keras.saving.register_keras_serializable(package="tests")
class Block(keras.layers.Layer):
    """Holds a layer as in every guide of Keras: no `build`, no `training`."""

    def __init__(self, inner, times=1, **kwargs):
        super().__init__(**kwargs)
        self.inner, self.times = inner, times

    def call(self, inputs):
        return sum(self.inner(inputs * (1.0 + turn)) for turn in range(self.times))

    def get_config(self):
        inner = keras.saving.serialize_keras_object(self.inner)
        return {**super().get_config(), "inner": inner, "times": self.times}

    @classmethod
    def from_config(cls, config):
        inner = keras.saving.deserialize_keras_object(config.pop("inner"))
        return cls(inner, **config)


@keras.saving.register_keras_serializable(package="tests")
class Net(keras.Model):
    """A subclassed model, which may pass `training` on or not."""

    def __init__(self, inner, **kwargs):
        super().__init__(**kwargs)
        self.inner, self.head = inner, keras.layers.Dense(2)

    def call(self, inputs):
        return self.head(self.inner(inputs))

    def get_config(self):
        return {"inner": keras.saving.serialize_keras_object(self.inner)}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config["inner"]))


@keras.saving.register_keras_serializable(package="tests")
class TrainingNet(Net):
    """The same with a `training` argument."""

    def call(self, inputs, training=False):
        return self.head(self.inner(inputs, training=training))


def functional(layer):
    inputs = keras.Input((STEPS, FEATURES))
    return keras.Model(inputs, keras.layers.Dense(2)(layer(inputs)))


HOLDERS = {
    "Sequential": lambda layer: keras.Sequential([layer, keras.layers.Dense(2)]),
    "functional": functional,
    "custom layer": lambda layer: functional(Block(layer)),
    "custom layer in another": lambda layer: functional(Block(Block(layer))),
    "custom layer that shares": lambda layer: functional(Block(layer, times=2)),
    "custom layer in Sequential": lambda layer: keras.Sequential(
        [Block(layer), keras.layers.Dense(2)]
    ),
    "subclassed model": Net,
    "subclassed model with training": TrainingNet,
    "custom layer in a subclassed model": lambda layer: Net(Block(layer)),
    "model in a model": lambda layer: functional(Net(layer)),
}


def fit(model, x):
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(x, np.ones((len(x), 2)), batch_size=2, epochs=1, shuffle=False, verbose=0)


BUILDS = {
    "call": lambda model, x: model(x),
    "call in a graph": lambda model, x: tf.function(model)(tf.constant(x)),
    "Input": lambda model, x: model(keras.Input((STEPS, FEATURES))),
    "Input of any length": lambda model, x: model(keras.Input((None, FEATURES))),
    "build": lambda model, x: model.build((None, STEPS, FEATURES)),
    "predict": lambda model, x: model.predict(x, verbose=0),
    "fit": fit,
}


def evaluate(model, x):
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model.evaluate(x, np.ones((len(x), 2)), batch_size=2, verbose=0)


def gradients(model, x):
    x = tf.convert_to_tensor(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(model(x) ** 2)
    return tape.gradient(total, [x, *(v.value for v in model.trainable_variables)])


def stateless(model, x):
    """Compute with twice the weights, and then with those the model has."""
    state = [v.value for v in model.non_trainable_variables]
    twice, _ = model.stateless_call([2 * v.value for v in model.trainable_variables], state, x)
    return [twice, model(x)]


def stateless_in_a_graph(model, x):
    return tf.function(stateless, autograph=False)(model, tf.constant(x))


def loaded(model, x, path):
    model.save(path / "model.keras")
    return keras.models.load_model(path / "model.keras").predict(x, verbose=0)


def trained(model, x):
    """Train a step, and compute; the weights go back to where they were."""
    weights = model.get_weights()
    fit(model, x)
    after = [model.predict(x, verbose=0), model(x), *model.get_weights()]
    model.set_weights(weights)
    return after


def on_a_batch(model, x):
    model.compile(keras.optimizers.SGD(0.0), "mse")
    y = np.ones((len(x), 2))
    return [model.predict_on_batch(x), model.test_on_batch(x, y), model.train_on_batch(x, y)]


def run_eagerly(model, x):
    model.compile(keras.optimizers.SGD(0.0), "mse", run_eagerly=True)
    history = model.fit(x, np.ones((len(x), 2)), batch_size=len(x), verbose=0).history
    return [history["loss"], model.predict(x, verbose=0)]


WAYS = {
    "eager": lambda model, x, path: model(x),
    "predict": lambda model, x, path: model.predict(x, verbose=0),
    "predict by one": lambda model, x, path: model.predict(x, batch_size=1, verbose=0),
    "tf.function": lambda model, x, path: tf.function(model)(tf.constant(x)),
    "XLA": lambda model, x, path: tf.function(model, jit_compile=True)(tf.constant(x)),
    "evaluate": lambda model, x, path: evaluate(model, x),
    "gradients": lambda model, x, path: gradients(model, x),
    "gradients in a graph": lambda model, x, path: tf.function(gradients)(model, x),
    "stateless_call": lambda model, x, path: stateless(model, x),
    "stateless_call in a graph": lambda model, x, path: stateless_in_a_graph(model, x),
    "on a batch": lambda model, x, path: on_a_batch(model, x),
    "trained": lambda model, x, path: trained(model, x),
    "run_eagerly": lambda model, x, path: run_eagerly(model, x),
    "loaded": loaded,
    "deepcopy": lambda model, x, path: copy.deepcopy(model)(x),
    "in another model": lambda model, x, path: functional_of(model).predict(x, verbose=0),
}


def functional_of(model):
    inputs = keras.Input((STEPS, FEATURES))
    return keras.Model(inputs, model(inputs))


def make_pair(kind, engine):
    """Return a layer of this library and its twin of Keras."""
    if kind == "bidirectional":
        return (
            rnnlayers.Bidirectional(rnnlayers.LSTM(UNITS, engine=engine)),
            keras.layers.Bidirectional(keras.layers.LSTM(UNITS)),
        )
    case = BY_NAME[kind]
    return case.make_layer(UNITS, engine=engine), case.make_keras_layer(UNITS)


def set_random_weights(models, seed):
    rng = np.random.default_rng(seed)
    weights = [0.5 * rng.normal(size=weight.shape) for weight in models[0].get_weights()]
    for model in models:
        model.set_weights(weights)


def check(kind, engine, holder, build, ways, path, rows=3):
    """Check that a holder of our layer does what the same holder of Keras' does."""
    models = [HOLDERS[holder](layer) for layer in make_pair(kind, engine)]
    x = sample(rows, STEPS)
    for model in models:
        BUILDS[build](model, x)
        if not model.weights:  # Keras builds no subclassed model by `build` alone
            model(x)
    for seed, way in enumerate(ways):
        set_random_weights(models, seed)
        assert_same(*(WAYS[way](model, x, path) for model in models))


QUICK = ("Sequential", "functional", "custom layer", "subclassed model", "model in a model")


@pytest.mark.parametrize(
    "holder",
    [pytest.param(h, marks=() if h in QUICK else pytest.mark.slow) for h in HOLDERS],
)
def test_every_holder_uses_the_weights_of_now(holder, tmp_path):
    check("lstm", "auto", holder, "call", ("eager", "predict", "stateless_call"), tmp_path)


@pytest.mark.parametrize(
    ("kind", "holder"),
    [
        ("elman", "custom layer"),
        *(pytest.param("lstm", holder, marks=pytest.mark.slow) for holder in HOLDERS),
    ],
)
def test_every_way_to_compute_uses_the_weights_of_now(kind, holder, tmp_path):
    check(kind, "auto", holder, "call", WAYS, tmp_path)


anything = given(
    kind=st.sampled_from([*(case.name for case in CORE_TWINS), "bidirectional"]),
    engine=st.sampled_from(["auto", "compiled", "stepwise"]),
    holder=st.sampled_from(sorted(HOLDERS)),
    build=st.sampled_from(sorted(BUILDS)),
    ways=st.lists(st.sampled_from(sorted(WAYS)), min_size=2, max_size=3),
    rows=st.sampled_from([1, 3, 32]),
)
FEW = settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.slow
@FEW
@anything
def test_random_holders_built_and_used_at_random(tmp_path_factory, **chosen):
    check(**chosen, path=tmp_path_factory.mktemp("run"))


@pytest.mark.slow
@settings(FEW, max_examples=30)
@anything
def test_many_random_holders_built_and_used_at_random(tmp_path_factory, **chosen):
    check(**chosen, path=tmp_path_factory.mktemp("run"))


def test_a_layer_in_two_models():
    layers = make_pair("gru", "auto")
    both = [(functional(layer), Net(Block(layer))) for layer in layers]
    x = sample(3, STEPS)
    for models in both:
        models[1](x)
        models[0].set_weights([0.3 * np.ones_like(w) for w in models[0].get_weights()])
        models[1].head.set_weights(models[0].layers[-1].get_weights())
    assert_same(*([model.predict(x, verbose=0) for model in models] for models in both))
    (one, other), _ = both
    assert_same(one.predict(x, verbose=0), other.predict(x, verbose=0))


def test_a_clone_does_not_use_the_weights_of_its_model():
    model = functional(rnnlayers.LSTM(UNITS))
    x = sample(3, STEPS)
    model.predict(x, verbose=0)
    clone = keras.models.clone_model(model)
    clone.set_weights([np.zeros_like(weight) for weight in clone.get_weights()])
    assert_same(clone.predict(x, verbose=0), np.zeros((3, 2)))
    assert np.max(np.abs(model.predict(x, verbose=0))) > 0.01


@pytest.mark.parametrize("decoder", some(["fed", "before", "after"]))
def test_a_model_that_decodes_uses_the_weights_of_now(decoder):
    options = {"after": {}, "before": {"attend": "before"}, "fed": {"input_feeding": True}}[decoder]
    model = rnnlayers.EncoderDecoder(
        rnnlayers.GRU(UNITS, return_sequences=True),
        keras.layers.Embedding(9, 5),
        rnnlayers.AttentiveDecoder(rnnlayers.AttentionCell(rnnlayers.GRUCell(6), **options)),
        keras.layers.Dense(9),
        start_token_id=1,
        stop_token_id=2,
    )
    inputs = sample(2, STEPS), np.array([[1, 4, 5], [1, 6, 7]])
    model(inputs)
    model.predict(inputs, verbose=0)
    state = [v.value for v in model.non_trainable_variables]
    model.stateless_call([0 * v.value for v in model.trainable_variables], state, inputs)
    set_random_weights([model], 7)
    expected = model(inputs)
    assert_same(model.predict(inputs, verbose=0), expected)
    encoded = model.encode(inputs[0])
    first, *_ = model.decode_step(tf.constant([1, 1]), encoded.states, model.prepare(encoded))
    assert_same(first, expected[:, 0])
    assert_same(copy.deepcopy(model)(inputs), expected)
