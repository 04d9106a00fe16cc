"""Words and n-grams of texts, and their ids."""

import pytest

from apps.common.text import encode
from apps.sentiment.words import BEGIN, BLOCK, Vectorizer, blocks_needed, split_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It was GOOD.", ["it", "was", "good", "."]),
        ("Don't, won't!", ["don't", ",", "won't", "!"]),
        (
            "a 'quoted' word and the boys' hats",
            ["a", "quoted", "word", "and", "the", "boys", "hats"],
        ),
        ("one<br /><br/>two <b>three</b>", ["one", "two", "three"]),
        ("I <3 it, 2 < 3 > 1", ["i", "<", "3", "it", ",", "2", "<", "3", ">", "1"]),
        ("ÄRGER naïve Привет", ["ärger", "naïve", "привет"]),
        ("cafe\u0301", ["cafe\u0301"]),
        ("fin\u00a0de\u2009ligne\x85\x00suite", ["fin", "de", "ligne", "suite"]),
        ("so \N{CLAPPING HANDS SIGN}\N{CLAPPING HANDS SIGN} good", ["so", "👏", "👏", "good"]),
        ("这部电影, very好看", ["这", "部", "电", "影", ",", "very", "好", "看"]),
        ("スーパー映画", ["ス", "ー", "パ", "ー", "映", "画"]),
        ("หนังดี", ["ห", "นั", "ง", "ดี"]),
        (b"caf\xe9s \xff.", ["caf", "s", "."]),
        ("\ud800x", ["?", "x"]),
        ("", []),
        (" \n\t ", []),
        (f"a {BEGIN} b", ["a", "[", "begin", "]", "b"]),
    ],
)
def test_words(text, words):
    (split,) = split_words(encode([text])).to_list()
    assert [word.decode() for word in split] == words


def test_the_vocabulary_holds_what_occurs_in_enough_blocks_words_first():
    texts = ["b b b a"] * BLOCK + ["a b"] * BLOCK + ["a c"] * BLOCK
    vectorizer = Vectorizer.fit(texts, max_length=10, orders=2, min_blocks=2)
    # b b, b a, a b, a c and the word c occur in one block each.
    assert vectorizer.vocabulary == (BEGIN, "a", "b", f"{BEGIN} {BEGIN}", f"{BEGIN} a")
    assert (vectorizer.word_count, vectorizer.size) == (5, 7)
    ids = vectorizer(encode(["a b c", ""])).to_list()
    assert ids == [[[2, 5], [3, 6], [4, 1], [1, 1]], [[2, 5]]]
    arrays = vectorizer.arrays(["a b c", ""])
    assert [array.tolist() for array in arrays] == ids


def test_words_of_earlier_vocabularies_stay_whole():
    """Earlier versions split scripts without spaces at spaces only."""
    text = encode(["很好 吗"])
    assert Vectorizer(["很好", "吗"], 10, orders=1)(text).to_list() == [[[1], [2], [3]]]
    assert Vectorizer(["很", "很 好"], 10, orders=2)(text).to_list()[0][2] == [1, 3]


@pytest.mark.parametrize(
    ("texts", "blocks"),
    [(10, 1), (25, 1), (26, 2), (2500, 2), (3750, 3), (12_500, 10), (25_000, 10)],
)
def test_how_common_an_ngram_must_be_follows_the_number_of_texts(texts, blocks):
    assert blocks_needed(texts) == blocks


def test_by_default_an_ngram_of_few_texts_is_kept_if_it_occurs_in_two_blocks():
    texts = ["a b"] * BLOCK + ["a c"] * BLOCK
    assert Vectorizer.fit(texts, max_length=10, orders=1).vocabulary == (BEGIN, "a")


def test_a_vocabulary_without_words_is_refused():
    with pytest.raises(
        ValueError, match="min_blocks must leave some words; no word occurs in 3 of"
    ):
        Vectorizer.fit(["a b"], max_length=10, orders=2, min_blocks=3)


@pytest.mark.parametrize("max_length", [3, 4, 5, 10])
def test_of_a_long_text_both_ends_are_kept(max_length):
    vectorizer = Vectorizer([BEGIN], max_length, orders=1)
    texts = [[str(number) for number in range(length)] for length in range(12)]
    all_words = vectorizer.words(encode(" ".join(text) for text in texts)).to_list()
    for length, (text, words) in enumerate(zip(texts, all_words, strict=True)):
        kept = [word.decode() for word in words[1:]]
        head = max_length // 2
        tail = max_length - 1 - head
        whole = length < max_length
        assert kept == (text if whole else text[:head] + text[length - tail :])
        assert len(words) <= max_length
