import doctest
import os
import signal
import subprocess
import sys
import threading
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnnlayers
from rnnlayers.export import export_model, saved_model
from tests.export.fake_gpu import gpu_in_sight

SEQUENCES = tf.TensorSpec([None, None, 3])
LABELS = ("negative", "positive")


def made_functional():
    """Masked, bidirectional, stacked, with dropout, which must not be there."""
    inputs = keras.Input((None, 3), name="readings")
    x = keras.layers.Masking()(inputs)
    x = keras.layers.Bidirectional(keras.layers.LSTM(4, return_sequences=True, dropout=0.5))(x)
    x = keras.layers.Dropout(0.5)(x)
    x = keras.layers.Bidirectional(keras.layers.GRU(3), merge_mode="sum")(x)
    return keras.Model(inputs, keras.layers.Dense(2)(x))


class Subclassed(keras.Model):
    """Two inputs by keyword, one of them a mask with holes; two outputs."""

    def __init__(self):
        super().__init__()
        self.recurrent = [keras.layers.GRU(4, return_sequences=True), keras.layers.LSTM(3)]

    def build(self, shape):
        self.recurrent[0].build(shape)
        self.recurrent[1].build((*shape[:2], 4))

    def call(self, x, present):
        steps = self.recurrent[0](x, mask=present)
        return {"steps": steps, "last": self.recurrent[1](steps, mask=present)}


