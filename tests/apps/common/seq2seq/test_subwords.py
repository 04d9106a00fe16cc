import re
import time
import unicodedata

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.common.refusal import Refusal
from apps.common.seq2seq.special import SPECIAL, START, STOP, UNKNOWN
from apps.common.seq2seq.subwords import MAX_PIECE_LENGTH, SPACE, Subwords
from apps.common.text import encode
from apps.translation import sample as pair_sample

LINES = [line for pair in pair_sample.generate(300, 1)[0] for line in pair]
SPACES = " \t\n\x00\x07\x85\u00a0\u00ad\u200b\u202f\u2028\u3000"


@pytest.fixture(scope="module")
def pieces():
    return Subwords.learn([*LINES, "a-b_c (d) 'e' 12, « f »; g! ÀÉ."], 300, False, 10_000)


@pytest.fixture(scope="module")
def cut(pieces):
    """The pieces as a function, which is quicker to call than the operations one by one."""
    return tf.function(pieces, input_signature=[tf.TensorSpec([None], tf.string)])


def ids_of(subwords, texts):
    return subwords(encode(texts)).to_list()


def words_of(subwords, texts):
    return [
        [word.decode() for word in words] for words in subwords.split_words(encode(texts)).to_list()
    ]


def spelled(subwords, ids):
    return [piece.decode() for piece in subwords.to_pieces(tf.constant(ids, tf.int32)).numpy()]


def separated(normal):
    """Returns a normalised text with one space for all that separates."""
    normal = normal.replace(SPACE, "_")
    spaced = (" " if unicodedata.category(c)[0] in "ZC" else c for c in normal)
    return re.sub(" +", " ", "".join(spaced)).strip(" ")


def marked(text):
    """Returns a text as its pieces spell it."""
    return SPACE + text.replace(" ", SPACE) if text else ""


def longest_match(word, vocabulary):
    """Cuts a word as the class says: the longest piece from the start on, one character if none."""
    found = []
    while word:
        sizes = [size for size in range(1, len(word) + 1) if word[:size] in vocabulary]
        size = max(sizes, default=1)
        found.append(word[:size] if sizes else SPECIAL[UNKNOWN])
        word = word[size:]
    return found


KNOWN = sorted({*"".join(LINES), *"-_()';!«»", *SPACES, SPACE})


@settings(max_examples=5, deadline=None)
@given(st.lists(st.text(st.sampled_from(KNOWN), max_size=40), min_size=5, max_size=30))
def test_pieces_in_a_row_are_the_text_again(pieces, cut, texts):
    ids = cut(encode(texts))
    expected = [separated(unicodedata.normalize("NFKC", text)) for text in texts]
    rows = [spelled(pieces, row) for row in ids.to_list()]
    assert ["".join(row) for row in rows] == [marked(text) for text in expected]
    joined = pieces.detokenize(ids.to_tensor()).numpy()
    assert [text.decode() for text in joined] == expected


def covered(vocabulary, row, text):
    """Tells whether pieces make up a text, if each unknown one stands for a character."""
    for piece in row:
        known = piece != SPECIAL[UNKNOWN]
        if not (text.startswith(piece) if known else text and text[0] not in vocabulary):
            return False
        text = text[len(piece) if known else 1 :]
    return not text


