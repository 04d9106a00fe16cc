"""Transcripts from logits, against the sum over all alignments."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from apps.common.refusal import Refusal
from apps.recognition.decoding import as_texts, follow_best, search_prefixes
from apps.recognition.examples import Example
from apps.recognition.symbols import Alphabet, check_lengths, steps_needed


def collapsed(path):
    return tuple(symbol for symbol, _ in itertools.groupby(path) if symbol)


def all_transcripts(logits):
    """Return the logarithm of the probability of each transcript: the sum over its alignments."""
    steps, symbols = logits.shape
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    found = {}
    for path in itertools.product(range(symbols), repeat=steps):
        score = sum(logs[step, symbol] for step, symbol in enumerate(path))
        key = collapsed(path)
        found[key] = np.logaddexp(found.get(key, -np.inf), score)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_the_search_finds_the_likeliest_transcript(seed):
    logits = np.random.default_rng(seed).normal(size=(2, 6, 4)) * 2
    lengths = [6, 4]
    found = search_prefixes(tf.constant(logits, "float32"), tf.constant(lengths), beams=400)
    for row, length in enumerate(lengths):
        every = all_transcripts(logits[row, :length])
        best = max(every, key=every.get)
        assert tuple(found.ids[row].numpy()) == best
        assert float(found.log_probability[row]) == pytest.approx(every[best], abs=1e-4)


def test_the_search_beats_the_best_alignment():
    """Two alignments of the letter are together likelier than the one of silence."""
    logits = np.log([[[0.6, 0.4], [0.6, 0.4]]]).astype("f4")
    steps = tf.constant([2])
    assert search_prefixes(logits, steps).ids.to_list() == [[1]]
    assert follow_best(logits, steps).ids.to_list() == [[]]


def test_the_best_alignment_is_collapsed():
    logits = np.random.default_rng(0).normal(size=(3, 9, 3)).astype("f4")
    lengths = np.array([9, 5, 1])
    found = follow_best(tf.constant(logits), tf.constant(lengths))
    for row, length in enumerate(lengths):
        path = logits[row, :length].argmax(axis=1)
        assert tuple(found.ids[row].numpy()) == collapsed(path)
        logs = logits[row] - np.log(np.exp(logits[row]).sum(axis=1, keepdims=True))
        expected = logs[np.arange(length), path].sum()
        assert float(found.log_probability[row]) == pytest.approx(expected, abs=1e-5)


def test_pieces_give_what_the_whole_gives():
    logits = tf.random.stateless_normal((4, 30, 3), seed=(1, 2))
    whole = follow_best(logits, tf.fill([4], 30)).ids
    pieces, last = [], None
    for start in range(0, 30, 5):
        piece = logits[:, start : start + 5]
        pieces.append(follow_best(piece, tf.fill([4], 5), last).ids)
        last = tf.argmax(piece[:, -1], axis=-1, output_type=tf.int32)
    assert tf.concat(pieces, axis=1).to_list() == whole.to_list()


def test_numbers_become_texts():
    ids = tf.ragged.constant([[2, 1, 3], [], [3]])
    texts = as_texts(ids, (" ", "a", "é"))
    assert [text.decode() for text in texts.numpy()] == ["a é", "", "é"]


# Alphabets


def said(*transcripts):
    return [Example(f"{n}.wav", np.zeros(9, "f4"), "", t) for n, t in enumerate(transcripts)]


def test_the_alphabet_is_that_of_the_transcripts():
    alphabet = Alphabet.fit(said("No  way", "so"), None, connected=False)
    assert alphabet.symbols == (" ", "a", "n", "o", "s", "w", "y")
    ids = alphabet.ids(["no WAY", "s"])
    np.testing.assert_array_equal(ids, [[3, 4, 1, 6, 2, 7], [5, 0, 0, 0, 0, 0]])
    assert alphabet.foreign(["no, x"]) == [",", "x"]
    np.testing.assert_array_equal(alphabet.ids(["x"]), [[0]])


def test_letters_outside_the_alphabet_are_refused():
    with pytest.raises(Refusal, match=r"1\.wav: the transcript holds 'é', which is not in the"):
        Alphabet.fit(said("cafe", "café"), "abcdef", connected=False)
    assert Alphabet.fit(said("cab"), "abc", connected=False).symbols == (" ", "a", "b", "c")
    with pytest.raises(Refusal, match="alphabet must be 1 to 1,000 letters"):
        Alphabet.fit(said(" ", ""), None, connected=False)


def test_a_transcript_needs_a_blank_between_equal_letters():
    np.testing.assert_array_equal(steps_needed(np.array([[1, 1, 2, 2], [1, 2, 0, 0]])), [6, 2])
    examples = said("ab", "aab", "aaaaaa")
    alphabet = Alphabet.fit(examples, None, connected=False)
    kept = check_lengths(examples, alphabet, None, 2, 0.0)  # nine values are five steps
    assert [example.answer for example in kept] == ["ab", "aab"]
    with pytest.raises(Refusal, match="stride must be lower"):
        check_lengths(examples[2:], alphabet, None, 2, 0.0)
