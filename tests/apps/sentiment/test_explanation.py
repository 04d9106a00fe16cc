"""The effect of a word equals asking again without it."""

import re

import numpy as np
import pytest
import tensorflow as tf

from apps.common.text import encode
from apps.sentiment import explanation
from apps.sentiment.exported import Classifier, explain_text
from apps.sentiment.model import build_model
from apps.sentiment.ngrams import Ngrams
from apps.sentiment.settings import Settings
from apps.sentiment.words import Vectorizer

TEXTS = (
    "It was anything but dull, and I loved it!",
    "Not a <b>fine</b> film; don't go.",
    "Superb",
)
NAMES = {2: ("negative", "positive"), 3: ("joy", "fear", "anger")}


def classifier(classes, max_length=50):
    """Return a classifier that has learned little, with large weights."""
    random = np.random.default_rng(classes)
    texts = [f"{text} {number}" for number in range(5) for text in TEXTS] * 4
    vectorizer = Vectorizer.fit(texts, max_length, orders=2, min_blocks=1)
    ids, labels = vectorizer.arrays(texts), random.integers(0, classes, len(texts))
    ngrams = Ngrams.fit(ids, labels, vectorizer.size, 2, classes)
    settings = Settings(orders=2, units=4, embedding_size=4)
    model = build_model(settings, vectorizer.word_count, ngrams, classes)
    for variable in model.trainable_variables:
        variable.assign(random.normal(size=variable.shape))
    return Classifier(model, vectorizer, NAMES[classes])


@pytest.fixture(scope="module", params=NAMES)
def made(request):
    return classifier(request.param)


def log_odds(made, texts):
    """Return those of each class, `(texts, classes)`, from the probabilities in float64."""
    answer = made(encode(texts))
    if len(made.classes) == 2:
        of_second = answer["probability"].numpy().astype(float)
        probabilities = np.stack([1 - of_second, of_second], axis=1)
    else:
        probabilities = answer["probabilities"].numpy().astype(float)
    return np.log(probabilities / (1 - probabilities))


@pytest.mark.parametrize("text", TEXTS)
def test_the_effect_of_a_word_equals_asking_without_it(made, text):
    probabilities, words = explain_text(made, text)
    assert tuple(probabilities) == made.classes
    answer = 1 if len(probabilities) == 2 else np.argmax(list(probabilities.values()))
    marked = re.sub(r"<[^>]*>", lambda tag: " " * len(tag[0]), text)
    places = list(re.finditer(r"[\w']+|[^\w\s]", marked))
    assert [word for word, _ in words] == [place[0].lower() for place in places]
    without = [f"{text[: place.start()]} {text[place.end() :]}" for place in places]
    whole, *rest = log_odds(made, [text, *without])[:, answer]
    effects = np.array([effect for _, effect in words])
    np.testing.assert_allclose(effects, whole - np.array(rest), rtol=1e-2, atol=1e-4)
    assert np.ptp(effects) > 0.1 or len(effects) == 1


def test_a_word_of_a_long_text_is_replaced_by_one_that_was_not_read():
    """With 2 words of the start and 2 of the end; also around the length where that begins."""
    made = classifier(2, max_length=5)
    spoken = ["it", "was", "anything", "but", "dull", "and", "i", "loved", "it"]
    for length in (3, 4, 5, 6, 9):
        text = spoken[:length]
        _, words = explain_text(made, " ".join(text))
        read = [place for place in range(length) if place < 2 or place >= length - 2]
        assert [word for word, _ in words] == [text[place] for place in read]
        without = [" ".join(text[:place] + text[place + 1 :]) for place in read]
        whole, *rest = log_odds(made, [" ".join(text), *without])[:, 1]
        effects = [effect for _, effect in words]
        np.testing.assert_allclose(effects, whole - np.array(rest), rtol=1e-2, atol=1e-4)


@pytest.mark.slow
def test_texts_together_and_in_parts_as_alone(monkeypatch):
    """One has no words, one more words than are computed together."""
    monkeypatch.setattr(explanation, "ROWS", 6)
    made = classifier(3)
    texts = ["", TEXTS[2], TEXTS[0]]
    together = tf.function(made.explain)(encode(texts))
    lengths = []
    for row, text in enumerate(texts):
        _, words = explain_text(made, text)
        lengths.append(len(words))
        effects = together["effects"][row].numpy()
        expected = [effect for _, effect in words]
        np.testing.assert_allclose(effects[: len(words)], expected, rtol=1e-3, atol=1e-4)
        assert not effects[len(words) :].any()
        assert not any(together["words"][row, len(words) :].numpy())
    assert lengths[0] == 0
    assert lengths[2] > explanation.ROWS
    answers = made(encode(texts))
    assert together["label"].numpy().tolist() == answers["label"].numpy().tolist()
