"""The engine that is chosen is the one that `explain_engine` names, wherever a layer runs."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnlayers
from rnnlayers.engines.choose import choose
from rnnlayers.engines.target import portable
from tests.cases import MASKS, randomize, sample
from tests.numbers import assert_same, refused


@pytest.fixture(autouse=True)
def _without_the_native_engine(monkeypatch):
    """Let this module test the other engines; test_native.py tests the choice of the native one."""
    monkeypatch.setenv("RNNLAYERS_NATIVE", "0")


def is_compiled(layer, shape, training, **arguments):
    """Return whether the graph of a call holds a part that XLA must compile."""
    run = tf.function(lambda x: layer(x, training=training, **arguments), autograph=False)
    graph = run.get_concrete_function(tf.TensorSpec(shape)).graph.as_graph_def()
    nodes = [*graph.node, *(n for function in graph.library.function for n in function.node_def)]
    return any(node.attr["_XlaMustCompile"].b for node in nodes)


@pytest.mark.parametrize(
    ("engine", "shape", "training", "chosen", "why"),
    [
        ("auto", (None, 5, 3), True, "compiled", "is known"),
        ("auto", (None, None, 3), True, "compiled", "padded"),
        ("auto", (2, 5, 3), False, "compiled", "is known"),
        ("auto", (None, 5, 3), False, "compiled", "multiple of 32 rows; others run stepwise"),
        ("auto", (2, None, 3), False, "stepwise", "changes"),
        ("auto", (2, 0, 3), True, "stepwise", "no step"),
        ("compiled", (2, None, 3), False, "compiled", "engine='compiled'"),
        ("stepwise", (2, 5, 3), True, "stepwise", "engine='stepwise'"),
    ],
)
def test_the_engine_explained_is_the_engine_that_runs(engine, shape, training, chosen, why):
    layer = randomize(rnnlayers.GRU(4, engine=engine, name="memory"))
    sentence = rnnlayers.explain_engine(layer, shape, training)
    assert sentence.startswith(f"memory runs on the {chosen} engine: ")
    assert why in sentence
    assert is_compiled(layer, shape, training) == (chosen == "compiled")


def test_nothing_is_compiled_in_an_export():
    layer = randomize(rnnlayers.GRU(4))
    with portable():
        assert "export" in rnnlayers.explain_engine(layer, (2, 5, 3))
        assert not is_compiled(layer, (2, 5, 3), training=True)
    assert is_compiled(layer, (2, 5, 3), training=True)


def test_nothing_is_compiled_in_an_eager_call_that_is_no_training():
    assert choose(rnnlayers.GRUCell(4), "auto", 2, 5, training=False).engine == "stepwise"
    assert choose(rnnlayers.GRUCell(4), "auto", 2, 5, training=True).engine == "compiled"


def test_nothing_is_compiled_where_functions_run_eagerly():
    tf.config.run_functions_eagerly(True)
    try:
        assert choose(rnnlayers.GRUCell(4), "auto", 2, 5, training=True).engine == "stepwise"
    finally:
        tf.config.run_functions_eagerly(False)


def test_the_old_name_of_the_compiled_engine_is_still_accepted():
    layer = rnnlayers.GRU(4, engine="fused", name="memory")
    assert layer.engine == layer.get_config()["engine"] == "compiled"
    for made in (rnnlayers.GRU, rnnlayers.Recurrent, rnnlayers.AttentiveDecoder):
        inner = {rnnlayers.GRU: 4, rnnlayers.Recurrent: rnnlayers.GRUCell(4)}
        cell = inner.get(made, rnnlayers.AttentionCell(rnnlayers.GRUCell(4)))
        config = {**made(cell, engine="stepwise").get_config(), "engine": "fused"}
        assert made.from_config(config).engine == "compiled"
    layer.engine = "fused"  # set later
    assert rnnlayers.explain_engine(layer, (2, 5, 3)).startswith("memory runs on the compiled")


def test_each_layer_of_a_stack_is_explained():
    stack = rnnlayers.Stack([rnnlayers.GRU(4, engine="compiled"), rnnlayers.LEM(4)], name="deep")
    lines = rnnlayers.explain_engine(stack, (2, 5, 3)).splitlines()
    lower, upper = (layer.name for layer in stack.layers)
    assert lines[0].startswith(f"{lower} runs on the compiled engine: the layer was built with")
    assert lines[1].startswith(f"{upper} runs on the compiled engine: training is compiled")


@pytest.mark.parametrize("training", [True, False])
def test_a_decoder_with_attention_is_explained(training):
    cell = rnnlayers.AttentionCell(rnnlayers.GRUCell(4), "additive")
    decoder = rnnlayers.AttentiveDecoder(cell, name="decoder")
    sentence = rnnlayers.explain_engine(decoder, (2, 5, 3), training)
    assert sentence.startswith("decoder runs on the compiled engine: ")
    assert is_compiled(decoder, (2, 5, 3), training, memory=tf.ones((2, 7, 6)))


def test_a_shape_of_another_rank_cannot_be_explained():
    with refused("`shape`", "(5, 3)"):
        rnnlayers.explain_engine(rnnlayers.GRU(4), (5, 3))


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Dense(4),
        keras.Sequential([rnnlayers.GRU(4)]),
        rnnlayers.Bidirectional(keras.layers.GRU(4, name="theirs")),
    ],
)
def test_a_layer_that_no_engine_runs_cannot_be_explained(layer):
    with refused("`layer`", "received <"):
        rnnlayers.explain_engine(layer, (2, 5, 3))


def losses_of_fit(engine, jit_compile):
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.layers.Embedding(20, 4, mask_zero=True),
            rnnlayers.GRU(4, engine=engine),
            keras.layers.Dense(1),
        ]
    )
    model.compile("adam", "mse", jit_compile=jit_compile)
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 20, (16, 6)), rng.normal(size=(16, 1))
    return model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0).history["loss"]


@pytest.mark.parametrize(
    "jit_compile", [True, *(pytest.param(jit, marks=pytest.mark.slow) for jit in (False, "auto"))]
)
def test_fit_gives_the_losses_of_the_stepwise_engine(jit_compile):
    expected = losses_of_fit("stepwise", False)
    assert expected[0] != expected[1]
    np.testing.assert_allclose(losses_of_fit("auto", jit_compile), expected, rtol=1e-5)


REPLICAS = """
import json, keras, numpy as np, tensorflow as tf
import rnnlayers

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, 2 * [tf.config.LogicalDeviceConfiguration()])

