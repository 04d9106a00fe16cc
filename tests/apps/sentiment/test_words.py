import numpy as np
import pytest

from apps.common.batches import Batches
from apps.common.text import encode
from apps.sentiment.words import BEGIN, BLOCK, Vectorizer, split_words


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
        (b"caf\xe9s \xff.", ["caf", "s", "."]),
        ("\ud800x", ["?", "x"]),
        ("", []),
        (" \n\t ", []),
        (f"a {BEGIN} b", ["a", "[", "begin", "]", "b"]),
    ],
)
def test_words(text, words):
    (found,) = split_words(encode([text])).to_list()
    assert [word.decode() for word in found] == words


def test_the_vocabulary_holds_what_occurs_in_enough_blocks_words_first():
    texts = ["b b b a"] * BLOCK + ["a b"] * BLOCK + ["a c"] * BLOCK
    vectorizer = Vectorizer.learned(texts, max_length=10, orders=2, min_blocks=2)
    # b b, b a, a b, a c and the word c occur in one block each.
    assert vectorizer.vocabulary == (BEGIN, "a", "b", f"{BEGIN} {BEGIN}", f"{BEGIN} a")
    assert (vectorizer.word_count, vectorizer.size) == (5, 7)
    ids = vectorizer(encode(["a b c", ""])).to_list()
    assert ids == [[[2, 5], [3, 6], [4, 1], [1, 1]], [[2, 5]]]
    arrays = vectorizer.arrays(["a b c", ""])
    assert [array.tolist() for array in arrays] == ids


def test_a_vocabulary_without_words_is_refused():
    with pytest.raises(ValueError, match="min_blocks: no word occurs in 3 of the 1 blocks"):
        Vectorizer.learned(["a b"], max_length=10, orders=2, min_blocks=3)


@pytest.mark.parametrize("max_length", [3, 4, 5, 10])
def test_of_a_long_text_both_ends_are_kept(max_length):
    vectorizer = Vectorizer([BEGIN], max_length, orders=1)
    for length in range(12):
        text = [str(number) for number in range(length)]
        (words,) = vectorizer.words(encode([" ".join(text)])).to_list()
        kept = [word.decode() for word in words[1:]]
        head = max_length // 2
        tail = max_length - 1 - head
        whole = length < max_length
        assert kept == (text if whole else text[:head] + text[length - tail :])
        assert len(words) <= max_length


@pytest.fixture
def examples():
    random = np.random.default_rng(0)
    lengths = random.integers(1, 60, size=103)
    # Each sequence holds its own number, so that it is known again.
    return [np.full(length, number + 1) for number, length in enumerate(lengths)]


@pytest.mark.parametrize("seed", [None, 3])
def test_every_epoch_holds_every_example_once_with_its_own_target(examples, seed):
    batches = Batches(examples, np.arange(103.0), batch_size=10, seed=seed)
    for epoch in range(3):
        batches.epoch = epoch
        seen = []
        for padded, targets in batches:
            for row, target in zip(padded, targets, strict=True):
                ids = row[row > 0]
                assert len(ids) == len(examples[int(target)])
                assert set(ids) == {int(target) + 1}
                assert not row[len(ids) :].any()
            seen.extend(targets)
        assert sorted(seen) == list(range(103))


def test_shapes_are_few_and_padding_is_little(examples):
    batches = Batches(examples, np.zeros(103), batch_size=10, seed=1)
    shapes = {padded.shape for padded, _ in batches}
    assert len(list(batches)) == len(batches) == 11
    assert len({length for _, length in shapes}) <= 8
    assert sum(batch != 10 for batch, _ in shapes) == 1  # three examples remain
    assert sum(np.mean(padded > 0) for padded, _ in batches) / 11 > 0.7


def test_the_order_is_the_epochs_own(examples):
    def order(seed, epoch):
        batches = Batches(examples, np.zeros(103), batch_size=10, seed=seed)
        batches.epoch = epoch
        return np.concatenate(batches.order()).tolist()

    assert order(1, 4) == order(1, 4)
    assert len({tuple(order(seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}) == 4
    assert order(None, 0) == order(None, 1)


def test_answers_come_back_in_the_order_of_the_examples(examples):
    batches = Batches(examples, np.arange(103.0), batch_size=10)
    answered = np.concatenate([targets for _, targets in batches])
    assert answered.tolist() != list(range(103))
    assert batches.in_order(answered).tolist() == list(range(103))


def test_the_data_set_follows_the_epoch(examples):
    batches = Batches(examples, np.arange(103.0), batch_size=10, seed=1)
    data_set = batches.dataset()
    assert data_set.cardinality() == 11
    for epoch in (0, 1):
        batches.epoch = epoch
        seen = np.concatenate([targets for _, targets in data_set.as_numpy_iterator()])
        assert seen.tolist() == np.concatenate(batches.order()).tolist()
