"""What the exported classifier and transcriber share: from requests to what a network reads."""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from apps.common.cards import GENERATED
from apps.common.endpoint_checks import Requirement, Tensors, checked, sentence
from apps.common.other_runtimes import NumericEndpoints
from apps.recognition.networks import (
    FEATURES,
    LENGTH,
    SAMPLES,
    network_of,
    spectra_of,
    statistics_of,
)
from apps.recognition.wav import decode, most_samples, of_16_bits

WAV = "wav"
MAX_STEPS = 1_000_000  # of the rows of a request together, or samples
SECONDS = 60  # of the samples of a request together, where that is more
BYTES = 8  # of a sample of two channels at twice the rate
PROBED = 31  # steps of an example: no multiple of a stride, so that the last steps are joined too
CARD_DATA = {
    "sample": f"{GENERATED} `gestures` are drawn lines, `spoken` is a synthesizer; `digits` are "
    "scikit-learn's images, from the test part of UCI's Optical Recognition of Handwritten Digits "
    "(Alpaydin and Kaynak 1998, CC BY 4.0).",
    "tfds": "a data set of the TensorFlow Datasets catalogue, which says its terms.",
}
TRAINED_ON = {
    "sample": "the embedded sample gestures (drawn by this project, no people)",
    "sample:spoken": "the embedded sample spoken (a synthesizer, no people)",
    "sample:digits": "scikit-learn's digits (8 x 8, handwritten)",
}
INPUTS = {
    FEATURES: "a series, zeros behind its end",
    LENGTH: "how many steps or samples of a row count, at least 1",
    WAV: "the bytes of a WAV file of 16 bits, of any rate",
}


