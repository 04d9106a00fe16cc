"""Runs that the first version of each application made go on loading, and answer as they did.

Each folder of `old_runs` is a run of one epoch on the embedded sample, with as few units as
possible. `expected.json` holds inputs and what that version answered. Together their files name
every class that applications register with Keras.
"""

import base64
import importlib
import json
import types
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from apps.common.applications import find_applications
from apps.common.runs import Run

RUNS = Path(__file__).with_name("old_runs")


def load(name):
    """Return the run of an application and what it said."""
    said = json.loads((RUNS / name / "expected.json").read_text())
    return Run.open(RUNS / name), said["inputs"], said["outputs"]


def check(answers, expected):
    for name, values in expected.items():
        answer = answers[name].numpy()
        if answer.dtype == object:
            assert [text.decode() for text in answer.ravel()] == values
        else:
            np.testing.assert_allclose(answer, values, rtol=1e-4, atol=1e-4, err_msg=name)


def test_sentiment():
    from apps.sentiment.app import load_classifier

    run, inputs, outputs = load("sentiment")
    check(load_classifier(run)(tf.constant(inputs["text"])), outputs)


def test_forecasting():
    from apps.forecasting.app import load_forecaster

    run, inputs, outputs = load("forecasting")
    check(load_forecaster(run)(window=tf.constant(inputs["window"])), outputs)


def test_translation():
    from apps.translation.app import load_translator

    run, inputs, outputs = load("translation")
    check(load_translator(run)(tf.constant(inputs["text"])), outputs)


def test_captioning():
    from apps.captioning.app import load_captioner

    run, inputs, outputs = load("captioning")
    images = [base64.b64decode(image) for image in inputs["image"]]
    check(load_captioner(run)(tf.constant(images)), outputs)


def test_textgen():
    from apps.textgen.app import load_generator

    run, inputs, outputs = load("textgen")
    generator = load_generator(run)
    states = generator.named_states(len(inputs["character"]))
    check(generator.step(tf.constant(inputs["character"]), **states), outputs)


def test_recognition():
    from apps.recognition.app import load_recognizer

    run, inputs, outputs = load("recognition")
    given = {name: tf.constant(values) for name, values in inputs.items()}
    check(load_recognizer(run).classify_features(**given), outputs)


NEWER = {"apps.forecasting>Calibration", "apps.recognition>LateClassification"}  # than these runs


@pytest.mark.parametrize("name", find_applications())
def test_training_goes_on_from_an_old_checkpoint(name):
    importlib.import_module(f"apps.{name}.app")
    model = Run(RUNS / name).resumed()
    assert model.optimizer.iterations > 0
    assert model.compiled


def test_a_forecaster_from_before_calibration_can_be_finished():
    from apps.forecasting.networks import choose_weights

    model = Run(RUNS / "forecasting").resumed()
    random = np.random.default_rng(0)

    def counted():
        shapes = {name: (3, *tensor.shape[1:]) for name, tensor in model.input.items()}
        inputs = {name: random.normal(size=shape) for name, shape in shapes.items()}
        targets = random.normal(size=(3, *model.output_shape[1:3], 1))
        yield inputs, targets, np.ones(targets.shape[:3], bool)

    windows = types.SimpleNamespace(counted=counted)
    assert choose_weights(model, windows, windows) is model


def test_every_registered_class_is_in_an_old_run():
    for name in find_applications():
        importlib.import_module(f"apps.{name}.app")
    objects = keras.saving.get_custom_objects()
    registered = {name for name in objects if name.startswith("apps.")}
    held = set().union(*map(names_in, RUNS.rglob("*.keras")))
    assert registered - NEWER
    assert registered - NEWER <= held


def names_in(path):
    """Return the registered names in a `.keras` file."""
    found, open_ = set(), [json.loads(zipfile.ZipFile(path).read("config.json"))]
    while open_:
        value = open_.pop()
        if isinstance(value, dict):
            found.add(value.get("registered_name"))
            if value.get("class_name") == "function":
                found.add(value["config"])
            open_ += value.values()
        elif isinstance(value, list):
            open_ += value
    return found
