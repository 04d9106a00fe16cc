"""The generated reviews: always the same, balanced, and not solved by counting adjectives."""

from collections import Counter

import pytest

from apps.common.data.review_sample import BLAME, PRAISE, generate


@pytest.fixture(scope="module")
def reviews():
    return generate(5000)


def test_it_is_always_the_same_balanced_and_without_repetition(reviews):
    assert generate(5000) == reviews
    assert len({text for text, _ in reviews}) == 5000
    assert [label for _, label in reviews] == [0, 1] * 2500


def test_it_reads_as_sentences(reviews):
    for text, _ in reviews:
        assert text[0].isupper()
        assert text.endswith(".")
        assert not set("{}_") & set(text)
        assert "  " not in text


def test_both_classes_use_every_adjective(reviews):
    for word in PRAISE + BLAME:
        labels = Counter(label for text, label in reviews if word in text)
        assert min(labels.values()) / labels.total() > 0.3
