"""Batches of series and recordings: padded, in a random order, changed in training alone."""

import numpy as np
import pytest

from apps.recognition.batches import PADDED_LENGTHS, Padded, padded, stretched
from apps.recognition.connected import Utterances
from apps.recognition.speech_sample import RATE, spoken_digits
from apps.recognition.symbols import Alphabet


def series(count=20):
    rng = np.random.default_rng(0)
    return [rng.normal(size=(rng.integers(1, 30), 2)).astype("f4") for _ in range(count)]


def test_batches_hold_every_example_with_zeros_behind_its_end():
    values = series()
    batches = Padded(values, np.arange(20), 6, "features", seed=1)
    seen = {}
    for inputs, targets in batches:
        assert inputs["features"].shape[1] in PADDED_LENGTHS
        for row, length, target in zip(*inputs.values(), targets, strict=True):
            assert not row[length:].any()
            seen[int(target)] = row[:length]
    assert len(batches) == 4
    for number, expected in enumerate(values):
        np.testing.assert_array_equal(seen[number], expected)


def test_the_order_depends_on_the_seed_and_the_epoch():
    def orders(seed, epoch):
        batches = Padded(series(), np.arange(20), 6, "features", seed=seed, stretch=0.3)
        batches.epoch = epoch
        inputs, targets = zip(*batches, strict=True)
        return np.concatenate(targets).tolist(), float(inputs[0]["features"].sum())

    assert orders(1, 0) == orders(1, 0)
    assert orders(1, 0) != orders(1, 1)
    assert orders(1, 0) != orders(2, 0)


def test_answers_come_back_in_the_order_of_the_examples():
    batches = Padded(series(), np.arange(20), 6, "features")
    answers = np.concatenate([targets for _, targets in batches])
    assert answers.tolist() != list(range(20))
    np.testing.assert_array_equal(batches.in_order(answers), np.arange(20))


@pytest.mark.parametrize("longest", [1, 79, 80, 81, 500])
def test_recordings_are_padded_to_whole_spectra(longest):
    batch = padded([np.ones(longest, "f4"), np.ones(1, "f4")], "samples", 80)
    length = batch["samples"].shape[1]
    assert length % 80 == 0
    assert length >= longest
    assert batch["length"].tolist() == [longest, 1]


def test_stretching_reads_between_the_steps():
    line = np.linspace(0, 1, 11, dtype="f4")
    np.testing.assert_allclose(stretched(line, 1.9), np.linspace(0, 1, 21), atol=1e-6)
    both = stretched(np.stack([line, -line], axis=1), 0.5)
    np.testing.assert_allclose(both[:, 0], -both[:, 1])
    assert len(both) in (5, 6)
    assert stretched(line[:1], 0.1).shape == (1,)


def test_each_epoch_has_other_utterances():
    recordings = spoken_digits(1)[:12]
    alphabet = Alphabet.fit(recordings, None, connected=True)
    options = {"name": "samples", "unit": 80, "seed": 1}
    batches = Utterances(recordings, alphabet, RATE, 10, 4, **options)

    def transcripts(epoch):
        batches.epoch = epoch
        rows = (row for _, targets in batches for row in targets)
        return ["".join(alphabet.symbols[n - 1] for n in row if n) for row in rows]

    first = transcripts(0)
    assert len(first) == 10
    assert first == transcripts(0) != transcripts(1)
    words = {recording.answer for recording in recordings}
    assert all(set(text.split()) <= words and 3 <= len(text.split()) <= 7 for text in first)
