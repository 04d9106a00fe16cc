import keras
import numpy as np
import pytest

from apps.common.seq2seq.teacher_forcing import (
    SmoothedCrossentropy,
    compile_with_teacher_forcing,
    padded_length,
    teacher_forcing_batch,
)
from rnnlayers.optimizers import ClipByGlobalNorm

START, STOP = 2, 3


# Sequences


def test_labels_are_one_step_ahead_of_targets():
    sequences = [np.array([7, 8, 9, 7, 8]), np.array([], int), np.array([5])]
    targets, labels = teacher_forcing_batch(sequences, START, STOP)
    assert targets.dtype == labels.dtype == "int32"
    assert targets.tolist() == [[2, 7, 8, 9, 7, 8, 0, 0], [2] + [0] * 7, [2, 5] + [0] * 6]
    assert labels.tolist() == [[7, 8, 9, 7, 8, 3, 0, 0], [3] + [0] * 7, [5, 3] + [0] * 6]


@pytest.mark.parametrize("length", [3, 4, 7, 8, 64, 1023, 1024])
def test_there_is_room_for_the_stop_behind_any_length(length):
    targets, labels = teacher_forcing_batch([np.full(length, 9)], START, STOP)
    assert targets.shape == labels.shape == (1, padded_length(length + 1))
    assert targets[0, : length + 1].tolist() == [START] + [9] * length
    assert labels[0, : length + 1].tolist() == [9] * length + [STOP]


def test_lengths_are_few_and_never_shorter_than_they_must_be():
    lengths = np.arange(1, 5000)
    found = np.array([padded_length(length) for length in lengths])
    assert np.all(found >= lengths)
    assert np.all(np.diff(found) >= 0)
    assert len(set(found)) < 65
    assert np.mean(found[:60] - lengths[:60]) < 4
    for length in set(found):
        assert padded_length(length) == length


# The loss


def formula(labels, logits, smoothing):
    """Returns minus the expected log probability, under the smoothed labels, in float64."""
    logits = logits.astype("float64")
    log_probs = logits - np.log(np.sum(np.exp(logits), -1, keepdims=True))
    smoothed = (1 - smoothing) * np.eye(logits.shape[-1])[labels]
    smoothed += smoothing / logits.shape[-1]
    return -np.sum(smoothed * log_probs, -1)


@pytest.fixture
def answers():
    random = np.random.default_rng(0)
    return random.integers(0, 11, size=(4, 6)), random.normal(size=(4, 6, 11)).astype("float32")


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
def test_the_loss_is_that_of_the_smoothed_labels(answers, smoothing):
    labels, logits = answers
    expected = formula(labels, logits, smoothing)
    loss = SmoothedCrossentropy(smoothing)
    np.testing.assert_allclose(loss.call(labels, logits), expected, rtol=1e-5)
    assert float(loss(labels, logits)) == pytest.approx(expected.mean(), rel=1e-5)


def test_without_smoothing_it_is_the_sparse_categorical_crossentropy(answers):
    labels, logits = answers
    expected = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, logits)
    found = SmoothedCrossentropy(0.0)(labels, logits)
    assert float(found) == pytest.approx(float(expected), rel=1e-6)


def test_weights_of_zero_leave_steps_out(answers):
    labels, logits = answers
    weights = (np.random.default_rng(1).random(labels.shape) < 0.5).astype("float32")
    found = SmoothedCrossentropy(0.1, reduction="sum")(labels, logits, sample_weight=weights)
    assert float(found) == pytest.approx(np.sum(formula(labels, logits, 0.1) * weights), rel=1e-5)


def test_labels_may_be_of_any_integers(answers):
    labels, logits = answers
    losses = [
        float(SmoothedCrossentropy(0.1)(labels.astype(kind), logits))
        for kind in ("int32", "int64", "float32")
    ]
    assert losses[0] == losses[1] == losses[2]


def test_its_configuration_restores_it(answers):
    loss = SmoothedCrossentropy(0.3, name="mine", reduction="sum")
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is SmoothedCrossentropy
    assert again.get_config() == loss.get_config()
    assert (again.smoothing, again.name, again.reduction) == (0.3, "mine", "sum")
    assert float(again(*answers)) == float(loss(*answers))


# How it is trained


def compiled(steps, epochs, max_norm=1.0):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    options = {"learning_rate": 0.5, "max_norm": max_norm, "smoothing": 0.2}
    compile_with_teacher_forcing(model, steps=steps, epochs=epochs, **options)
    return model


@pytest.mark.parametrize(("steps", "epochs"), [(10, 5), (1, 2), (7, 1), (1, 1)])
def test_the_rate_goes_up_for_an_epoch_and_then_down_to_nothing(steps, epochs):
    optimizer = compiled(steps, epochs).optimizer
    rates = []
    for step in range(steps * epochs + 1):
        optimizer.iterations.assign(step)
        rates.append(float(optimizer.learning_rate))
    assert rates[0] == 0
    assert np.argmax(rates) == steps
    assert rates[steps] == pytest.approx(0.5)
    np.testing.assert_allclose(np.diff(rates[: steps + 1]), 0.5 / steps, rtol=1e-4)
    assert np.all(np.diff(rates[steps:]) < 0)
    assert rates[-1] == pytest.approx(0 if epochs > 1 else 0.5, abs=1e-6)


def test_gradients_are_scaled_down_to_the_norm_and_labels_smoothed():
    model = compiled(3, 4, max_norm=0.25)
    (clip,) = model.optimizer.clip
    assert isinstance(clip, ClipByGlobalNorm)
    assert clip.get_config()["max_norm"] == 0.25
    assert (model.loss.smoothing, type(model.loss)) == (0.2, SmoothedCrossentropy)
