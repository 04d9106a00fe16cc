"""What the endpoints take: no rows, and WAV files whose headers are odd."""

import io

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from apps.recognition.datasets import make_spectra
from apps.recognition.exported import Classifier
from apps.recognition.networks import Statistics, build_model
from apps.recognition.settings import Settings
from apps.recognition.transcriber import Transcriber

RATE = 8000


def untrained(answer):
    settings = Settings(units=2, filters=4, bands=4, answer=answer)
    spectra = make_spectra(settings, RATE)
    statistics = Statistics(np.zeros(4, "float32"), np.ones(4, "float32"))
    model = build_model(settings, 3, statistics, spectra, 1)
    return Classifier(model, "abc") if answer == "class" else Transcriber(model, "abc", 1)


def wav(samples, rate=RATE):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, "PCM_16", format="WAV")
    return file.getvalue()


@pytest.mark.parametrize("answer", ["class", "connected"])
def test_endpoints_answer_no_rows(eagerly, answer):
    for endpoint, inputs in untrained(answer).endpoints().values():
        nothing = {
            name: tf.zeros([0] * spec.shape.rank, spec.dtype) for name, spec in inputs.items()
        }
        found = endpoint(*nothing.values()) if len(inputs) == 1 else endpoint(**nothing)
        assert {value.shape[0] for value in found.values()} == {0}


def test_files_that_cannot_be_read_are_refused(eagerly):
    endpoint, _ = untrained("class").endpoints()["wav"]
    right = wav(np.zeros(80))
    no_channels, no_rate = bytearray(right), bytearray(right)
    no_channels[22:24] = bytes(2)
    no_rate[24:28] = bytes(4)
    for content in (b"", b"a text", right[:30], bytes(no_channels), bytes(no_rate)):
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"WAV file of 16 bits.* in row 1"):
            endpoint(tf.constant([right, content]))
    words = "wav may have at most 1,000,000 samples in all rows, at 8,000 a second; received "
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        endpoint(tf.constant([wav(np.zeros(200), 1)]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="wav must hold samples"):
        endpoint(tf.constant([right[:36]]))