@settings(max_examples=10, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cn"]), max_size=30), min_size=5))
def test_of_any_text_each_character_is_in_a_piece_or_unknown(pieces, cut, texts):
    normal = [text.decode() for text in pieces.normalize(encode(texts)).numpy()]
    for text, ids in zip(normal, cut(encode(texts)).to_list(), strict=True):
        assert covered(set(pieces.pieces), spelled(pieces, ids), marked(separated(text)))


@pytest.mark.parametrize("seed", range(10))
def test_words_are_cut_into_the_longest_pieces_from_their_start_on(seed):
    random = np.random.default_rng(seed)

    def some(letters, longest):
        return "".join(random.choice(list(letters), random.integers(1, longest + 1)))

    vocabulary = {some("abcé", 5) for _ in range(12)} | {SPACE + some("ab", 3) for _ in range(8)}
    vocabulary |= {SPACE} if seed % 2 else set()
    words = [some("abcéx", 12) for _ in range(80)]
    subwords = Subwords(sorted(vocabulary), False, 10_000)
    expected = [piece for word in words for piece in longest_match(SPACE + word, vocabulary)]
    (ids,) = ids_of(subwords, [" ".join(words)])
    assert spelled(subwords, ids) == expected


@pytest.mark.parametrize("max_length", [1, 2, 5, 12])
def test_of_a_long_text_the_first_pieces_are_kept(max_length):
    whole = Subwords([SPACE, "a", "b", "ab", "."], False, 1000)
    cut = Subwords(whole.pieces, False, max_length)
    texts = ["abab ba. a", "", "ab " * 30, "b" * 30, ". . ...", "a"]
    expected = [ids[:max_length] for ids in ids_of(whole, texts)]
    assert ids_of(cut, texts) == expected
    assert [array.tolist() for array in cut.arrays(texts)] == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't stop, ok?", ["▁Don", "'", "t", "▁stop", ",", "▁ok", "?"]),
        ("vrai\u202f? «\u00a0oui\u00a0»", ["▁vrai", "▁?", "▁«", "▁oui", "▁»"]),
        ("a ▁b▁ ▁", ["▁a", "▁_", "b", "_", "▁_"]),
        (" \x01lead\x7f\x00ing\u200b ", ["▁lead", "▁ing"]),
        ("cafe\u0301 ﬁn", ["▁café", "▁fin"]),
        ("q\u0323a", ["▁q\u0323a"]),
        ("[pad] [unknown]", ["▁[", "pad", "]", "▁[", "unknown", "]"]),
        (b"caf\xe9s", ["▁caf", "\ufffd", "s"]),
        ("\N{CLAPPING HANDS SIGN}\N{CLAPPING HANDS SIGN}", ["▁👏", "👏"]),
        ("\x00 \u202f\n", []),
        ("", []),
    ],
)
def test_words_and_signs(pieces, text, words):
    assert words_of(pieces, [text]) == [words]


def test_empty_texts_and_an_empty_batch(pieces):
    assert ids_of(pieces, ["", "\x00", " \u00a0"]) == [[], [], []]
    assert ids_of(pieces, []) == []
    assert pieces.arrays([]) == []
    arrays = pieces.arrays(["", "The dog.", ""])
    assert [len(array) > 0 for array in arrays] == [False, True, False]
    assert pieces.detokenize(tf.zeros((2, 0), tf.int32)).numpy().tolist() == [b"", b""]


def test_what_is_special_is_spelled_but_not_in_the_text(pieces):
    (ids,) = ids_of(pieces, ["The dog."])
    ids = tf.constant([[START, *ids, STOP, 0, 0], [UNKNOWN, *ids, 0, 0, 0]], tf.int32)
    assert pieces.detokenize(ids).numpy().tolist() == [b"The dog.", b"The dog."]
    names = pieces.to_pieces(ids).numpy()
    assert names.shape == ids.shape
    assert names[0, 0] == b"[start]"
    assert names[0, -3:].tolist() == [b"[stop]", b"", b""]
    assert names[1, 0] == b"[unknown]"
    beams = tf.stack([ids, ids])
    assert pieces.detokenize(beams).shape == (2, 2)


def test_texts_are_put_into_lower_case_where_it_is_wanted():
    texts = ["Ärger ÉTÉ", "ärger été", "Σ É"]
    lower, upper = (Subwords.learn(texts, 100, lowercase, 64) for lowercase in (True, False))
    assert ids_of(lower, texts[:1]) == ids_of(lower, texts[1:2])
    assert UNKNOWN not in ids_of(lower, ["ÄRGER E\u0301TÉ \u03c3"])[0]
    assert lower.detokenize(lower(encode(["ÄRGER Été"]))[0]).numpy().decode() == "ärger été"
    assert upper.detokenize(upper(encode(["ÄrT Été"]))[0]).numpy().decode() == "ÄrT Été"
    assert not any(piece != piece.lower() for piece in lower.pieces)


