import shutil
import time

import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel


class Arithmetic(tf.Module):
    """Endpoints of every kind that the server has to tell apart."""

    def __init__(self, factor):
        super().__init__()
        self.factor = tf.Variable(float(factor))

    def endpoints(self):
        floats, pairs = tf.TensorSpec([None], tf.float32), tf.TensorSpec([None, None], tf.float32)
        return {
            "serving_default": self._function(self.scale, x=floats),
            "both": self._function(self.both, a=floats, b=floats),
            "sums": self._function(self.sums, x=pairs),
            "echo": self._function(self.echo, text=tf.TensorSpec([None], tf.string)),
            "scalar": self._function(self.scalar, x=tf.TensorSpec([], tf.int32)),
            "classified": self._function(self.classified, inputs=tf.TensorSpec([None], tf.string)),
            "regressed": self._function(self.regressed, inputs=tf.TensorSpec([None], tf.string)),
        }

    @staticmethod
    def _function(function, **signature):
        return tf.function(function).get_concrete_function(**signature)

    def scale(self, x):
        tf.debugging.assert_non_negative(x, "x must not be negative")
        return {"y": self.factor * x}

    def both(self, a, b):
        return {"sum": a + b, "difference": a - b}

    def sums(self, x):
        return {"sum": tf.reduce_sum(x, 1), "squares": x * x}

    def echo(self, text):
        return {"text": text, "length": tf.strings.length(text), "raw_bytes": text}

    def scalar(self, x):
        return {"y": x + 1}

    def _features(self, inputs):
        return tf.io.parse_example(inputs, {"x": tf.io.FixedLenFeature([], tf.float32)})["x"]

    def classified(self, inputs):
        x = self._features(inputs)
        labels = tf.broadcast_to(tf.constant(["low", "high"]), [tf.shape(x)[0], 2])
        return {"classes": labels, "scores": tf.stack([1 - x, x], 1)}

    def regressed(self, inputs):
        return {"outputs": self.factor * self._features(inputs)[:, None]}


METHODS = {"classified": "classify", "regressed": "regress"}


def save(folder, factor):
    """Write a version that multiplies, with the methods that TensorFlow 2 has no way to name."""
    model = Arithmetic(factor)
    staged = folder.with_name(f".{folder.name}")
    tf.saved_model.save(model, str(staged), signatures=model.endpoints())
    file = staged / "saved_model.pb"
    saved = SavedModel.FromString(file.read_bytes())
    for name, method in METHODS.items():
        definition = saved.meta_graphs[0].signature_def[name]
        definition.method_name = f"tensorflow/serving/{method}"
    file.write_bytes(saved.SerializeToString())
    return staged.rename(folder)


@pytest.fixture(scope="session")
def versions(tmp_path_factory):
    """Two versions, which multiply by 2 and by 3, to be copied."""
    folder = tmp_path_factory.mktemp("versions")
    return {number: save(folder / str(number), number + 1) for number in (1, 2)}


@pytest.fixture
def base(tmp_path, versions):
    """The folder of a model with its first version."""
    shutil.copytree(versions[1], tmp_path / "models" / "arithmetic" / "1")
    return tmp_path / "models" / "arithmetic"


def wait_for(condition, seconds=20):
    """Return the value of a condition as soon as it is true."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "the condition did not become true"
        time.sleep(0.02)
    return value
