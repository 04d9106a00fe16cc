"""What is saved is read in a new process, which knows no more than `import rnnlayers`."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest

import rnnlayers
from rnnlayers import GRU, LSTM, Bidirectional, LSTMCell, Recurrent
from tests.cases import CASES, CORE, MASKS, randomize, sample
from tests.numbers import assert_same

READER = textwrap.dedent(
    """
    import sys, json, pathlib
    import keras, numpy as np
    import rnnlayers

    folder = pathlib.Path(sys.argv[1])
    with np.load(folder / "inputs.npz") as inputs:
        words = inputs["words"]
    results = {}
    for path in sorted(folder.glob("*.keras")):
        results[f"{path.stem}/model"] = keras.saving.load_model(path)(words)
        model = keras.models.model_from_json((folder / f"{path.stem}.json").read_text())
        model.load_weights(folder / f"{path.stem}.weights.h5")
        results[f"{path.stem}/weights"] = model(words)
    np.savez(folder / "results.npz", **results)
    """
)


def recurrent_layers():
    for case in CORE:
        yield case.name, case.make_layer(return_sequences=True, dropout=0.1, seed=1)
    yield "recurrent", Recurrent(LSTMCell(4), go_backwards=True, return_sequences=True)
    yield "bidirectional", Bidirectional(GRU(4, return_sequences=True), merge_mode="ave")
    yield (
        "bidirectional of two",
        Bidirectional(
            LSTM(4, return_sequences=True, dtype="mixed_bfloat16"),
            backward_layer=GRU(3, return_sequences=True, go_backwards=True, seed=4),
        ),
    )
    yield "bidirectional of keras", Bidirectional(keras.layers.GRU(4, return_sequences=True))
    yield "inside keras", keras.layers.Bidirectional(LSTM(4, return_sequences=True))
    yield "cells inside keras", keras.layers.RNN([LSTMCell(4), rnnlayers.GRUCell(3)])


@pytest.mark.slow
def test_models_and_weights_are_read_in_a_new_process(tmp_path):
    words = np.where(MASKS["every pattern"], np.random.default_rng(0).integers(1, 9, (6, 6)), 0)
    np.savez(tmp_path / "inputs.npz", words=words)
    expected = {}
    for name, layer in recurrent_layers():
        model = keras.Sequential([keras.layers.Embedding(9, 3, mask_zero=True), layer])
        model.build((None, None))
        randomize(model)
        model.save(tmp_path / f"{name}.keras")
        model.save_weights(tmp_path / f"{name}.weights.h5")
        (tmp_path / f"{name}.json").write_text(model.to_json())
        expected[name] = model(words)

    root = Path(rnnlayers.__file__).parent.parent
    environment = {**os.environ, "PYTHONPATH": str(root), "TF_CPP_MIN_LOG_LEVEL": "2"}
    process = subprocess.run(
        [sys.executable, "-c", READER, tmp_path],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    with np.load(tmp_path / "results.npz") as results:
        assert len(results) == 2 * len(expected)
        for name, outputs in expected.items():
            assert_same(results[f"{name}/model"], outputs)
            assert_same(results[f"{name}/weights"], outputs)


def test_a_function_of_ones_own_is_read_where_it_is_known(tmp_path):
    case = next(case for case in CASES if case.name == "lstm-callable")
    model = keras.Sequential([keras.Input((None, 3)), randomize(case.make_layer())])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert_same(again(sample()), model(sample()))


@pytest.mark.usefixtures("eagerly")
def test_training_goes_on_after_loading_as_if_never_interrupted(tmp_path):
    def fit(model):
        model.fit(sample(), np.ones((6, 4)), batch_size=3, shuffle=False, verbose=0)

    model = keras.Sequential([keras.Input((None, 3)), randomize(LSTM(4))])
    model.compile("adam", "mse", jit_compile=False)
    fit(model)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    fit(model)
    fit(again)
    assert_same(again.get_weights(), model.get_weights())


def test_a_stateful_layer_is_saved_without_its_states(tmp_path):
    layer = randomize(LSTM(4, stateful=True), batch=6)
    model = keras.Sequential([keras.Input(batch_shape=(6, None, 3)), layer])
    fresh = model(sample())
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert_same(again(sample()), fresh)
    assert np.max(np.abs(model(sample()) - fresh)) > 0.01


def test_every_class_is_registered_under_its_name():
    abstract, old_names = {"Cell", "LinearCell"}, {"RecurrentCell": "GatedCell"}
    for name in {*rnnlayers.__all__} - abstract:
        public = getattr(rnnlayers, name)
        if isinstance(public, type) and issubclass(public, keras.Layer):
            registered = f"rnnlayers>{old_names.get(name, name)}"
            assert keras.saving.get_registered_name(public) == registered
            assert keras.saving.get_registered_object(registered) is public


@pytest.mark.parametrize("layer", [LSTM(4, seed=1), Bidirectional(GRU(4))])
def test_the_configuration_is_plain_json(layer):
    assert json.loads(json.dumps(layer.get_config()))["name"] == layer.name