def answers_no_rows(method: Callable) -> Callable:
    """Make a method of a recognizer answer no rows with no rows.

    TensorFlow's convolutions and its search of prefixes fail without a row, so they are given one.
    """

    @functools.wraps(method)
    def answer(self, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        rows = tf.shape(inputs[LENGTH])[0]
        more = tf.cast(rows == 0, tf.int32)
        values = inputs[self.name_of_input]
        paddings = [[0, more], [0, more], *[[0, 0]] * (values.shape.rank - 2)]
        given = {
            self.name_of_input: tf.pad(values, paddings),
            LENGTH: tf.pad(inputs[LENGTH], [[0, more]], constant_values=1),
        }
        return {name: value[:rows] for name, value in method(self, **given).items()}

    return answer


class Recognizer(tf.Module):
    """What models of classes and of transcripts share: the way to what the network reads.

    Args:
        model: The network from `build_model`.
        trim: Whether `wav` cuts silence at both ends.
    """

    def __init__(self, model: keras.Model, trim: bool = False):
        super().__init__()
        self.model = model
        self.network = network_of(model)
        self.spectra = spectra_of(model)
        self.statistics = statistics_of(self.network)
        self.size = len(self.statistics.mean)  # of what the network reads at each step
        self.trim = trim
        self.name_of_input = FEATURES if self.spectra is None else SAMPLES
        rate = 0 if self.spectra is None else self.spectra.rate
        self.most = max(MAX_STEPS, SECONDS * rate)  # steps or samples of a request

    def inputs(self) -> dict[str, tf.TensorSpec]:
        """Return the inputs of the model."""
        if self.spectra is not None:
            values = tf.TensorSpec([None, None], tf.float32)
        else:
            values = tf.TensorSpec([None, None, self.size], tf.float32)
        return {self.name_of_input: values, LENGTH: tf.TensorSpec([None], tf.int32)}

    def decoded(self, wav: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the inputs of the model for WAV files `(batch,)`."""
        samples, length = decode(wav, self.spectra.rate, self.trim)
        return {SAMPLES: samples, LENGTH: length}

    def read(self, inputs: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Return what the network reads, `(batch, steps, features)`, and its lengths."""
        if self.spectra is None:
            return inputs[FEATURES], inputs[LENGTH]
        return self.spectra(inputs[SAMPLES]), self.spectra.count(inputs[LENGTH])

    def can_be_read(self, inputs: Tensors) -> Iterable[Requirement]:
        """Return what must hold of the inputs of the model."""
        length, values = inputs[LENGTH], inputs[self.name_of_input]
        steps = tf.shape(values)[1]
        wrong = tf.boolean_mask(length, tf.logical_or(length < 1, length > steps))
        words = sentence("length must be from 1 to ", steps, "; received ", wrong[:1])
        yield Requirement(tf.size(wrong) == 0, words)
        count = tf.size(length) * steps
        said = f"{self.name_of_input} may have at most {self.most:,} steps in all rows; received "
        yield Requirement(count <= self.most, sentence(said, count))

    def files_can_be_read(self, inputs: Tensors) -> Iterable[Requirement]:
        """Return what must hold of WAV files, before anything decodes them."""
        most = BYTES * self.most
        count = tf.reduce_sum(tf.cast(tf.strings.length(inputs[WAV]), tf.int64))
        words = sentence(f"{WAV} may have at most {most:,} bytes in all rows; received ", count)
        yield Requirement(count <= most, words)
        wrong = tf.where(tf.logical_not(of_16_bits(inputs[WAV])))[:1, 0]
        words = sentence(
            f"{WAV} must be the bytes of a WAV file of 16 bits (PCM); received others in row ",
            wrong,
            ", counted from 0: convert the file",
        )
        yield Requirement(tf.size(wrong) == 0, words)
        rate = self.spectra.rate
        count = most_samples(inputs[WAV], rate)
        said = f"{WAV} may have at most {self.most:,} samples in all rows, at {rate:,} a second"
        yield Requirement(count <= self.most, sentence(said, "; received ", count))

    def file_endpoint(self) -> tuple[Any, dict[str, tf.TensorSpec]]:
        """Return the endpoint that answers WAV files."""
        inputs = {WAV: tf.TensorSpec([None], tf.string)}
        return checked(self.wav, inputs, self.files_can_be_read), inputs

    def probe(self) -> dict[str, Any]:
        """Return example inputs of several lengths, also of one step.

        Recordings are noise. Series are waves with about the mean and deviation of the training
        part in each channel; a place and another make a circle.
        """
        unit = 1 if self.spectra is None else self.spectra.hop
        lengths = np.array([PROBED * unit, 1, 21 * unit + 1], "int32")
        values = np.random.default_rng(0).normal(
            scale=0.1, size=(3, PROBED * unit, *self.inputs()[self.name_of_input].shape[2:])
        )
        if self.spectra is None:
            mean, variance = self.statistics
            turn = np.linspace(0, 2 * np.pi, PROBED)[:, None] + np.pi / 2 * np.arange(self.size)
            values = mean + np.sqrt(variance) * (np.sqrt(2) * np.sin(turn) + values)
        for row, length in zip(values, lengths, strict=True):
            row[length:] = 0
        return {self.name_of_input: values.astype("float32"), LENGTH: lengths}

    def probe_wav(self) -> dict[str, Any]:
        """Return example WAV files, of the rate of the model and of another."""
        probe = self.probe()
        rates = (self.spectra.rate, 2 * self.spectra.rate)
        files = [
            tf.audio.encode_wav(row[:length, None], rate).numpy()
            for row, length, rate in zip(probe[SAMPLES], probe[LENGTH], rates, strict=False)
        ]
        return {WAV: files}

    def meanings(self) -> dict[str, str]:
        """Return the meaning of each input."""
        if self.spectra is None:
            return INPUTS
        samples = f"{self.spectra.rate:,} samples a second, from -1 to 1, zeros behind the end"
        return {**INPUTS, SAMPLES: samples}

    def limits(self) -> str:
        """Return what a request may have, for the card."""
        if self.spectra is None:
            return f"A request may have {self.most:,} steps in all rows."
        trimmed = "It was trained on recordings without silence at both ends, which `wav` cuts. "
        return (
            f"It hears recordings of {self.spectra.rate:,} samples a second; `wav` brings others "
            f"to that. {trimmed if self.trim else ''}A request may have {self.most:,} samples in "
            f"all rows."
        )

    def numeric_of(self, function: Any, file: str, names: Sequence[str]) -> NumericEndpoints:
        """Return a function of what the network reads as the endpoint for other runtimes.

        Args:
            function: Takes `features` and `length`.
            file: Name of the JSON file that says what the outputs mean.
            names: What it holds.
        """
        features, length = (np.asarray(part) for part in self.read(self.probe()))
        spec = {
            FEATURES: tf.TensorSpec([None, None, features.shape[-1]], tf.float32),
            LENGTH: tf.TensorSpec([None], tf.int32),
        }
        return NumericEndpoints(
            {"classify_features": (function, spec)},
            {"classify_features": {FEATURES: features, LENGTH: length}},
            {file: names},
        )
