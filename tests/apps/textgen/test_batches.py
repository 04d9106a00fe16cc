"""Streams of a text, and the states that continue along them."""

import keras
import numpy as np
import pytest

from apps.common.refusal import Refusal
from apps.textgen.batches import ResetStates, Streams
from apps.textgen.model import build_model
from apps.textgen.settings import Settings


@pytest.mark.parametrize("epoch", [0, 1, 5])
def test_each_segment_continues_the_one_before(epoch):
    streams = Streams(np.arange(1000, dtype="int32"), batch_size=4, steps=7, seed=3)
    streams.epoch = epoch
    inputs, labels = (np.concatenate(part, 1) for part in zip(*streams, strict=True))
    np.testing.assert_array_equal(labels, inputs + 1)
    np.testing.assert_array_equal(np.diff(inputs, axis=1), 1)
    assert inputs.shape == (4, 7 * len(streams))
    assert len(np.unique(inputs)) == inputs.size  # no character is read twice
    assert inputs.size > 900


def test_the_shift_depends_on_seed_and_epoch_alone():
    def first(seed, epoch):
        streams = Streams(np.arange(500, dtype="int32"), 3, 20, seed)
        streams.epoch = epoch
        return int(next(iter(streams))[0][0, 0])

    assert first(None, 0) == first(None, 4) == 0
    assert first(1, 2) == first(1, 2)
    assert len({first(1, epoch) for epoch in range(9)}) > 3


def test_a_text_too_short_for_its_streams():
    words = r"batch_size 8 and steps 20 need .* at least 188 characters each; received 100: choose"
    with pytest.raises(Refusal, match=words):
        Streams(np.zeros(100, "int32"), 8, 20)


def test_states_continue_within_a_text_and_not_into_the_next(eagerly):
    settings = Settings(units=4, embedding_size=3, batch_size=2, steps=5)
    model = build_model(settings, size=6, steps=1)
    ids = np.random.default_rng(0).integers(0, 6, 60).astype("int32")
    streams = Streams(ids, settings.batch_size, settings.steps)
    callback = ResetStates()
    scores = [
        model.evaluate(streams.dataset(), verbose=0, callbacks=callbacks)
        for callbacks in ([callback], [callback], [])
    ]
    assert scores[0] == scores[1]  # both from zero
    assert scores[2] != scores[1]  # from the states at the end
    inputs = np.concatenate([batch for batch, _ in streams], axis=1)
    (layer,) = (layer for layer in model.layers if getattr(layer, "stateful", False))
    layer.reset_state()
    whole = keras.ops.convert_to_numpy(model(inputs))
    layer.reset_state()
    parts = [keras.ops.convert_to_numpy(model(batch)) for batch, _ in streams]
    np.testing.assert_allclose(np.concatenate(parts, 1), whole, atol=1e-5)