def made_text():
    """Raw strings to tokens to one logit, and the table for the label's name, apart from it."""
    vectorize = keras.layers.TextVectorization()
    vectorize.adapt(["a good film", "a bad film", "not bad at all"])
    model = keras.Sequential(
        [
            keras.Input((), dtype="string"),
            vectorize,
            keras.layers.Embedding(12, 4, mask_zero=True),
            keras.layers.GRU(3),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    names = keras.layers.StringLookup(
        vocabulary=LABELS, invert=True, num_oov_indices=0, mask_token=None
    )
    return model, names


def made_half():
    return keras.Sequential(
        [
            keras.Input((None, 3)),
            keras.layers.LSTM(4, dtype="mixed_bfloat16"),
            keras.layers.Dense(2),
        ]
    )


class Zoo:
    """Every kind of model in one SavedModel, exported where a GPU seems to be."""

    def __init__(self, directory):
        keras.utils.set_random_seed(1)
        self.functional, self.subclassed, self.half = made_functional(), Subclassed(), made_half()
        self.subclassed.build((None, None, 3))
        self.text, self.names = made_text()
        self.cell = keras.layers.LSTMCell(4)
        self.cell.build((None, 3))
        holes = {"x": SEQUENCES, "present": tf.TensorSpec([None, None], tf.bool)}
        state = tf.TensorSpec([None, 4])
        self.endpoints = {
            "serving_default": (self.functional, {"readings": SEQUENCES}),
            "subclassed": (self.subclassed, holes),
            "classify": (self.classify, {"text": tf.TensorSpec([None], tf.string)}),
            "step": (self.step, {"x": tf.TensorSpec([None, 3]), "h": state, "c": state}),
            "half": (self.half, {"x": keras.InputSpec(shape=(None, None, 3), dtype="float32")}),
            "compiled": (tf.function(tf.math.erf, jit_compile=True), {"x": SEQUENCES}),
            "odd": (self.odd, {"x": tf.TensorSpec([None])}),
        }
        probes = {"classify": {"text": ["", "a film, not bad", b"\xff\xfe", "\N{GRINNING FACE}"]}}
        models = [self.functional, self.subclassed, self.text, self.names, self.cell, self.half]
        with gpu_in_sight():
            self.path = export_model(models, directory, self.endpoints, probes)
        self.loaded = tf.saved_model.load(str(self.path))

    def classify(self, text):
        probability = self.text(text)[:, 0]
        return {
            "probability": probability,
            "label": self.names(tf.cast(probability > 0.5, tf.int64)),
        }

    def step(self, x, h, c):
        output, (h, c) = self.cell(x, (h, c))
        return {"output": output, "h": h, "c": c}

    def odd(self, x):
        return {"nan": x * np.nan, "version": tf.constant("v1"), "none": x[:0], "size": tf.size(x)}


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    return Zoo(tmp_path_factory.mktemp("zoo"))


# In a process that sees no GPU: loads a SavedModel, and writes what it answers.
ON_A_CPU = """
import sys, numpy as np, tensorflow as tf
assert not tf.config.list_physical_devices("GPU")
given, answered, path = sys.argv[1:]
answer = tf.saved_model.load(path).signatures["serving_default"]
np.save(answered, answer(x=tf.constant(np.load(given)))["outputs"])
"""


@pytest.mark.gpu
def test_what_is_exported_on_a_gpu_runs_on_a_cpu(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((None, 3)),
            rnnlayers.Bidirectional(rnnlayers.LSTM(4, return_sequences=True, engine="cudnn")),
            rnnlayers.GRU(4, return_sequences=True),
            keras.layers.LSTM(3),
        ]
    )
    x = np.random.default_rng(0).normal(size=(2, 7, 3)).astype("float32")
    path = export_model(model, tmp_path / "model", {"serving_default": (model, {"x": SEQUENCES})})
    given, answered = tmp_path / "given.npy", tmp_path / "answered.npy"
    np.save(given, x)
    subprocess.run(
        [sys.executable, "-c", ON_A_CPU, str(given), str(answered), str(path)],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        check=True,
    )
    np.testing.assert_allclose(np.load(answered), model(x), atol=1e-4)


class TestWhatIsExported:
    @pytest.mark.parametrize(("batch", "timesteps"), [(1, 1), (2, 30), (5, 3)])
    def test_any_batch_and_length_of_masked_sequences(self, zoo, batch, timesteps):
        random = np.random.default_rng(batch)
        x = tf.constant(random.standard_normal((batch, timesteps, 3)), tf.float32)
        x *= tf.constant(random.integers(0, 2, (batch, timesteps, 1)), tf.float32)
        got = zoo.loaded.signatures["serving_default"](readings=x)
        np.testing.assert_allclose(got["outputs"], zoo.functional(x), atol=1e-6)

    def test_inputs_and_outputs_keep_their_names(self, zoo):
        signatures = zoo.loaded.signatures
        assert set(signatures) == set(zoo.endpoints)
        for name, (_, signature) in zoo.endpoints.items():
            assert set(signatures[name].structured_input_signature[1]) == set(signature)
        assert set(signatures["subclassed"].structured_outputs) == {"steps", "last"}
        assert set(signatures["step"].structured_outputs) == {"output", "h", "c"}

    def test_raw_strings(self, zoo):
        text = tf.constant(["a good film", "", "\N{GRINNING FACE} <br/> Café " * 50])
        got = zoo.loaded.signatures["classify"](text=text)
        live = zoo.classify(text)
        np.testing.assert_allclose(got["probability"], live["probability"], atol=1e-6)
        assert set(got["label"].numpy()) <= {label.encode() for label in LABELS}
        assert got["label"].numpy().tolist() == live["label"].numpy().tolist()

    def test_cudnn_is_back_in_the_live_layers(self, zoo):
        assert [layer.use_cudnn for layer in zoo.subclassed.recurrent] == ["auto", "auto"]

    def test_nothing_but_the_version_is_there(self, zoo):
        assert [entry.name for entry in zoo.path.parent.iterdir()] == ["1"]


def test_the_example_in_the_documentation(in_process):
    result = doctest.testmod(saved_model)
    assert result.attempted
    assert not result.failed


def test_one_function_under_two_names_is_traced_once(tmp_path, in_process):
    traces = []

    class Doubler(tf.Module):
        def __call__(self, x):
            traces.append(tf.inside_function())
            return 2 * x

    model = Doubler()
    signature = {"x": tf.TensorSpec([None])}
    other = {"x": tf.TensorSpec([None, 2])}
    endpoints = {"a": (model, signature), "b": (model, dict(signature)), "c": (model, other)}
    loaded = tf.saved_model.load(export_model(model, tmp_path, endpoints))
    assert traces.count(True) == 2
    for name in ("a", "b"):
        np.testing.assert_array_equal(loaded.signatures[name](x=[1.0])["outputs"], [2])
    np.testing.assert_array_equal(loaded.signatures["c"](x=[[1.0, 2]])["outputs"], [[2, 4]])


class TestVersions:
    def test_files_are_added_before_it_appears(self, tmp_path, in_process):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])

        def finish(folder):
            assert (folder / "saved_model.pb").exists()
            assert not (tmp_path / "1").exists()
            (folder / "more.txt").write_text("more")

        path = export_model(model, tmp_path, finish=finish)
        assert (path / "more.txt").read_text() == "more"

        def fail(folder):
            raise OSError("the disk is full")

        with pytest.raises(OSError, match="the disk is full"):
            export_model(model, tmp_path, finish=fail)
        assert [entry.name for entry in tmp_path.iterdir()] == ["1"]

    def test_the_next_number_is_taken_and_old_leftovers_go(self, tmp_path, in_process):
        for name in ("3", "007", "newest", ".export-dead", ".export-alive"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "file").touch()
        (tmp_path / "11.txt").touch()
        two_days_ago = time.time() - 2 * 24 * 3600
        for name in ("3", "newest", ".export-dead"):
            os.utime(tmp_path / name, (two_days_ago, two_days_ago))

        module = tf.Module()
        path = export_model(module, tmp_path, {"double": (lambda x: 2 * x, {"x": SEQUENCES})})

        assert path == tmp_path / "8"
        assert {entry.name for entry in tmp_path.iterdir()} == {
            *("3", "007", "newest", ".export-alive", "11.txt", "8")
        }

    def test_two_at_once_never_get_the_same_number(self, tmp_path):
        exporters = 24
        base = tmp_path / "base"
        base.mkdir()
        start = threading.Barrier(exporters)
        taken = []

        def one(number):
            staged = tmp_path / f"staged-{number}"
            staged.mkdir()
            (staged / "who").write_text(str(number))
            start.wait()
            taken.append((saved_model.publish(staged, base), number))

        threads = [threading.Thread(target=one, args=[number]) for number in range(exporters)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(int(path.name) for path, _ in taken) == list(range(1, exporters + 1))
        assert all((path / "who").read_text() == str(number) for path, number in taken)

    @pytest.mark.slow
    def test_a_kill_in_the_middle_leaves_no_version(self, tmp_path):
        script = f"""
import os, signal, subprocess
import tensorflow as tf
from rnnlayers.export import export_model
subprocess.run = lambda *args, **kwargs: os.kill(os.getpid(), signal.SIGKILL)
export_model(tf.Module(), {str(tmp_path)!r}, {{"f": (tf.tanh, {{"x": tf.TensorSpec([None])}})}})
"""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True)
        assert done.returncode == -signal.SIGKILL
        (left,) = tmp_path.iterdir()
        assert not left.name.isdigit()
        assert (left / "model" / "saved_model.pb").is_file()  # so it was killed after the writing


