"""A layer gives its numbers from any thread, after a fork, eagerly, with deterministic operators.

The numbers are those of the equations in NumPy, and the gradients those of the stepwise engine.
"""

import functools
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import rnnlayers
from rnnlayers.engines.native import library
from tests import equations
from tests.cases import randomize, sample
from tests.numbers import assert_same, differentiate

HAS_BINARY = not isinstance(library.load(), str)
needs_binary = pytest.mark.skipif(not HAS_BINARY, reason="the native engine is not built")
each_engine = pytest.mark.parametrize(
    "engine", [pytest.param("native", marks=needs_binary), "compiled"]
)
OPTIONS = {"units": 4, "return_sequences": True}
LAYERS = {
    "elman": lambda **options: rnnlayers.Elman(**OPTIONS, **options),
    "lstm": lambda **options: rnnlayers.LSTM(**OPTIONS, **options),
    "gru": lambda **options: rnnlayers.GRU(**OPTIONS, **options),
    "bidirectional": lambda **options: rnnlayers.Bidirectional(
        rnnlayers.LSTM(**OPTIONS, **options)
    ),
}
each_layer = pytest.mark.parametrize("name", LAYERS)


def results(name, engine):
    """Return the outputs of a layer and all gradients, as NumPy arrays."""
    layer = randomize(LAYERS[name](engine=engine))
    outputs, gradients = differentiate(layer, tf.constant(sample()))
    return [array.numpy() for array in (*outputs, *gradients)]


@functools.cache
def expected(name):
    """Return the same by the equations and the stepwise engine."""
    layer = randomize(LAYERS[name](engine="stepwise"))
    found = [sample(), *results(name, "stepwise")]
    parts = [layer]
    if name == "bidirectional":
        parts = [layer.forward_layer, layer.backward_layer]
    outputs = []
    for part in parts:
        step = equations.bind(getattr(equations, type(part).__name__.lower()), part.cell)
        states = [np.zeros((6, 4))] * (2 if isinstance(part, rnnlayers.LSTM) else 1)
        output, _ = equations.over_time(step, found[0], states, go_backwards=part.go_backwards)
        outputs.append(output[:, ::-1] if part.go_backwards else output)
    return [np.concatenate(outputs, -1), *found[2:]]


@each_engine
@each_layer
def test_functions_run_eagerly(name, engine, eagerly):
    assert_same(results(name, engine), expected(name))


@each_engine
@each_layer
def test_eight_threads_call_one_layer(name, engine, eagerly):
    layer, found = randomize(LAYERS[name](engine=engine)), {}

    def call(number):
        for _ in range(3):
            found[number] = differentiate(layer, tf.constant(sample()))

    threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == len(threads)
    for results_of_one in found.values():
        assert_same([*results_of_one[0], *results_of_one[1]], expected(name))


# Each process writes what it has computed; a fork is made after everything has been imported.
FRESH = """
import os, sys

import keras
import numpy as np
import tensorflow as tf
from tests.layers.test_surroundings import LAYERS, results

way, engines, path = sys.argv[1], sys.argv[2].split(","), sys.argv[3]
if way == "deterministic":
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(1)
child = os.fork() if way == "fork" else None
arrays = {
    f"{name} {engine} {place:02}": array
    for engine in engines
    for name in LAYERS
    for place, array in enumerate(results(name, engine))
}
np.savez(f"{path}_{'child' if child == 0 else 'parent'}.npz", **arrays)
if child:
    _, status = os.waitpid(child, 0)
    sys.exit(os.waitstatus_to_exitcode(status))
os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.parametrize("way", ["fork", "deterministic"])
def test_a_fresh_process(tmp_path, way):
    if way == "fork" and not hasattr(os, "fork"):
        pytest.skip("no fork")
    engines = ["native", "compiled"] if HAS_BINARY else ["compiled"]
    command = [sys.executable, "-c", FRESH, way, ",".join(engines), str(tmp_path / "found")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    files = sorted(tmp_path.iterdir())
    assert len(files) == (2 if way == "fork" else 1)
    for file in files:
        arrays = np.load(file)
        for name in LAYERS:
            for one in engines:
                keys = sorted(key for key in arrays if key.startswith(f"{name} {one} "))
                assert_same([arrays[key] for key in keys], expected(name))


@pytest.mark.slow
def test_memory_of_the_compiled_engine_stays_level_while_lengths_change():
    layer = randomize(rnnlayers.LSTM(16, engine="compiled"), features=8)
    run = tf.function(
        lambda x: differentiate(layer, x, training=True),
        input_signature=[tf.TensorSpec([None, None, 8])],
        autograph=False,
    )
    rng, used = np.random.default_rng(0), []
    for call in range(2000):
        run(tf.ones((4, int(rng.integers(1, 30)), 8)))
        if call in (500, 1999):  # by then every length has been seen
            pages = Path("/proc/self/statm").read_text("utf-8").split()[1]
            used.append(int(pages) * 4096 / 2**20)
    assert used[1] - used[0] < 20, f"{used} MiB after 500 and 2000 calls"
