"""The model of the embedded sample answers plain sentences as a person would."""

from pathlib import Path

import pytest

from apps.common.runs import Run
from apps.common.text import encode
from apps.sentiment import app as sentiment
from apps.sentiment.exported import explain_text
from tests.apps.sentiment import plain_sentences

ROOT = Path(__file__).parents[3]
# What documents, the page and the demo ask, and the answer of a person.
SHOWN = {
    "A fine film.": "positive",
    "It was anything but dull.": "positive",
    "The plot was anything but dull.": "positive",
    "The plot was anything but dull, and the music was superb.": "positive",
    "Two hours I want back.": "negative",
    **dict(zip(sentiment.DEMO.inputs(Path()), ("positive", "negative", "positive"), strict=True)),
}
PLACES = (
    "*.md",
    "docs/*.md",
    "saved_models/*.md",
    "apps/*/*.md",
    "apps/serve/**/*.*",
    "apps/*/*.py",
)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "sample"
    sentiment.main(["train", "--source", "sample", "--run", str(run)])
    return sentiment.load_classifier(Run.open(run))


def answers(classifier, texts):
    return [label.decode() for label in classifier(encode(texts))["label"].numpy()]


def test_what_is_asked_here_is_what_documents_show():
    shown = [path.read_text("utf-8") for place in PLACES for path in ROOT.glob(place)]
    assert all(any(text in document for document in shown) for text in SHOWN)


@pytest.mark.slow
@pytest.mark.parametrize("list_", ["", "LATER_", "LAST_"])
def test_plain_praise_and_blame_are_told_apart(classifier, list_):
    """Nine of ten; of the 40, 19 and 20, it had 38, 18 and 19 right."""
    praise, blame = (getattr(plain_sentences, f"{list_}{side}") for side in ("PRAISE", "BLAME"))
    right = [answer == "positive" for answer in answers(classifier, praise)]
    right += [answer == "negative" for answer in answers(classifier, blame)]
    assert sum(right) >= 0.9 * len(right)


@pytest.mark.slow
def test_what_documents_show_is_answered_rightly(classifier):
    assert dict(zip(SHOWN, answers(classifier, SHOWN), strict=True)) == SHOWN


@pytest.mark.slow
def test_the_word_that_decides_has_the_largest_effect(classifier):
    for text, word, sign in (
        ("A fine film.", "fine", 1),
        ("The music was superb.", "superb", 1),
        ("The plot was awful.", "awful", -1),
        ("The plot was anything but dull.", "anything", 1),
    ):
        _, words = explain_text(classifier, text)
        strongest, effect = max(words, key=lambda found: abs(found[1]))
        assert strongest == word
        assert effect * sign > 1