def losses(strategy, engine):
    keras.utils.set_random_seed(3)
    with strategy.scope():
        layer = rnnlayers.LSTM(4, engine=engine)
        model = keras.Sequential([keras.Input((6, 3)), layer, keras.layers.Dense(1)])
        model.compile("sgd", "mse")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(16, 6, 3)), rng.normal(size=(16, 1))
    return model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0).history["loss"]

mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert mirrored.num_replicas_in_sync == 2
print(json.dumps([losses(tf.distribute.get_strategy(), "stepwise"), losses(mirrored, "compiled")]))
"""


@pytest.mark.slow
def test_two_replicas_give_the_losses_of_one_device():
    done = subprocess.run([sys.executable, "-c", REPLICAS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    one, two = json.loads(done.stdout.splitlines()[-1])
    assert one[0] != one[1]
    np.testing.assert_allclose(two, one, rtol=1e-5)


LOADED = """
import sys
sys.modules["keras"] = sys.modules["rnnlayers"] = None  # importing them is an error
import numpy as np, tensorflow as tf
for name in ("compiled", "portable"):
    loaded = tf.saved_model.load(f"{sys.argv[1]}/{name}")
    with np.load(f"{sys.argv[1]}/data.npz") as data:
        answers = loaded.serve(tf.constant(data["x"]), tf.constant(data["mask"]))
    np.save(f"{sys.argv[1]}/{name}.npy", answers)
"""


@pytest.mark.slow
def test_both_kinds_of_saved_model_answer_in_a_fresh_process(tmp_path):
    layer = randomize(rnnlayers.Bidirectional(rnnlayers.LSTM(4, return_sequences=True)))
    x, mask = sample(), MASKS["every pattern"]
    signature = [tf.TensorSpec([None, 6, 3]), tf.TensorSpec([None, 6], "bool")]

    def save(name):
        module = tf.Module()
        module.weights = [variable.value for variable in layer.weights]
        serve = tf.function(lambda x, mask: layer(x, mask=mask), autograph=False)
        module.serve = tf.function(serve, input_signature=signature, autograph=False)
        tf.saved_model.save(module, str(tmp_path / name))
        return (tmp_path / name / "saved_model.pb").read_bytes()

    assert b"_XlaMustCompile" in save("compiled")
    with portable():
        save("portable")
    np.savez(tmp_path / "data.npz", x=x, mask=mask)
    done = subprocess.run([sys.executable, "-c", LOADED, str(tmp_path)], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    for name in ("compiled", "portable"):
        assert_same(np.load(tmp_path / f"{name}.npy"), layer(x, mask=mask))
