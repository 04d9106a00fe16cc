"""The exported classifier: raw texts in, labels and probabilities out."""

import keras
import numpy as np
import tensorflow as tf

from apps.common.cards import GENERATED, Card
from apps.common.other_runtimes import NumericEndpoints
from apps.common.text import encode
from apps.sentiment.data import CLASSES
from apps.sentiment.words import Vectorizer

TEXT, PROBABILITY, LABEL = "text", "probability", "label"

# The export is verified with these texts.
PROBES = [b"", b"A <b>fine</b> film.<br />", b"\xf0\x9f\x91\x8f", b"\xff\xfe", b"word " * 100_000]
CARD = Card(
    "Tells whether the review of a film is positive.",
    {
        TEXT: "a review, UTF-8",
        PROBABILITY: "that it is positive, 0 to 1",
        LABEL: " or ".join(CLASSES),
    },
    "It knows the words and phrases of the reviews it was trained on, in their language, and is as "
    "certain about any other text. It does not read the middle of a long review.",
    {
        "sample": GENERATED,
        "tfds": "imdb_reviews of the TensorFlow Datasets catalogue: 50,000 English reviews "
        "(Maas et al. 2011), published for research at Stanford; the texts belong to their "
        "authors.",
    },
)


class Classifier(tf.Module):
    """A network with its vectorizer: raw texts in, labels and probabilities out.

    Args:
        model: The network, from ids `(batch, timesteps, orders)` to probabilities `(batch,)`. Its
            layer `states` returns the states of all steps, in both directions.
        vectorizer: Turns texts into ids.
    """

    def __init__(self, model: keras.Model, vectorizer: Vectorizer):
        super().__init__()
        self.model = model
        self.vectorizer = vectorizer

    def __call__(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classify texts `(batch,)`; the probability is that of a positive review."""
        probability = self.model(self.vectorizer(text).to_tensor())
        label = tf.gather(CLASSES, tf.cast(probability >= 0.5, tf.int32))
        return {LABEL: label, PROBABILITY: probability}

    def classify_ids(self, ids: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classify texts given as ids `(batch, timesteps, orders)`, 0 after the end."""
        return {PROBABILITY: self.model(ids)}

    def endpoints(self) -> dict[str, tuple]:
        """Return the exported functions with their inputs."""
        return {"serving_default": (self, {TEXT: tf.TensorSpec([None], tf.string)})}

    def numeric(self) -> NumericEndpoints:
        """Return the endpoints for other runtimes."""
        ids = tf.cast(self.vectorizer(tf.constant(PROBES[:3])).to_tensor(), tf.int32)
        return NumericEndpoints(
            {
                "classify_ids": (
                    self.classify_ids,
                    {"ids": tf.TensorSpec([None, None, ids.shape[-1]], tf.int32)},
                )
            },
            {"classify_ids": {"ids": ids}},
            {"words.json": self.vectorizer.lookup.get_vocabulary()},
        )


def classify(classifier: Classifier, text: str | bytes) -> tuple[float, list[tuple[str, float]]]:
    """Classify a text and measure the effect of each word on the states.

    The effect is the distance between the state at the word and the previous one, ||h_t - h_{t-1}||
    in the forward direction and ||h_t - h_{t+1}|| in the backward direction, added.

    Returns:
        The probability that the text is positive, and its words with their effects.
    """
    words = classifier.vectorizer.words(encode([text]))
    network = classifier.model
    states_of = keras.Model(network.input, network.get_layer("states").output)
    (probability,) = classifier(encode([text]))[PROBABILITY]
    (states,) = states_of(classifier.vectorizer(encode([text])).to_tensor())
    forward, backward = np.split(states, 2, axis=-1)
    effects = np.linalg.norm(np.diff(forward, axis=0, prepend=0), axis=-1)
    effects += np.linalg.norm(np.diff(backward, axis=0, append=0), axis=-1)
    spelled = [word.decode("utf-8") for word in words[0].numpy()]
    return float(probability), list(zip(spelled, effects.tolist(), strict=True))[1:]
