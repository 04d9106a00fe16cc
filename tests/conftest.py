"""Every test starts from the same seed and leaves Keras as it found it."""

import os
import subprocess
import types

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import pytest
import tensorflow as tf

from rnnlayers.export import fresh, verify

# The shapes of the tests are small: a second thread would only wait for the first.
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)


def pytest_configure(config):
    """Let the quick suite spend its time on our code, not on making that of TensorFlow faster."""
    if config.option.markexpr == "not slow":
        options = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
        os.environ.setdefault("XLA_FLAGS", options)
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


def pytest_collection_modifyitems(items):
    skipped = {
        "gpu": (not tf.config.list_physical_devices("GPU"), "needs a GPU"),
        "data": ("RNNLAYERS_DATA" not in os.environ, "needs RNNLAYERS_DATA, a folder of data sets"),
        "network": ("RNNLAYERS_NETWORK" not in os.environ, "set RNNLAYERS_NETWORK=1 to run"),
    }
    for item in items:
        for mark, (missing, reason) in skipped.items():
            if missing and item.get_closest_marker(mark):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture
def eagerly():
    """Run functions as they are written: for small shapes faster than to trace and compile them."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def not_eagerly(eagerly):
    """Trace and compile functions after all, in a module whose other tests run them eagerly."""
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def in_process(monkeypatch):
    """Verify exports in this process; tests/export shows once that a fresh process is asked."""

    def run(command, **options):
        fresh.main(*command[-3:])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(verify, "subprocess", types.SimpleNamespace(run=run))
