"""Unicode normalisation in the graph, with TensorFlow operations only."""

import functools
import sys
import unicodedata

import tensorflow as tf

MAX_MARKS = 3  # of a composed letter


class Normalizer(tf.Module):
    """Normalises texts to Unicode's form NFKC, so that texts that look alike are equal.

    Compatibility characters are replaced by ordinary ones (a no-break space by a space, a ligature
    by its letters). A letter and the marks after it become one composed letter. Marks are not
    sorted as Unicode demands, so some of several marks of one letter may stay apart. Bytes that are
    not UTF-8 become U+FFFD.
    """

    def __init__(self) -> None:
        super().__init__()
        self.single = _table(_compatible())
        self.pairs = _table(_composed())

    def __call__(self, texts: tf.Tensor) -> tf.Tensor:
        """Normalise texts, shape `(batch,)`."""
        characters = tf.strings.unicode_split(texts, "UTF-8", errors="replace")
        characters = characters.with_flat_values(_replaced(self.single, characters.flat_values))
        # A compatible form may be several characters, each of which may take a mark.
        texts = tf.strings.reduce_join(characters, axis=-1)
        characters = tf.strings.unicode_split(texts, "UTF-8")
        for _ in range(MAX_MARKS):
            characters = self._compose(characters)
        return tf.strings.reduce_join(characters, axis=-1)

    def _compose(self, characters: tf.RaggedTensor) -> tf.RaggedTensor:
        """Join each letter and the mark after it, if the two have a composed form."""
        letters = characters.flat_values
        # Only neighbours within a text make a pair.
        rows = characters.value_rowids()
        same = tf.concat([rows[1:] == rows[:-1], [False]], 0)[: tf.size(letters)]
        marks = tf.where(same, tf.concat([letters[1:], [""]], 0)[: tf.size(letters)], "")
        composed = self.pairs.lookup(letters + marks)
        joined = composed != ""
        taken = tf.concat([[False], joined[:-1]], 0)[: tf.size(letters)]
        characters = characters.with_flat_values(tf.where(joined, composed, letters))
        return tf.ragged.boolean_mask(characters, characters.with_flat_values(~taken))


def _replaced(table: tf.lookup.StaticHashTable, characters: tf.Tensor) -> tf.Tensor:
    found = table.lookup(characters)
    return tf.where(found == "", characters, found)


def _table(entries: dict[str, str]) -> tf.lookup.StaticHashTable:
    keys, values = tf.constant(list(entries)), tf.constant(list(entries.values()))
    return tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(keys, values), default_value=""
    )


@functools.cache
def _decomposed() -> list[str]:
    """Return the characters that stand for others. All else is its own normal form."""
    syllables = range(0xAC00, 0xD7A4)  # of Korean, which are composed by arithmetic
    characters = map(chr, range(sys.maxunicode + 1))
    return [c for c in characters if unicodedata.decomposition(c) or ord(c) in syllables]


@functools.cache
def _compatible() -> dict[str, str]:
    """Return the characters that NFKC replaces, with their replacements."""
    pairs = ((character, unicodedata.normalize("NFKC", character)) for character in _decomposed())
    return {character: normal for character, normal in pairs if character != normal}


@functools.cache
def _composed() -> dict[str, str]:
    """Return pairs of a letter and a mark, with the letter composed of them."""
    composed = {}
    for character in _decomposed():
        *letter, mark = unicodedata.normalize("NFD", character)
        pair = unicodedata.normalize("NFC", "".join(letter)) + mark
        if letter and unicodedata.normalize("NFC", pair) == character:
            composed[pair] = character
    return composed
