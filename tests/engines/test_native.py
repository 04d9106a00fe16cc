"""The native engine gives the numbers of the stepwise one, gradients too, and refuses the rest."""

import functools
import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import rnnlayers
from rnnlayers.engines.choose import choose
from rnnlayers.engines.native import build, engine, kinds, library
from rnnlayers.engines.native.engine import native_refuses, run_native
from rnnlayers.engines.stepwise import run_stepwise
from rnnlayers.engines.target import portable
from rnnlayers.engines.threads import thread_count
from tests.cases import MASKS, in_turn, randomize, sample, sample_states, some
from tests.engines.twins import assert_engines_agree, twins
from tests.numbers import assert_same, differentiate, differentiate_twice, refused

needs_binary = pytest.mark.skipif(
    isinstance(library.load(), str), reason="the native engine is not built: make native"
)

CELLS = {
    "elman": rnnlayers.ElmanCell,
    "elman-relu": functools.partial(rnnlayers.ElmanCell, activation="relu"),
    "elman-sigmoid": functools.partial(rnnlayers.ElmanCell, activation="sigmoid", use_bias=False),
    "lstm": rnnlayers.LSTMCell,
    "lstm-no-bias": functools.partial(rnnlayers.LSTMCell, use_bias=False),
    "gru": rnnlayers.GRUCell,
    "gru-no-bias": functools.partial(rnnlayers.GRUCell, use_bias=False),
    "gru-reset-before": functools.partial(rnnlayers.GRUCell, reset_after=False),
    "lstm-coupled": rnnlayers.CoupledLSTMCell,
    "lstm-peephole": rnnlayers.PeepholeLSTMCell,
    "lstm-projected": functools.partial(rnnlayers.ProjectedLSTMCell, projection=3),
    "lstm-projected-peephole": functools.partial(
        rnnlayers.PeepholeLSTMCell, projection=20, use_bias=False
    ),
    "lstm-layer-norm": rnnlayers.LayerNormLSTMCell,
    "lstm-layer-norm-no-bias": functools.partial(rnnlayers.LayerNormLSTMCell, use_bias=False),
    "lstm-original": rnnlayers.OriginalLSTMCell,
    "irnn": rnnlayers.IRNNCell,
    "minimal-gated": rnnlayers.MinimalGatedCell,
    "ugrnn": rnnlayers.UGRNNCell,
    "li-gru": rnnlayers.LiGRUCell,
    "li-gru-tanh-no-bias": functools.partial(
        rnnlayers.LiGRUCell, activation="tanh", use_bias=False
    ),
    "janet": functools.partial(rnnlayers.JANETCell, beta=0.5),
    "light-recurrent": rnnlayers.LightRecurrentCell,
    "star": rnnlayers.STARCell,
    "atr": rnnlayers.ATRCell,
    "sgrn": rnnlayers.SGRNCell,
    "nbrc": rnnlayers.NBRCCell,
    "cfn": rnnlayers.CFNCell,
    "cfn-no-bias": functools.partial(rnnlayers.CFNCell, use_bias=False),
    "ran": rnnlayers.RANCell,
    "min-gru": rnnlayers.MinGRUCell,
    "min-lstm": rnnlayers.MinLSTMCell,
    "trnn": rnnlayers.TRNNCell,
    "qrnn": rnnlayers.QRNNCell,
    "sru": rnnlayers.SRUCell,
    "sru-no-bias": functools.partial(rnnlayers.SRUCell, use_bias=False),
}

each_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS.keys())
ALL = {"return_sequences": True, "return_state": True}
DROPOUT = {"dropout": 0.3, "recurrent_dropout": 0.4, "seed": 5}
EVERY_PATTERN = MASKS["every pattern"]


def native_twins(cell, units=4, **options):
    """Return a layer on the native engine and one of the same weights on the stepwise engine."""
    of_cell = {name: options.pop(name) for name in DROPOUT if name in options}
    if isinstance(cell(units), rnnlayers.LinearCell):
        of_cell.pop("recurrent_dropout", None)

    def make(**of_layer):
        return rnnlayers.Recurrent(cell(units, **of_cell), **of_layer)

    return twins(make, engines=("native", "stepwise"), **options)