class TestVerificationFails:
    def test_a_value_that_python_changes(self, tmp_path, in_process):
        calls = []

        def count(x):
            calls.append(x)
            return {"calls": x + len(calls)}

        endpoints = {"count": (count, {"x": tf.TensorSpec([None])})}
        with pytest.raises(RuntimeError, match=r"'count', output 'calls'.*tolerance of 1e-05"):
            export_model(tf.Module(), tmp_path, endpoints)
        assert list(tmp_path.iterdir()) == []

    def test_a_baked_in_batch_size(self, tmp_path, in_process):
        def pad_to_eight(x):
            size = x.shape[0] or 1  # unknown while tracing, and then taken for 1
            return tf.concat([x, tf.zeros([8 - size, 2])], axis=0)

        endpoints = {"pad": (pad_to_eight, {"x": tf.TensorSpec([None, 2])})}
        probes = {"pad": {"x": [[1, 2]]}}  # one row: only the doubled probe can show it
        with pytest.raises(RuntimeError, match=r"x float32 \(2, 2\).*\(8, 2\).*\(9, 2\)"):
            export_model(tf.Module(), tmp_path, endpoints, probes)
        assert list(tmp_path.iterdir()) == []

    def test_state_left_to_the_next_request(self, tmp_path, in_process):
        model = keras.Sequential(
            [keras.Input(batch_shape=(1, 4, 3)), keras.layers.LSTM(2, stateful=True)]
        )
        endpoints = {"serve": (model, {"x": tf.TensorSpec([1, 4, 3])})}
        with pytest.raises(RuntimeError, match=r"'serve', output 'outputs'.*stateful"):
            export_model(model, tmp_path, endpoints)
        assert list(tmp_path.iterdir()) == []


class TestRefused:
    def test_a_lookup_table_that_model_does_not_hold(self, tmp_path):
        names = keras.layers.StringLookup(vocabulary=LABELS)
        endpoints = {"ids": (names, {"text": tf.TensorSpec([None], tf.string)})}
        with pytest.raises(ValueError, match=r"export_model\(\[model, vectorizer\], "):
            export_model(tf.Module(), tmp_path, endpoints)
        assert list(tmp_path.iterdir()) == []

    def test_weights_that_nobody_made(self, tmp_path):
        model = keras.Sequential([keras.layers.GRU(2, name="fresh")])
        with pytest.raises(ValueError, match=r"not built.*'fresh'.*random weights"):
            export_model(model, tmp_path, {"serve": (model, {"x": SEQUENCES})})

    def test_cudnn_in_a_function_that_was_traced_before(self, tmp_path):
        layer = keras.layers.GRU(2)
        layer.build((None, None, 3))
        traced = tf.function(lambda x: layer(x), input_signature=[SEQUENCES])
        with gpu_in_sight():
            traced.get_concrete_function()
        with pytest.raises(ValueError, match=r"'serve'.*CudnnRNN.*traced before"):
            export_model(layer, tmp_path, {"serve": (traced, {"x": SEQUENCES})})

    @pytest.mark.parametrize("model", [None, [], [keras.layers.Dense(1), "dense"], {"a": 1}])
    def test_a_model_that_is_none(self, model, tmp_path):
        with pytest.raises(ValueError, match="model must be a Keras model or layer"):
            export_model(model, tmp_path, {"serve": (tf.tanh, {"x": SEQUENCES})})

    @pytest.mark.parametrize("tolerance", [-1e-5, float("nan"), float("inf"), "small"])
    def test_a_tolerance_that_is_none(self, tolerance, tmp_path):
        with pytest.raises(ValueError, match="`tolerance` must be"):
            export_model(tf.Module(), tmp_path, tolerance=tolerance)

    def test_a_file_for_a_directory(self, tmp_path):
        file = tmp_path / "file"
        file.touch()
        with pytest.raises(ValueError, match="directory must be a folder"):
            export_model(tf.Module(), file)
