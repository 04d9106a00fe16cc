"""The generated reviews: always the same, balanced, and not solved by counting adjectives."""

import re
from collections import Counter

import pytest

from apps.common.data import review_words
from apps.common.data.review_sample import generate
from tests.apps.sentiment import plain_sentences


@pytest.fixture(scope="module")
def reviews():
    return generate(11_000)


def test_it_is_always_the_same_balanced_and_without_repetition(reviews):
    assert generate(100) == reviews[:100]
    assert len({text for text, _ in reviews}) == 11_000
    assert [label for _, label in reviews] == [0, 1] * 5500


def test_it_reads_as_sentences(reviews):
    for text, _ in reviews:
        assert text[0].isupper()
        assert text[-1] in ".!"
        assert not set("{}_|") & set(text)
        assert "  " not in text
        assert not re.search(r"\b[Aa] [aeio]", text)


def test_words_are_said_once_of_one_side():
    lists = [value for name, value in vars(review_words).items() if name.isupper()]
    assert all(len(set(words)) == len(words) for words in lists)
    for praise, blame in (
        ("PRAISE", "BLAME"),
        ("TREASURES", "FAILURES"),
        ("LIKED", "DISLIKED"),
        ("LIKE", "DISLIKE"),
        ("WELL", "BADLY"),
        ("BEST", "WORST"),
        ("PRAISING", "BLAMING"),
    ):
        assert not set(getattr(review_words, praise)) & set(getattr(review_words, blame))


def test_both_classes_use_every_common_adjective(reviews):
    """More often by those who mean it: the others are negated, compared, or quoted."""
    for label, words in enumerate((review_words.COMMON_BLAME, review_words.COMMON_PRAISE)):
        uses = Counter(
            (word, label)
            for text, label in reviews
            for word in set(re.findall(r"\w+", text.lower())) & set(words)
        )
        assert {word for word, _ in uses} == set(words)
        assert all(uses[word, 0] and uses[word, 1] for word in words)
        meant = sum(count for (_, said), count in uses.items() if said == label)
        assert 0.55 < meant / uses.total() < 0.7


def test_plain_sentences_are_not_among_its_sentences(reviews):
    """Those that the model of the sample is tested with."""

    def plain(text):
        return re.sub(r"[^\w ]", "", text.lower()).strip()

    said = {plain(part) for text, _ in reviews for part in re.split(r"(?<=[.!])\s+", text)}
    lists = [value for name, value in vars(plain_sentences).items() if name.isupper()]
    assert not said & {plain(sentence) for sentences in lists for sentence in sentences}