@needs_binary
@each_cell
@pytest.mark.parametrize("go_backwards", some([True, False]))
def test_masks_and_states(cell, go_backwards):
    layers, training = native_twins(cell, go_backwards=go_backwards, **ALL), go_backwards
    states = sample_states(layers[0])
    assert_engines_agree(layers, states=states, mask=EVERY_PATTERN, training=training)
    assert_engines_agree(layers, states=states)


OPTIONS = {
    "dropout": ({**ALL, **DROPOUT, "go_backwards": True}, {"mask": EVERY_PATTERN}),
    "zeros": ({"return_sequences": True, "zero_output_for_mask": True}, {"mask": EVERY_PATTERN}),
    "all masked": ({"return_state": True}, {"mask": MASKS["all masked"]}),
    "segments": ({**ALL, **DROPOUT, "truncate": 4, "remat": 2}, {"mask": EVERY_PATTERN}),
    "truncated": ({"truncate": 3, "go_backwards": True}, {"mask": EVERY_PATTERN[:1]}),
    "remade": ({"remat": 5}, {"mask": EVERY_PATTERN}),
}


@needs_binary
@pytest.mark.parametrize(("name", "options"), in_turn(list(CELLS), list(OPTIONS)))
def test_options_in_turn(name, options):
    of_layer, call = OPTIONS[options]
    layers = native_twins(CELLS[name], **of_layer)
    assert_engines_agree(layers, states=sample_states(layers[0]), training=True, **call)


@needs_binary
@pytest.mark.slow
@each_cell
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
@pytest.mark.parametrize("training", [False, True])
def test_all_options_of_all_cells(cell, options, training):
    layers = native_twins(cell, **options[0])
    assert_engines_agree(layers, states=sample_states(layers[0]), training=training, **options[1])


@needs_binary
@pytest.mark.parametrize("training", [True, False])
def test_an_sru_whose_inputs_pass(training):
    layers = native_twins(rnnlayers.SRUCell, features=4, **ALL)
    states, mask = sample_states(layers[0]), EVERY_PATTERN
    assert_engines_agree(layers, sample(features=4), states, mask=mask, training=training)
    call = {"mask": mask[:, :5], "training": training}
    x = tf.constant(sample(timesteps=5, features=4))
    ours, expected = (differentiate_twice(layer, x, None, **call) for layer in layers)
    assert_same(ours, expected)


def gradients_of_a_run(run, cell, inputs, states, **options):
    """Return all that goes out, and the gradients of all that goes in."""
    with tf.GradientTape() as tape:
        tape.watch([inputs, *states])
        outputs, after = run(cell, inputs, states, training=True, **options)
        results = [*([] if outputs is None else [outputs]), *after]
        total = tf.add_n([tf.reduce_sum(tf.sin(1.0 + r) * (n + 1)) for n, r in enumerate(results)])
    sources = [inputs, *states, *(variable.value for variable in cell.trainable_variables)]
    return results, tape.gradient(total, sources, unconnected_gradients="zero")


@needs_binary
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    name=st.sampled_from(sorted(CELLS)),
    batch=st.integers(0, 14),
    time=st.integers(0, 9),
    features=st.integers(1, 40),
    units=st.integers(1, 67),
    masked=st.sampled_from([0.0, 0.2, 0.8]),
    reverse=st.booleans(),
    return_sequences=st.booleans(),
    threads=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_any_size_and_any_mask(
    name, batch, time, features, units, masked, reverse, return_sequences, threads, seed
):
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return tf.constant(rng.normal(size=shape), "float32")

    cell = CELLS[name](units)
    cell.build((batch, features))
    for weight in cell.weights:
        weight.assign(draw(*weight.shape) / weight.shape[0] ** 0.5)
    states = tuple(draw(batch, size) for size in cell.state_sizes)
    mask = tf.constant(rng.random((time, batch, 1)) >= masked) if masked else None
    options = {"mask": mask, "reverse": reverse, "return_sequences": return_sequences}
    inputs = draw(time, batch, features)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "thread_count", lambda: threads)
        ours = gradients_of_a_run(run_native, cell, inputs, states, **options)
    # A layer repeats the outputs of the stepwise engine at masked steps if the cell reads them.
    assume(not cell.reads or (return_sequences and not masked))
    # Layer normalization of one or two units divides by as little as 0.03, and near 1 TensorFlow's
    # tanh is less exact than ours. Anything that is wrong is wrong by far more.
    theirs = gradients_of_a_run(run_stepwise, cell, inputs, states, **options)
    assert_same(ours, theirs, times=30)


