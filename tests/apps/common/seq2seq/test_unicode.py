import sys
import unicodedata

import numpy as np
import pytest
import tensorflow as tf

from apps.common.seq2seq.unicode import Normalizer
from apps.common.text import encode

CHARACTERS = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
# Letters, some of which compose with what follows, and marks of one class.
LETTERS = "aeoAEOuω\u0391\u03b9かハ각가\u1100\u1161\u11a8Åﬁ½\u017féǖ \u00a0x1"
MARKS = "\u0300\u0301\u0302\u0303\u0308\u030a\u0342"


@pytest.fixture(scope="module")
def normalize():
    return Normalizer()


def normalized(normalize, texts):
    return [text.decode("utf-8") for text in normalize(encode(texts)).numpy()]


def expected(texts):
    return [unicodedata.normalize("NFKC", text) for text in texts]


@pytest.mark.slow
def test_every_character_becomes_its_nfkc_from_every_form(normalize):
    forms = ("NFC", "NFD", "NFKD")
    different = {unicodedata.normalize(form, c): None for form in forms for c in CHARACTERS}
    texts, found = [*different], []
    for start in range(0, len(texts), 100_000):
        found += normalized(normalize, texts[start : start + 100_000])
    wrong = [pair for pair in zip(texts, found, expected(texts), strict=True) if pair[1] != pair[2]]
    assert wrong == []


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKD"])
def test_characters_of_one_text_compose_with_their_own_neighbours_alone(normalize, form):
    random = np.random.default_rng(0)
    texts = []
    for length in random.integers(0, 12, size=500):
        parts = random.choice(list(LETTERS), length)
        # At most one mark on a letter that has none: their canonical order is then no question.
        parts = [letter + random.choice(["", *MARKS]) for letter in parts]
        texts.append(unicodedata.normalize(form, "".join(parts)))
    assert normalized(normalize, texts) == expected(texts)


def test_a_mark_at_the_start_of_a_text_does_not_reach_into_the_text_before(normalize):
    texts = ["e", "\u0301e", "", "\u0301", "\u1100", "\u1161"]
    assert normalized(normalize, texts) == expected(texts) == texts


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("fin\u00a0de\u202fligne\u2009!", "fin de ligne !"),
        ("ﬁn \uff12 Ⅳ ½ …", "fin 2 IV 1\u20442 ..."),
        ("cafe\u0301 a\u0323\u0302 A\u030a\u0301", "café ậ Ǻ"),
        ("\u1112\u1161\u11ab\u1100\u1173\u11af", "한글"),
        ("か\u3099 ｶﾞ", "が ガ"),
        ("\ufdfa", "صلى الله عليه وسلم"),
        ("\x00\x01\t\n", "\x00\x01\t\n"),
    ],
)
def test_what_looks_the_same_is_the_same(normalize, text, normal):
    assert normalized(normalize, [text]) == [normal]


def test_what_is_normal_already_stays(normalize):
    once = normalized(normalize, CHARACTERS[:10_000])
    assert normalized(normalize, once) == once


def test_empty_texts_and_an_empty_batch(normalize):
    assert normalized(normalize, ["", "a", ""]) == ["", "a", ""]
    assert normalized(normalize, ["", ""]) == ["", ""]
    assert normalized(normalize, []) == []


def test_bytes_that_are_not_utf8_become_replacement_characters(normalize):
    texts = [b"caf\xe9", b"\xff\xfe", b"\xffe\xcc\x81", b"\xed\xa0\x80", b"\xe2\x82"]
    found = normalized(normalize, texts)
    assert found[:3] == ["caf\ufffd", "\ufffd\ufffd", "\ufffdé"]
    assert set(found[3]) == set(found[4]) == {"\ufffd"}


def test_it_works_in_a_function_for_any_batch(normalize):
    function = tf.function(normalize, input_signature=[tf.TensorSpec([None], tf.string)])
    for texts in (["cafe\u0301", "", "ﬁn\u00a02"], [], [""], [b"\xff"]):
        assert function(encode(texts)).numpy().tolist() == normalize(encode(texts)).numpy().tolist()
