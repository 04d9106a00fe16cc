"""The exported classifier: series, samples or WAV files in, labels and probabilities out."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from apps.common.cards import Card
from apps.common.endpoint_checks import checked
from apps.common.other_runtimes import NumericEndpoints
from apps.recognition.networks import FEATURES, HEAD, LENGTH
from apps.recognition.recognizer import CARD_DATA, TRAINED_ON, WAV, Recognizer, answers_no_rows

LABEL, PROBABILITY, PROBABILITIES, CLASSES = "label", "probability", "probabilities", "classes"
EVIDENCE = "evidence"
OUTPUTS = {
    LABEL: "the likeliest class",
    PROBABILITY: "that of the label, 0 to 1",
    PROBABILITIES: "of each class, 0 to 1",
    CLASSES: "the names of the classes",
    EVIDENCE: "what each number that the network reads adds to the logit of the label: its "
    "gradient times its distance from the training mean",
}


class Classifier(Recognizer):
    """A network with the names of its classes.

    Args:
        model: The network from `build_model`.
        classes: The names of the classes.
        trim: Whether `wav` cuts silence at both ends.
    """

    def __init__(self, model: keras.Model, classes: Sequence[str], trim: bool = False):
        super().__init__(model, trim)
        self.classes = tuple(classes)
        head = self.network.get_layer(HEAD).output
        self.logits = keras.Model(self.network.input, head)

    @answers_no_rows
    def __call__(self, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classify series or recordings: `features` or `samples`, and `length`."""
        return self._answer(self.model(inputs))

    def _answer(self, probabilities: tf.Tensor) -> dict[str, tf.Tensor]:
        names = tf.constant(self.classes)
        return {
            LABEL: tf.gather(names, tf.argmax(probabilities, axis=-1)),
            PROBABILITY: tf.reduce_max(probabilities, axis=-1),
            PROBABILITIES: probabilities,
            CLASSES: tf.broadcast_to(names, tf.shape(probabilities)),
        }

    def wav(self, wav: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classify WAV files `(batch,)`."""
        return self(**self.decoded(wav))

    @answers_no_rows
    def explain(self, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classify, and say what each number that the network reads adds to the logit.

        `evidence` `(batch, steps, features)` is the gradient of the logit of the label, times the
        distance of the number from its training mean. It is 0 behind the end.
        """
        features, length = self.read(inputs)
        with tf.GradientTape() as tape:
            tape.watch(features)
            logits = self.logits({FEATURES: features, LENGTH: length})
            strongest = tf.reduce_max(logits, axis=-1)
        distance = tf.where(tf.math.is_nan(features), 0.0, features - self.statistics.mean)
        evidence = tape.gradient(strongest, features) * distance
        present = tf.sequence_mask(length, tf.shape(features)[1])
        evidence = tf.where(present[:, :, None], evidence, 0.0)
        return {**self._answer(tf.nn.softmax(logits)), FEATURES: features, EVIDENCE: evidence}

    def classify_features(self, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classify what the network reads, for runtimes that cannot compute spectra."""
        return {PROBABILITIES: self.network(inputs)}

    def card(self) -> Card:
        """Return the model card."""
        is_series = self.spectra is None
        what = "a series of measurements" if is_series else "a recording"
        does = f"Tells which of {len(self.classes)} classes {what} belongs to."
        limits = (
            f"It answers with one of {len(self.classes)} classes, also if {what} is none of them, "
            f"and its probabilities are those of the data it was trained on. {self.limits()}"
        )
        task = "time-series-classification" if is_series else "audio-classification"
        meanings = {**self.meanings(), **OUTPUTS}
        return Card(does, meanings, limits, CARD_DATA, task, TRAINED_ON)

    def endpoints(self) -> dict[str, tuple]:
        """Return the exported functions with their inputs."""
        inputs = self.inputs()
        endpoints = {
            "serving_default": (checked(self, inputs, self.can_be_read), inputs),
            "explain": (checked(self.explain, inputs, self.can_be_read), inputs),
        }
        if self.spectra is not None:
            endpoints[WAV] = self.file_endpoint()
        return endpoints

    def probes(self) -> dict[str, dict[str, Any]]:
        """Return example inputs of each endpoint."""
        probes = {name: self.probe() for name in ("serving_default", "explain")}
        return probes if self.spectra is None else {**probes, WAV: self.probe_wav()}

    def numeric(self) -> NumericEndpoints:
        """Return the endpoints for other runtimes."""
        return self.numeric_of(self.classify_features, "classes.json", self.classes)
