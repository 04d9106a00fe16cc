"""Features from counting n-grams: ratios out of fold, and the linear model."""

import keras
import numpy as np
import pytest
import scipy.sparse

from apps.common.data.splits import NEIGHBOURS
from apps.sentiment.ngrams import Ngrams, linear_weights, log_count_ratios, presence

SIZE = 7


@pytest.fixture
def counted():
    random = np.random.default_rng(0)
    labels = np.repeat([0.0, 1.0], 2 * NEIGHBOURS + 10).astype("float32")
    # Ids 0 and 1 are no n-grams; 2 and 3 stand for the two labels.
    ids = [
        np.stack([random.integers(4, SIZE, size=5), np.full(5, 2 + int(label))], axis=1)
        for label in labels
    ]
    return ids, labels, Ngrams.fit(ids, labels, SIZE, folds=3)


def test_presence_counts_an_ngram_once_and_neither_padding_nor_unknown():
    matrix = presence([np.array([[2, 2], [1, 0]]), np.array([[6, 2]])], SIZE)
    assert matrix.toarray().tolist() == [[0, 0, 1, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0, 1]]


def test_ratios_are_the_log_of_smoothed_shares():
    present = scipy.sparse.csr_matrix(np.array([[1, 0, 1], [1, 0, 0], [1, 0, 0]], "float32"))
    ratios = log_count_ratios(present, np.array([1, 0, 0]))
    positive, negative = np.array([2, 1, 2]) / 5, np.array([3, 1, 1]) / 5
    expected = np.log(positive / negative)
    expected[1] = 0  # no text has it
    np.testing.assert_allclose(ratios, expected, rtol=1e-6)


def test_the_ratios_of_a_training_text_are_counted_without_its_label(counted):
    ids, labels, ngrams = counted
    assert set(ngrams.fold) == {1, 2, 3}
    for fold in (1, 2, 3):
        others = ngrams.fold != fold
        expected = log_count_ratios(presence(ids, SIZE)[others], labels[others])
        np.testing.assert_array_equal(ngrams.tables[fold][:, 0], expected)
    for text, own, fold in zip(ids, ngrams.out_of_fold(ids), ngrams.fold, strict=True):
        np.testing.assert_array_equal(own, text + fold * SIZE)


def test_neighbours_of_a_class_stay_in_one_fold(counted):
    _, labels, ngrams = counted
    run = len(labels) // 2 // (2 * 3)  # below NEIGHBOURS: each class has two runs a fold
    for label in (0, 1):
        fold = ngrams.fold[labels == label]
        assert len(set(fold[:run])) == 1
        assert fold[run] != fold[0]


@pytest.mark.parametrize("count", [10, 30, 40 * NEIGHBOURS])
def test_no_fold_holds_all_of_a_class(count):
    labels = np.repeat([0.0, 1.0], count).astype("float32")
    ngrams = Ngrams.fit([np.array([[2]])] * len(labels), labels, SIZE, folds=5)
    for label in (0, 1):
        sizes = np.bincount(ngrams.fold[labels == label], minlength=6)[1:]
        assert sizes.min() > 0
        assert sizes.max() <= 0.4 * count


def test_the_network_reads_what_was_counted(counted):
    *_, ngrams = counted
    inputs = keras.Input((None, 2), dtype="int64")
    outputs = [ngrams.without_table(inputs), ngrams.ratios(inputs), ngrams.log_odds(inputs)]
    model = keras.Model(inputs, outputs)
    padded = np.array([[[2, 3], [2, 6], [2, 1]], [[5, 1], [0, 0], [0, 0]]])
    ids = np.where(padded > 0, padded + 2 * SIZE, 0)
    plain, ratios, linear = (output.numpy() for output in model(ids))
    np.testing.assert_array_equal(plain, padded)
    np.testing.assert_array_equal(ratios[padded > 0], ngrams.tables[2][padded[padded > 0], 0])
    once = presence([text[text.any(axis=1)] for text in padded], SIZE)
    np.testing.assert_allclose(linear, (once @ ngrams.weights + ngrams.bias)[:, 0], rtol=1e-5)
    assert not model.trainable_variables


def test_the_linear_model_tells_separable_texts_apart(counted):
    ids, labels, _ = counted
    present = presence(ids, SIZE)
    weights, bias = linear_weights(present, labels, log_count_ratios(present, labels))
    assert np.all((present @ weights + bias > 0) == labels)


def test_of_more_classes_each_is_against_all_others():
    random = np.random.default_rng(0)
    labels = np.arange(60) % 3
    ids = [np.array([[2 + label, random.integers(5, 8)]]) for label in labels]
    ngrams = Ngrams.fit(ids, labels, 8, folds=3, classes=3)
    assert ngrams.tables.shape == (4, 8, 3)
    for label in range(3):
        against = (labels == label).astype("float32")
        expected = log_count_ratios(presence(ids, 8), against)
        np.testing.assert_array_equal(ngrams.tables[0][:, label], expected)
    inputs = keras.Input((None, 2), dtype="int64")
    model = keras.Model(inputs, [ngrams.ratios(inputs), ngrams.log_odds(inputs)])
    ratios, linear = (output.numpy() for output in model(np.stack(ids)))
    # The ratios of a step are those of its first n-gram for each class, then of its second.
    np.testing.assert_array_equal(
        ratios[1, 0], np.concatenate([ngrams.tables[0][gram] for gram in ids[1][0]])
    )
    np.testing.assert_array_equal(linear.argmax(axis=1), labels)
