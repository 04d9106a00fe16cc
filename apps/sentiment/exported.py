"""The exported classifier: raw texts in, labels and probabilities out."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import keras
import tensorflow as tf

from apps.common.cards import GENERATED, Card
from apps.common.endpoint_checks import Requirement, Tensors, checked, sentence
from apps.common.other_runtimes import NumericEndpoints
from apps.common.text import encode, few_characters
from apps.sentiment.explanation import word_effects
from apps.sentiment.labels import CLASSES
from apps.sentiment.model import log_odds_model
from apps.sentiment.words import Vectorizer

TEXT, PROBABILITY, LABEL, WORDS, EFFECTS = "text", "probability", "label", "words", "effects"
PROBABILITIES, NAMES = "probabilities", "classes"  # of more than two classes

MAX_EXPLAINED = 8  # texts in a request
MAX_EXPLAINED_WORDS = 600  # words that are read of them
MAX_CHARACTERS = 2_000_000  # of the texts of a request

# The export is verified with these texts. The first is the example that a page shows.
PROBES = [
    b"The plot was anything but dull, and the music was superb.",
    b"",
    b"A <b>fine</b> film.<br />",
    b"\xf0\x9f\x91\x8f",
    b"\xff\xfe",
    b"word " * 100_000,
]
PROBED = {"serving_default": 6, "explain": 4}  # how many of them; the last takes long to explain
CARD = Card(
    "Tells which class a text belongs to, such as whether the review of a film is positive.",
    {
        TEXT: "a text, UTF-8",
        PROBABILITY: "0 to 1",
        LABEL: "the class",
        PROBABILITIES: "of each class, 0 to 1",
        NAMES: "the names of the classes",
        WORDS: "the words that were read, in lower case; empty after the end",
        EFFECTS: "what each word adds to the log-odds of the answer: those of the text minus those "
        "without the word",
    },
    "It knows the words and phrases of the texts it was trained on, in their language, and is as "
    "certain about any other text. It does not read the middle of a long text. "
    f"A request may have {MAX_CHARACTERS:,} characters. An explanation is of {MAX_EXPLAINED} texts "
    f"at most, of which it reads {MAX_EXPLAINED_WORDS} words together.",
    {
        "sample": f"{GENERATED} It has sentences about films, not real reviews.",
        "tfds": "imdb_reviews of the TensorFlow Datasets catalogue: 50,000 English reviews "
        "(Maas et al. 2011), published for research at Stanford; the texts belong to their "
        "authors.",
    },
    "text-classification",
    {
        "sample": "the embedded sample (generated sentences, not real reviews)",
        "tfds": "imdb_reviews (English reviews of films)",
    },
)


def card_of(classes: Sequence[str]) -> Card:
    """Return the card of a model with these classes."""
    if len(classes) == 2:
        probability, label = f"that it is {classes[1]}, 0 to 1", " or ".join(classes)
        effect = f"{CARD.tensors[EFFECTS]}; above 0 if it speaks for {classes[1]}"
    else:
        probability, label = "of the label, 0 to 1", f"one of {', '.join(classes)}"
        effect = f"{CARD.tensors[EFFECTS]}; above 0 if it speaks for the label"
    told = {PROBABILITY: probability, LABEL: label, EFFECTS: effect}
    return replace(CARD, tensors={**CARD.tensors, **told})


class Classifier(tf.Module):
    """A network with its vectorizer: raw texts in, labels and probabilities out.

    Args:
        model: The network, from ids `(batch, timesteps, orders)` to the probabilities of class 1 of
            two, `(batch,)`, or of more classes, `(batch, classes)`.
        vectorizer: Turns texts into ids.
        classes: The names of the classes.
    """

    def __init__(
        self, model: keras.Model, vectorizer: Vectorizer, classes: Sequence[str] = CLASSES
    ):
        super().__init__()
        self.model = model
        self.vectorizer = vectorizer
        self.classes = tuple(classes)
        self.log_odds = log_odds_model(model)

    def __call__(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classify texts `(batch,)`.

        Of two classes, the probability is that of the second. Of more, it is that of the label, and
        `probabilities` has those of all `classes`.
        """
        return self._answer(self.model(self.vectorizer(text).to_tensor()))

    def _answer(self, outputs: tf.Tensor) -> dict[str, tf.Tensor]:
        if outputs.shape.rank == 1:
            label = tf.gather(self.classes, tf.cast(outputs >= 0.5, tf.int32))
            return {LABEL: label, PROBABILITY: outputs}
        names = tf.constant(self.classes)
        return {
            LABEL: tf.gather(names, tf.argmax(outputs, axis=-1)),
            PROBABILITY: tf.reduce_max(outputs, axis=-1),
            PROBABILITIES: outputs,
            NAMES: tf.broadcast_to(names, tf.shape(outputs)),
        }

    def explain(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classify texts `(batch,)`, and measure the effect of each word, `(batch, words)`.

        The effect of a word is the log-odds of the answer minus those of the text without the word:
        above 0 if the word speaks for the answer. The answer is the second of two classes, or the
        label of more. Texts with fewer words have empty words and effects of 0 at their end.
        """
        words, effects = word_effects(text, self.log_odds, self.vectorizer)
        return {**self(text), WORDS: words.to_tensor(), EFFECTS: effects.to_tensor()}

    def classify_ids(self, ids: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classify texts given as ids `(batch, timesteps, orders)`, 0 after the end."""
        outputs = self.model(ids)
        return {PROBABILITY if outputs.shape.rank == 1 else PROBABILITIES: outputs}

    def endpoints(self) -> dict[str, tuple]:
        """Return the exported functions with their inputs."""
        inputs = {TEXT: tf.TensorSpec([None], tf.string)}
        classify = checked(self, inputs, not_too_long)
        explain = checked(self.explain, inputs, self._can_be_explained)
        return {"serving_default": (classify, inputs), "explain": (explain, inputs)}

    def _can_be_explained(self, inputs: Tensors) -> Iterable[Requirement]:
        yield from few_texts(inputs)
        yield from not_too_long(inputs)
        words = tf.reduce_sum(self.vectorizer.words(inputs[TEXT]).row_lengths() - 1)
        most = max(MAX_EXPLAINED_WORDS, self.vectorizer.max_length)
        said = f"explain reads at most {most:,} words of all texts, as it asks again for each; "
        yield Requirement(words <= most, sentence(f"{said}received ", words))

    def numeric(self) -> NumericEndpoints:
        """Return the endpoints for other runtimes."""
        ids = tf.cast(self.vectorizer(tf.constant(PROBES[:4])).to_tensor(), tf.int32)
        return NumericEndpoints(
            {
                "classify_ids": (
                    self.classify_ids,
                    {"ids": tf.TensorSpec([None, None, ids.shape[-1]], tf.int32)},
                )
            },
            {"classify_ids": {"ids": ids}},
            {
                "words.json": self.vectorizer.lookup.get_vocabulary(),
                "classes.json": self.classes,
            },
        )


def few_texts(inputs: Tensors) -> list[Requirement]:
    """Return what must hold of texts to explain."""
    count = tf.size(inputs[TEXT])
    said = f"explain takes at most {MAX_EXPLAINED} texts at a time, as it asks again for each word"
    return [Requirement(count <= MAX_EXPLAINED, sentence(f"{said}; received ", count))]


def not_too_long(inputs: Tensors) -> list[Requirement]:
    """Return what must hold of texts, before anything else looks at them."""
    return [few_characters(TEXT, inputs[TEXT], MAX_CHARACTERS)]


def explain_text(
    classifier: Classifier, text: str | bytes
) -> tuple[dict[str, float], list[tuple[str, float]]]:
    """Return the probability of each class for a text, and its words with their effects."""
    answer = {name: value.numpy()[0] for name, value in classifier.explain(encode([text])).items()}
    if PROBABILITIES in answer:
        probabilities = answer[PROBABILITIES].tolist()
    else:
        probabilities = [1 - float(answer[PROBABILITY]), float(answer[PROBABILITY])]
    words = [word.decode("utf-8") for word in answer[WORDS]]
    return (
        dict(zip(classifier.classes, probabilities, strict=True)),
        list(zip(words, answer[EFFECTS].tolist(), strict=True)),
    )