@needs_binary
def test_results_do_not_depend_on_the_number_of_threads(monkeypatch):
    layer = randomize(rnnlayers.LSTM(70, engine="native", **ALL), features=30)
    x, results = tf.constant(sample(20, 60, 30)), []
    for threads in (1, 2, 3, 7):
        monkeypatch.setattr(engine, "thread_count", lambda threads=threads: threads)
        results.append(tf.function(differentiate)(layer, x, training=True))
    for other in results[1:]:
        for ours, theirs in zip(*map(tf.nest.flatten, (results[0], other)), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@needs_binary
@pytest.mark.parametrize(
    ("threads", "at_once", "share"), [(2, 2, 1), (3, 2, 2), (1, 2, 1), (4, 1, 4), (0, 0, None)]
)
def test_two_directions_share_the_threads_if_they_run_at_once(threads, at_once, share, monkeypatch):
    for kind, count in (("intra", threads), ("inter", at_once)):
        name = f"get_{kind}_op_parallelism_threads"
        monkeypatch.setattr(tf.config.threading, name, lambda count=count: count)
    cores = len(os.sched_getaffinity(0))
    layer = rnnlayers.Bidirectional(rnnlayers.LSTM(4, engine="native"))
    alone = rnnlayers.LSTM(4, engine="native")
    assert threads_in_graph(layer) == 2 * [share or -(-cores // min(2, cores))]
    assert threads_in_graph(alone) == [threads or cores]
    assert thread_count() == (threads or cores)  # eagerly


def threads_in_graph(layer):
    """Return how many threads each native operator in the graph of a layer may use."""
    call = tf.function(lambda x: layer(x), autograph=False)
    layer.build((2, 5, 3))
    graph = call.get_concrete_function(tf.TensorSpec((2, 5, 3))).graph
    operators = [one for one in graph.get_operations() if one.type == "RnnlayersLayer"]
    return [one.get_attr("threads") for one in operators]


@needs_binary
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_one_graph_runs_lengths_and_batches_of_any_size(name):
    functions = []
    for layer in native_twins(CELLS[name], **ALL):
        signature = [tf.TensorSpec([None, None, 3]), tf.TensorSpec([None, None], "bool")]

        @tf.function(input_signature=signature)
        def run(x, mask, layer=layer):
            return differentiate(layer, x, mask=mask, training=True)

        functions.append(run)
    for batch, timesteps in ((6, 5), (2, 9), (1, 1), (6, 0), (0, 6)):
        x, mask = sample(batch, timesteps), np.resize(EVERY_PATTERN, (batch, timesteps))
        assert_same(functions[0](x, mask), functions[1](x, mask))
    assert functions[0].experimental_get_tracing_count() == 1


@needs_binary
def test_a_long_sequence_remakes_its_gates():
    layers = native_twins(CELLS["lstm"])
    assert_engines_agree(layers, sample(2, 2003), training=True)


# One of each form: one state and two, kernels with parts that are absent, all kinds of products.
FORMS = (
    *("elman", "lstm", "gru", "gru-reset-before", "lstm-projected-peephole", "lstm-layer-norm"),
    *("janet", "star", "cfn", "min-gru", "qrnn", "sru"),
)
OTHERS = [name for name in CELLS if name not in FORMS]


@needs_binary
@pytest.mark.parametrize(
    ("name", "training"), some(in_turn([*FORMS, *OTHERS], [True, False]), len(FORMS))
)
def test_second_derivatives(name, training):
    ours, stepwise = native_twins(CELLS[name], **ALL)
    x, states = tf.constant(sample(timesteps=5)), sample_states(ours)
    # Without states it begins with zeros, which it does not make.
    states = [tf.constant(state) for state in states] if training else None
    call = {"mask": EVERY_PATTERN[:, :5], "training": training}
    expected = differentiate_twice(stepwise, x, states, **call)
    assert_same(differentiate_twice(ours, x, states, **call), expected)


@needs_binary
@pytest.mark.parametrize(("training", "in_graph"), [(True, False), (False, False), (False, True)])
def test_derivatives_in_forward_mode(training, in_graph):
    x, direction, found = tf.constant(sample()), tf.constant(sample(seed=9)), []
    for layer in native_twins(CELLS["lstm"]):
        call = functools.partial(layer, training=training)
        call = tf.function(call, autograph=False) if in_graph else call
        with tf.autodiff.ForwardAccumulator(x, direction) as accumulator:
            outputs = call(x)
        found.append(accumulator.jvp(outputs))
    assert_same(*found)


@needs_binary
def test_gradients_of_a_loop_and_of_a_persistent_tape():
    x, found = tf.constant(sample()), []
    for layer in native_twins(CELLS["gru"]):

        @tf.function(autograph=False)
        def of_loop(x, layer=layer):
            def body(n, total):
                return n + 1, total + tf.reduce_sum(layer(x * tf.cast(n, "float32")) ** 2)

            with tf.GradientTape() as tape:
                tape.watch(x)
                _, total = tf.while_loop(lambda n, _: n < 3, body, (0, 0.0))
            return tape.gradient(total, x)

        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            outputs = layer(x)
            total = tf.reduce_sum(outputs**2)
        weights = [variable.value for variable in layer.trainable_variables]
        found.append([of_loop(x), tape.gradient(outputs, x), tape.gradient(total, weights)])
    assert_same(*found)


@needs_binary
def test_single_steps_in_a_loop_keep_the_shapes_of_the_states():
    ours, stepwise = native_twins(CELLS["lstm"])
    states = [tf.constant(state) for state in sample_states(ours)]

    @tf.function(input_signature=[tf.TensorSpec([None, 3])], autograph=False)
    def three_steps(x):
        def body(n, *before):
            return n + 1, *ours.take_step(x, before)[1]

        return tf.while_loop(lambda n, *_: n < 3, body, (0, *states))[1:]

    x, expected = tf.constant(sample()[:, 0]), states
    for _ in range(3):
        _, expected = stepwise.take_step(x, expected)
    assert_same(three_steps(x), expected)


@needs_binary
@pytest.mark.parametrize(("name", "batch"), in_turn(list(CELLS), [1, 6]))
def test_single_steps(name, batch):
    ours, stepwise = native_twins(CELLS[name], units=32)
    x, states = tf.constant(sample(batch)[:, 0]), sample_states(ours)
    states = [tf.constant(state[:batch]) for state in states]
    expected = stepwise.take_step(x, states)
    assert_same(ours.take_step(x, states), expected)
    in_graph = tf.function(lambda x, states: ours.take_step(x, states), autograph=False)
    assert_same(in_graph(x, states), expected)
    used = {node.type for node in in_graph.get_concrete_function(x, states).graph.get_operations()}
    assert "RnnlayersLayer" in used
    with portable():
        traced = tf.function(lambda x: ours.take_step(x, states), autograph=False)
        used = {node.type for node in traced.get_concrete_function(x).graph.get_operations()}
    assert "RnnlayersLayer" not in used


@needs_binary
def test_inputs_at_masked_steps_do_not_matter():
    layer = randomize(rnnlayers.GRU(4, engine="native", **ALL))
    x, mask = sample(), EVERY_PATTERN
    broken = np.where(mask[..., None], x, np.nan).astype("float32")
    expected = differentiate(layer, tf.constant(x), mask=mask, training=True)
    found = differentiate(layer, tf.constant(broken), mask=mask, training=True)
    assert_same(found, expected)
    assert not np.any(np.isnan(found[1][0]))


@needs_binary
def test_eight_threads_call_one_layer(monkeypatch):
    monkeypatch.setattr(engine, "thread_count", lambda: 4)
    layer = randomize(rnnlayers.LSTM(64, engine="native", **ALL), features=32)
    run = tf.function(lambda x: differentiate(layer, x, training=True), autograph=False)
    inputs = [tf.constant(sample(16, 30, 32, seed=seed)) for seed in range(8)]
    expected, found = [run(x) for x in inputs], {}

    def call(number):
        for _ in range(5):
            found[number] = run(inputs[number])

    threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, results in enumerate(expected):
        assert_same(found[number], results)


@needs_binary
@pytest.mark.slow
def test_memory_stays_level_while_lengths_change():
    layer = randomize(rnnlayers.LSTM(64, engine="native"), features=32)
    signature = [tf.TensorSpec([None, None, 32])]
    run = tf.function(
        lambda x: differentiate(layer, x, training=True), input_signature=signature, autograph=False
    )
    rng, used = np.random.default_rng(0), []
    for call in range(2000):
        run(tf.ones((8, int(rng.integers(1, 200)), 32)))
        if call in (500, 1999):
            pages = Path("/proc/self/statm").read_text("utf-8").split()[1]
            used.append(int(pages) * 4096 / 2**20)
    assert used[1] - used[0] < 20, f"{used} MiB after 500 and 2000 calls"


@needs_binary
def test_fit_and_explain():
    layer = rnnlayers.GRU(4, name="memory")
    sentence = rnnlayers.explain_engine(layer, (None, None, 3), training=False)
    assert sentence.startswith("memory runs on the native engine: ")
    losses = []
    for engine_name in ("auto", "stepwise"):
        keras.utils.set_random_seed(3)
        embedding = keras.layers.Embedding(20, 4, mask_zero=True)
        layer = rnnlayers.Bidirectional(rnnlayers.GRU(4, engine=engine_name))
        model = keras.Sequential([embedding, layer, keras.layers.Dense(1)])
        model.compile("adam", "mse", jit_compile=False)
        rng = np.random.default_rng(0)
        x, y = rng.integers(0, 20, (16, 6)), rng.normal(size=(16, 1))
        how = {"batch_size": 8, "epochs": 2, "shuffle": False, "verbose": 0}
        losses.append(model.fit(x, y, **how).history["loss"])
    assert losses[0][0] != losses[0][1]
    np.testing.assert_allclose(*losses, rtol=1e-5)


def test_the_documents_name_its_cells():
    text = (Path(__file__).parents[2] / "docs" / "engines.md").read_text("utf-8")
    _, _, names = text.partition("The native engine has ")
    named = set(re.findall(r"`(\w+)`", names.partition("activations")[0]))
    assert named == {cell.__name__.removesuffix("Cell") for cell in kinds.CELLS}


@each_cell
def test_cells_whose_outputs_are_no_state_are_known(cell):
    assert (kinds.name_of(cell(4)) in kinds.READ_C) == cell(4).reads


@needs_binary
@pytest.mark.parametrize("bias", [-44.0, -46.0, -60.0])
def test_closed_gates_of_a_min_lstm(bias):
    layers = native_twins(rnnlayers.MinLSTMCell)
    for layer in layers:
        layer.cell.bias.assign([bias] * 8 + [0.1] * 4)
    assert_engines_agree(layers, training=True)


@dataclass
class Scaled:  # which has no hash
    factor: float

    def __call__(self, x):
        return keras.ops.tanh(self.factor * x)


@needs_binary
@pytest.mark.parametrize("layer", ["Elman", "IRNN", "LiGRU", "UGRNN", "GRU", "MinGRU"])
def test_an_activation_without_a_hash(layer):
    layer = getattr(rnnlayers, layer)(3, activation=Scaled(2.0))
    assert "activations" in native_refuses(layer.cell)
    assert layer(sample()).shape == (6, 3)


class OwnStep(rnnlayers.LSTMCell):
    def step(self, x, states, product, constants=()):
        return super().step(x, states, product, constants)


@needs_binary
@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (OwnStep(4), "it has no OwnStep"),
        (rnnlayers.NASCell(4), "it has no NASCell"),
        (rnnlayers.BRCCell(4), "it has no BRCCell"),
        (rnnlayers.UGRNNCell(4, activation="sigmoid"), "activations"),
        (rnnlayers.ATRCell(4, recurrent_activation="tanh"), "activations"),
        (rnnlayers.LSTMCell(4, activation="relu"), "activations"),
        (rnnlayers.LSTMCell(4, recurrent_activation="hard_sigmoid"), "activations"),
        (rnnlayers.GRUCell(4, activation=keras.layers.PReLU()), "activations"),
        (rnnlayers.LSTMCell(4, dtype="float64"), "float32"),
        (rnnlayers.LSTMCell(4, dtype="mixed_bfloat16"), "float32"),
        (rnnlayers.PeepholeLSTMCell(4, layer_norm=True), "normalization together with"),
        (rnnlayers.LayerNormLSTMCell(4, projection=3), "normalization together with"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_it_refuses_what_it_has_not(cell, reason):
    assert reason in native_refuses(cell)
    assert choose(cell, "auto", 2, 5, training=True).engine == "compiled"
    assert choose(cell, "native", 2, 5, training=True).engine == "compiled"


@needs_binary
def test_it_refuses_where_it_cannot_run(monkeypatch, tmp_path):
    cell = rnnlayers.LSTMCell(4)
    assert native_refuses(cell) is None
    with portable():
        assert "export" in native_refuses(cell)
    reasons = []

    @tf.function(jit_compile=True, autograph=False)
    def compiled(x):
        tf.function(lambda: reasons.append(native_refuses(cell)), autograph=False)()
        return x

    @tf.function(input_signature=[tf.TensorSpec([])], autograph=False)
    def saved(x):
        reasons.append(native_refuses(cell))
        return x

    compiled(tf.ones(()))
    module = tf.Module()
    module.saved = saved
    tf.saved_model.save(module, str(tmp_path))
    assert ["XLA" in reasons[0], "export" in reasons[-1]] == [True, True]
    monkeypatch.setenv("RNNLAYERS_NATIVE", "0")
    assert "RNNLAYERS_NATIVE=0" in native_refuses(cell)


def test_all_works_without_the_binary(monkeypatch, tmp_path):
    absent = functools.partial(library.load, tmp_path / "absent.so")
    monkeypatch.setattr(library, "load", absent)
    layer = randomize(rnnlayers.LSTM(4, name="memory"))
    explained = rnnlayers.explain_engine(layer, (2, 5, 3))
    assert explained.startswith("memory runs on the compiled engine")
    assert "Not on native: this installation has no binary" in explained
    asked = randomize(rnnlayers.LSTM(4, engine="native"))
    assert_same(asked(sample()), layer(sample()))
    cell = randomize(rnnlayers.LSTMCell(4))
    with refused("native engine", "no binary"):
        run_native(cell, sample(), sample_states(layer))


def test_a_file_that_is_no_library_is_a_reason(tmp_path):
    (tmp_path / "broken.so").write_text("nothing", "utf-8")
    assert "could not be loaded" in library.load(tmp_path / "broken.so")


def test_a_machine_without_a_compiler_is_told_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    if build.platform.machine() in build.TARGETS and build.sys.platform == "linux":
        assert "no C++ compiler" in build.build(tmp_path / "made.so")
    monkeypatch.setattr(build.platform, "machine", lambda: "toaster")
    assert "toaster" in build.build(tmp_path / "made.so")
    assert not list(tmp_path.iterdir())


@needs_binary
def test_an_argument_that_does_not_fit_is_named():
    cell = randomize(rnnlayers.LSTMCell(4))
    inputs = tf.constant(sample())
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"`c` must be of shape \(6, 4\)"):
        run_native(cell, inputs, (tf.zeros((6, 4)), tf.zeros((5, 4))))
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"`kernel` must be of shape \(2, 16\)"
    ):
        run_native(cell, inputs[..., :2], (tf.zeros((6, 4)), tf.zeros((6, 4))))
    mask = tf.ones((6, 5, 1), "bool")
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"`mask` must be of shape"):
        run_native(cell, inputs, (tf.zeros((6, 4)), tf.zeros((6, 4))), mask=mask)
