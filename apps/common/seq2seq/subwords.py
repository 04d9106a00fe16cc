"""Texts as pieces of words, and back: a vocabulary learned from texts, used in the graph."""

import io
from collections.abc import Sequence

import numpy as np
import sentencepiece
import tensorflow as tf

from apps.common.refusal import Refusal
from apps.common.seq2seq.unicode import Normalizer
from apps.common.text import encode

SPACE = "▁"  # what stands for the space before a word
PAD, UNKNOWN, START, STOP = range(4)
SPECIAL = ("[pad]", "[unknown]", "[start]", "[stop]")
LONGEST = 16  # characters in a piece


class Subwords(tf.Module):
    """Turns texts into ids of pieces, with TensorFlow operations only, so that it can be exported.

    Texts are normalised (`Normalizer`), put into lower case if wanted, and cut at spaces and around
    signs; each word is then cut into the longest pieces that the vocabulary has, from its start on.
    A piece that begins with `SPACE` begins a word, so that pieces in a row are the text again. A
    character that the vocabulary lacks is `UNKNOWN`.

    Args:
        pieces: The pieces with the ids from 4 up.
        lowercase: Whether to put texts into lower case.
        max_length: Pieces kept of a text, those at its start.
    """

    def __init__(self, pieces: Sequence[str], lowercase: bool, max_length: int):
        super().__init__()
        if len(set(pieces)) < len(pieces):
            raise Refusal("pieces must all be different; there are some twice")
        self.pieces = tuple(pieces)
        self.lowercase = lowercase
        self.max_length = max_length
        self.normalize = Normalizer()
        self.longest = max(map(len, pieces))
        self.strings = tf.constant([*SPECIAL, *pieces])
        ids = tf.range(len(SPECIAL), self.size, dtype=tf.int32)
        self.ids = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(self.strings[len(SPECIAL) :], ids), UNKNOWN
        )

    @classmethod
    def learned(
        cls, texts: Sequence[str], size: int, lowercase: bool, max_length: int
    ) -> "Subwords":
        """Makes one whose pieces are those of byte pair encoding (Sennrich et al. 2016).

        Args:
            texts: The texts to learn from.
            size: How many ids there are at most. A size beyond the number of words keeps words
                whole.
            lowercase: As above.
            max_length: As above.

        Raises:
            Refusal: If the size is too small to hold all characters, or there are none.
        """
        prepared = cls([SPACE], lowercase, max_length).prepared
        lines: list[str] = []
        for start in range(0, len(texts), 1000):
            words = prepared(encode(texts[start : start + 1000]))
            joined = tf.strings.reduce_join(words, axis=-1).numpy()
            lines += [line.decode().replace(SPACE, " ") for line in joined]
        characters = {SPACE, *"".join(lines).replace(" ", SPACE)}
        if len(characters) < 2 or size < len(SPECIAL) + len(characters):
            raise Refusal(
                f"vocabulary_size must be at least {len(SPECIAL) + len(characters)}, for the texts "
                f"have {len(characters) - 1} different characters; received {size}"
                if len(characters) > 1
                else "vocabulary_size: there are no words to learn pieces of"
            )
        return cls(_byte_pairs(lines, size - len(SPECIAL)), lowercase, max_length)

    @property
    def size(self) -> int:
        """How many ids there are."""
        return len(SPECIAL) + len(self.pieces)

    def prepared(self, texts: tf.Tensor, most: int | None = None) -> tf.RaggedTensor:
        """Returns the words and signs of texts `(batch,)`, `SPACE` before what a space preceded."""
        texts = self.normalize(texts)
        if self.lowercase:
            texts = tf.strings.lower(texts, encoding="utf-8")
        for pattern, replacement in (
            (SPACE, "_"),
            (r"[\pZ\pC]+", " "),
            (r"^ | $", ""),
            (r" |^", " " + SPACE),
            (rf"({SPACE}?[^\pL\pM\pN {SPACE}])", r" \1 "),
            (rf" {SPACE}$", ""),  # of an empty text
        ):
            texts = tf.strings.regex_replace(texts, pattern, replacement)
        return tf.strings.split(texts)[:, : most or self.max_length]

    def __call__(self, texts: tf.Tensor, most: int | None = None) -> tf.RaggedTensor:
        """Returns the ids of the pieces of texts `(batch,)`, shape `(batch, None)`, int32.

        Args:
            texts: The texts.
            most: How many pieces to keep of each; `max_length` if not given.
        """
        most = most or self.max_length
        words = self.prepared(texts, most)
        different, places = tf.unique(words.flat_values)
        ids = words.with_flat_values(tf.gather(self._cut(different, most), places))
        return ids.merge_dims(1, 2)[:, :most]

    def _cut(self, words: tf.Tensor, most: int) -> tf.RaggedTensor:
        """Cuts words `(words,)` into the longest pieces, from their start on, so many at most."""
        lengths = tf.strings.length(words, unit="UTF8_CHAR")
        sizes = tf.range(1, self.longest + 1)
        copies = tf.repeat(words[:, None], self.longest, axis=1)

        def go_on(count: tf.Tensor, start: tf.Tensor, ids: tf.TensorArray) -> tf.Tensor:
            return (count < most) & tf.reduce_any(start < lengths)

        def take(count: tf.Tensor, start: tf.Tensor, ids: tf.TensorArray) -> tuple:
            runs = start < lengths
            left = tf.where(runs, lengths - start, 0)
            starts = tf.repeat(tf.where(runs, start, 0)[:, None], self.longest, axis=1)
            ends = tf.repeat(sizes[None], tf.size(words), axis=0)
            found = self.ids.lookup(tf.strings.substr(copies, starts, ends, unit="UTF8_CHAR"))
            fits = (found != UNKNOWN) & (sizes <= left[:, None])
            size = tf.reduce_max(tf.where(fits, sizes, 1), axis=1)  # one, if it is unknown
            id_ = tf.gather(found, size - 1, batch_dims=1)
            ids = ids.write(count, tf.where(runs, id_, PAD))
            return count + 1, start + tf.where(runs, size, 0), ids

        ids = tf.TensorArray(tf.int32, 0, dynamic_size=True, element_shape=[None])
        ids = ids.write(0, tf.zeros_like(lengths))  # so that there is one, whatever the words
        *_, ids = tf.while_loop(go_on, take, (tf.constant(0), tf.zeros_like(lengths), ids))
        return tf.RaggedTensor.from_tensor(tf.transpose(ids.stack()), padding=PAD)

    def spelled(self, ids: tf.Tensor) -> tf.Tensor:
        """Returns the pieces of ids, in the same shape; of `PAD` an empty string."""
        return tf.where(ids == PAD, "", tf.gather(self.strings, ids))

    def joined(self, ids: tf.Tensor) -> tf.Tensor:
        """Returns the texts `(...)` of ids `(..., pieces)`, without what is special."""
        pieces = tf.where(ids < len(SPECIAL), "", tf.gather(self.strings, ids))
        texts = tf.strings.regex_replace(tf.strings.reduce_join(pieces, axis=-1), SPACE, " ")
        return tf.strings.strip(texts)

    def arrays(self, texts: Sequence[str | bytes], most: int | None = None) -> list[np.ndarray]:
        """Returns the ids of each text, see `__call__`."""
        arrays: list[np.ndarray] = []
        for start in range(0, len(texts), 1000):
            ids = self(encode(texts[start : start + 1000]), most)
            arrays += np.split(ids.flat_values.numpy(), ids.row_splits.numpy()[1:-1])
        return arrays


def _byte_pairs(lines: Sequence[str], size: int) -> list[str]:
    """Learns pieces of prepared lines."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        model_type="bpe",
        vocab_size=size + 3,  # with its own special pieces, which are left out below
        hard_vocab_limit=False,  # a size that is too high is no mistake
        character_coverage=1.0,
        normalization_rule_name="identity",
        max_sentencepiece_length=LONGEST,
        max_sentence_length=2**30,  # longer ones, in bytes, it would leave out
        minloglevel=2,
    )
    learned = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return [learned.id_to_piece(id_) for id_ in range(3, learned.get_piece_size())]
