"""The networks: every cell of the library, padding, convolutions, the loss of transcripts."""

import keras
import numpy as np
import pytest

from apps.common.refusal import Refusal
from apps.recognition.cells import OTHERS, check_cell, layers_by_name
from apps.recognition.networks import (
    BLANK,
    LateClassification,
    Statistics,
    build_classifier,
    build_model,
    build_transcriber,
    temporal_classification,
)
from apps.recognition.settings import Settings

STATISTICS = Statistics(np.zeros(3, "f4"), np.ones(3, "f4"))
QUICK = ("lstm", "gru", "peephole_lstm")


def settings(**values):
    return Settings(**{"units": 4, "filters": 4, **values})


def batch(rows=3, steps=12):
    features = np.random.default_rng(0).normal(size=(rows, steps, 3)).astype("f4")
    return {"features": features, "length": np.array([steps, 1, 7][:rows], "int32")}


@pytest.mark.parametrize(
    "cell",
    [
        pytest.param(n, marks=() if n in QUICK else pytest.mark.slow)
        for n in sorted(layers_by_name())
    ],
)
@pytest.mark.parametrize("streaming", [False, True])
def test_every_cell_of_the_library_recognizes(eagerly, cell, streaming):
    check_cell(cell)
    if streaming:
        options = settings(cell=cell, streaming=True, answer="connected", filters=None)
        network = build_transcriber(options, 5, STATISTICS)
    else:
        network = build_classifier(settings(cell=cell), 5, STATISTICS)
    inputs = batch()
    found = network(inputs).numpy()
    assert np.isfinite(found).all()
    # What comes behind the end changes nothing.
    inputs["features"][1, 1:] = 9
    np.testing.assert_allclose(network(inputs).numpy()[1], found[1], atol=1e-5)


def test_what_is_no_cell_is_refused():
    with pytest.raises(Refusal, match=r"such as lstm,.*; received 'lsmt'"):
        check_cell("lsmt")
    for cell in OTHERS:
        with pytest.raises(Refusal, match=f"cell cannot be {cell}, since it.*: choose another"):
            check_cell(cell)


@pytest.mark.parametrize("options", [{"filters": 0}, {"filters": 4}, {"fcn": True}])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_padding_changes_nothing(eagerly, options, stride):
    options = settings(**options, stride=stride)
    network = build_classifier(options, 5, STATISTICS)
    inputs = batch()
    together = network(inputs).numpy()
    for row, length in enumerate(inputs["length"]):
        alone = {"features": inputs["features"][row : row + 1, :length], "length": [length]}
        alone = {name: np.asarray(value) for name, value in alone.items()}
        np.testing.assert_allclose(network(alone).numpy()[0], together[row], atol=1e-5)


def test_what_is_missing_is_the_training_mean(eagerly):
    statistics = Statistics(np.array([1, 2, 3], "f4"), np.array([4, 1, 1], "f4"))
    network = build_classifier(settings(), 5, statistics)
    inputs = batch()
    inputs["features"][0, 2, 1] = np.nan
    found = network(inputs).numpy()
    inputs["features"][0, 2, 1] = 2
    np.testing.assert_allclose(found, network(inputs).numpy(), atol=1e-6)


def test_a_centered_network_hears_no_constant(eagerly):
    network = build_classifier(settings(center=True), 5, STATISTICS)
    inputs = batch()
    found = network(inputs).numpy()
    inputs["features"] += np.array([1, -2, 3], "f4")
    np.testing.assert_allclose(network(inputs).numpy(), found, atol=1e-5)


def test_steps_behind_the_end_are_blank(eagerly):
    network = build_transcriber(settings(answer="transcript", stride=2), 5, STATISTICS)
    logits = network(batch()).numpy()
    assert logits.shape == (3, 6, 6)
    for row, steps in zip(logits, (6, 1, 4), strict=True):
        np.testing.assert_array_equal(row[steps:].argmax(axis=1), BLANK)
        blank = np.exp(row[steps:, BLANK]) / np.exp(row[steps:]).sum(axis=1)
        np.testing.assert_allclose(blank, 1)


def test_the_loss_is_that_of_all_alignments():
    """Padded steps, whose blank is certain, add nothing; Keras' loss has the same numbers."""
    random = np.random.default_rng(0)
    logits = random.normal(size=(2, 4, 3)).astype("f4")
    logits[1, 3] = [30, 0, 0]
    targets = np.array([[1, 2, 0], [2, 0, 0]])
    found = temporal_classification(targets, logits).numpy()
    after_two_blanks = LateClassification(2, reduction=None)(targets, logits).numpy()
    for row, steps in enumerate((4, 3)):
        logs = logits[row, :steps].astype("f8")
        logs -= np.log(np.exp(logs).sum(axis=1, keepdims=True))
        total = late = -np.inf
        for path in np.ndindex(*[3] * steps):
            kept = [s for n, s in enumerate(path) if s and (n == 0 or path[n - 1] != s)]
            if kept == [s for s in targets[row] if s]:
                chance = sum(logs[n, s] for n, s in enumerate(path))
                total = np.logaddexp(total, chance)
                late = late if any(path[:2]) else np.logaddexp(late, chance)
        assert found[row] == pytest.approx(-total, rel=1e-5)
        assert after_two_blanks[row] == pytest.approx(-late, rel=1e-5)
    mean = float(keras.losses.CTC()(targets, logits))
    assert found.mean() == pytest.approx(mean, rel=1e-5)


def test_the_learning_rate_rises_and_falls():
    options = settings(epochs=10, learning_rate=0.1)
    model = build_model(options, 5, STATISTICS, None, steps=10)
    schedule = model.optimizer.inner_optimizer._learning_rate
    rates = [float(schedule(step)) for step in (0, 10, 55, 100)]
    np.testing.assert_allclose(rates, [0.01, 0.1, 0.05, 0], atol=1e-3)