def test_learned_pieces_are_at_most_as_many_as_asked_for_different_and_always_the_same():
    found = [Subwords.learn(LINES, size, False, 64) for size in (90, 200, 400)]
    for size, subwords in zip((90, 200, 400), found, strict=True):
        assert len(set(subwords.pieces)) == len(subwords.pieces) == subwords.size - len(SPECIAL)
        assert subwords.size <= size
        assert max(map(len, subwords.pieces)) <= MAX_PIECE_LENGTH
    assert Subwords.learn(LINES, 200, False, 64).pieces == found[1].pieces
    # More pieces, fewer of them in a text.
    lengths = [sum(map(len, subwords.arrays(LINES))) for subwords in found]
    assert lengths[0] > lengths[1] > lengths[2]


def test_a_size_beyond_the_number_of_words_keeps_words_whole():
    subwords = Subwords.learn(LINES, 100_000, False, 64)
    assert subwords.size < 5000
    assert list(map(len, subwords.arrays(LINES))) == list(map(len, words_of(subwords, LINES)))


@pytest.mark.parametrize("size", [5, 6, 20])
def test_a_size_too_small_for_the_characters_is_refused(size):
    with pytest.raises(Refusal, match="vocabulary_size must be at least"):
        Subwords.learn(LINES, size, False, 64)


def test_texts_without_words_are_refused():
    with pytest.raises(Refusal, match=r"source must have texts with words, .* there are none"):
        Subwords.learn(["", "\x00"], 100, False, 64)


def test_a_piece_that_comes_twice_is_refused():
    with pytest.raises(Refusal, match="must all be different; received 'b' more than once"):
        Subwords(["a", "b", "b"], False, 64)


def test_characters_that_occur_in_long_lines_alone_are_learned():
    subwords = Subwords.learn(["a b c", "zebra " * 2000], 100, False, 10_000)
    assert UNKNOWN not in ids_of(subwords, ["zebra"])[0]


@pytest.mark.parametrize(
    "text",
    ["t" * 100_000, "cat " * 5000, " ".join(map(str, range(5000))), "?" * 20_000, " " * 100_000],
    ids=["a long word", "a long line", "different words", "signs", "spaces"],
)
def test_long_texts_are_quick(text):
    subwords = Subwords([SPACE, *"abct0123456789", "?", "ttt", "cat", "▁cat"], False, 64)
    start = time.process_time()
    (ids,) = ids_of(subwords, [text])
    assert time.process_time() - start < 3
    assert len(ids) == (64 if text.strip() else 0)


def test_the_ids_are_the_same_eagerly_and_in_a_function(pieces, cut):
    odd = [
        "",
        "\x00",
        "日本 dog",
        "▁ ▁a",
        "x" * 40,
        b"\xff The",
        "l'e\u0301glise\u202f?",
        "\ud800",
    ]
    for texts in (LINES[:50], odd, [""], []):
        assert cut(encode(texts)).to_list() == ids_of(pieces, texts)


def test_a_text_has_the_same_ids_alone_and_in_a_batch(cut):
    texts = [*LINES[:10], "", "x" * 40, "日本"]
    assert cut(encode(texts)).to_list() == [cut(encode([text])).to_list()[0] for text in texts]


# Scripts without spaces


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("一只红狗。", ["▁一", "只", "红", "狗", "。"]),
        ("a 犬が走る ok", ["▁a", "▁犬", "が", "走", "る", "▁ok"]),
        ("GRUはดี", ["▁GRU", "は", "ดี"]),
    ],
)
def test_each_letter_of_a_script_without_spaces_is_a_word(text, words):
    learned = Subwords.learn([text] * 20, 100, False, 20)
    assert words_of(learned, [text]) == [words]
    (ids,) = learned.arrays([text])
    assert learned.detokenize(ids[None]).numpy()[0].decode() == text


def test_vocabularies_of_earlier_versions_keep_pieces_of_several_letters():
    old = Subwords(["▁", "一只", "红", "狗", "▁一", "只"], False, 20)
    assert spelled(old, old.arrays(["一只红狗"])[0]) == ["▁一", "只", "红", "狗"]
    assert words_of(old, ["一只红狗"]) == [["▁一只红狗"]]
