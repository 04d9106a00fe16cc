"""A classifier of texts, and the words that moved it."""

import keras
import numpy as np
import tensorflow as tf

from apps.common.cards import GENERATED, Card
from apps.common.other_runtimes import NumericEndpoints
from apps.common.text import encode
from apps.sentiment.data import CLASSES
from apps.sentiment.words import Vectorizer

# What an exported model must answer as the live one does, besides ordinary text.
PROBES = [b"", b"A <b>fine</b> film.<br />", b"\xf0\x9f\x91\x8f", b"\xff\xfe", b"word " * 100_000]
CARD = Card(
    "Tells whether the review of a film is positive.",
    {
        "text": "a review, UTF-8",
        "probability": "that it is positive, 0 to 1",
        "label": " or ".join(CLASSES),
    },
    "It knows the words and turns of the reviews it was trained on, in their language, and "
    "judges anything else just as surely. Of a long review the middle is not read.",
    {
        "sample": GENERATED,
        "tfds": "imdb_reviews of the TensorFlow Datasets catalogue: 50,000 English reviews "
        "(Maas et al. 2011), published for research at Stanford; the texts belong to their "
        "authors.",
    },
)


class Classifier(tf.Module):
    """Raw texts in, labels and probabilities out.

    Args:
        model: The network: ids `(batch, time, orders)` to probabilities `(batch,)`; its layer
            `states` has the states of all steps, of both directions.
        vectorizer: Turns texts into its ids.
    """

    def __init__(self, model: keras.Model, vectorizer: Vectorizer):
        super().__init__()
        self.model = model
        self.vectorizer = vectorizer

    def __call__(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classifies texts `(batch,)`; the probability is that of a positive review."""
        probability = self.model(self.vectorizer(text).to_tensor())
        label = tf.gather(CLASSES, tf.cast(probability >= 0.5, tf.int32))
        return {"label": label, "probability": probability}

    def classify_ids(self, ids: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classifies texts given as ids `(batch, time, orders)`, 0 after the end."""
        return {"probability": self.model(ids)}

    def endpoints(self) -> dict[str, tuple]:
        """Returns what is exported, with its inputs."""
        return {"serving_default": (self, {"text": tf.TensorSpec([None], tf.string)})}

    def numeric(self) -> NumericEndpoints:
        """Returns what other runtimes are given."""
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
    """Classifies a text and tells how far each word moved the state, in both directions together.

    A word moves the forward state away from the state before it, and the backward state, which
    reads the other way, away from the state after it.

    Returns:
        The probability that the text is positive, and its words with their distances.
    """
    words = classifier.vectorizer.words(encode([text]))
    network = classifier.model
    states_of = keras.Model(network.input, network.get_layer("states").output)
    (probability,) = classifier(encode([text]))["probability"]
    (states,) = states_of(classifier.vectorizer(encode([text])).to_tensor())
    forward, backward = np.split(states, 2, axis=-1)
    moved = np.linalg.norm(np.diff(forward, axis=0, prepend=0), axis=-1)
    moved += np.linalg.norm(np.diff(backward, axis=0, append=0), axis=-1)
    spelled = [word.decode("utf-8") for word in words[0].numpy()]
    return float(probability), list(zip(spelled, moved.tolist(), strict=True))[1:]
