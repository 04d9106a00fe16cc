"""Subwords: a vocabulary learned from texts, and a tokenizer in the TensorFlow graph."""

import io
from collections import Counter
from collections.abc import Sequence

import numpy as np
import regex
import sentencepiece
import tensorflow as tf

from apps.common.refusal import Refusal
from apps.common.seq2seq.special import PAD, SPECIAL, UNKNOWN
from apps.common.seq2seq.unicode import Normalizer
from apps.common.text import UNSPACED, encode

SPACE = "▁"  # stands for the space before a word
MAX_PIECE_LENGTH = 16  # characters
BORDER = "\x01"  # in no normalised text


class Subwords(tf.Module):
    """Tokenizes texts and joins them again, with TensorFlow operations only, so it can be exported.

    Texts are normalised (`Normalizer`), put into lower case if wanted, and split at spaces, around
    signs, and around each letter of scripts without spaces. Each word is then split from its start
    into the longest pieces of the vocabulary.
    A piece that begins with `SPACE` begins a word, so that joined pieces are the text again. A
    character that is not in the vocabulary is `UNKNOWN`.

    Args:
        pieces: The pieces, whose ids count from 4.
        lowercase: Whether to put texts into lower case.
        max_length: The number of pieces that are kept of a text, from its start.
    """

    def __init__(self, pieces: Sequence[str], lowercase: bool, max_length: int):
        super().__init__()
        if len(set(pieces)) < len(pieces):
            twice = next(piece for piece, count in Counter(pieces).items() if count > 1)
            raise Refusal(
                f"the pieces of a vocabulary must all be different; received {twice!r} more than "
                f"once: restore the file of the vocabulary, or train again"
            )
        self.pieces = tuple(pieces)
        self.lowercase = lowercase
        self.max_length = max_length
        self.normalize = Normalizer()
        self.max_piece_length = max(map(len, pieces))
        # Vocabularies of earlier versions may hold pieces of several letters of such scripts.
        several = regex.compile(rf"{UNSPACED}+{UNSPACED}")  # with + the first keeps its marks
        self.unspaced = not any(map(several.search, pieces))
        self.strings = tf.constant([*SPECIAL, *pieces])
        ids = tf.range(len(SPECIAL), self.size, dtype=tf.int32)
        self.ids = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(self.strings[len(SPECIAL) :], ids), UNKNOWN
        )

    @classmethod
    def learn(cls, texts: Sequence[str], size: int, lowercase: bool, max_length: int) -> "Subwords":
        """Learn the pieces from texts by byte pair encoding (Sennrich et al. 2016).

        Args:
            texts: The texts.
            size: The largest number of ids. If it exceeds the number of words, words stay whole.
            lowercase: As above.
            max_length: As above.

        Raises:
            Refusal: If the size is too small to hold all characters, or there are no words.
        """
        split_words = cls([SPACE], lowercase, max_length).split_words
        lines: list[str] = []
        for start in range(0, len(texts), 1000):
            words = split_words(encode(texts[start : start + 1000]))
            joined = tf.strings.reduce_join(words, axis=-1).numpy()
            lines += [line.decode().replace(SPACE, " ") for line in joined]
        # No piece crosses a border.
        lines = [regex.sub(rf"( ?{UNSPACED})", rf"{BORDER}\1{BORDER}", line) for line in lines]
        characters = {SPACE, *"".join(lines).replace(" ", SPACE)} - {BORDER}
        if len(characters) < 2 or size < len(SPECIAL) + len(characters):
            raise Refusal(
                f"vocabulary_size must be at least {len(SPECIAL) + len(characters)}, since the "
                f"texts have {len(characters) - 1} different characters; received {size}"
                if len(characters) > 1
                else "source must have texts with words, for a vocabulary; there are none"
            )
        return cls(_byte_pairs(lines, size - len(SPECIAL)), lowercase, max_length)

    @property
    def size(self) -> int:
        """The number of ids."""
        return len(SPECIAL) + len(self.pieces)

    def split_words(self, texts: tf.Tensor, max_length: int | None = None) -> tf.RaggedTensor:
        """Return the words and signs of texts `(batch,)`, with `SPACE` for a space before them."""
        texts = self.normalize(texts)
        if self.lowercase:
            texts = tf.strings.lower(texts, encoding="utf-8")
        for pattern, replacement in (
            (SPACE, "_"),
            (r"[\pZ\pC]+", " "),
            (r"^ | $", ""),
            (r" |^", " " + SPACE),
            (rf"({SPACE}?[^\pL\pM\pN {SPACE}])", r" \1 "),
            *([(rf"({SPACE}?{UNSPACED})", r" \1 ")] if self.unspaced else []),
            (rf" {SPACE}$", ""),  # of an empty text
        ):
            texts = tf.strings.regex_replace(texts, pattern, replacement)
        return tf.strings.split(texts)[:, : max_length or self.max_length]

    def __call__(self, texts: tf.Tensor, max_length: int | None = None) -> tf.RaggedTensor:
        """Return the ids of the pieces of texts `(batch,)`, shape `(batch, None)`, int32.

        Args:
            texts: The texts.
            max_length: The number of pieces kept of each; `self.max_length` if not given.
        """
        max_length = max_length or self.max_length
        words = self.split_words(texts, max_length)
        different, places = tf.unique(words.flat_values)
        ids = words.with_flat_values(tf.gather(self._split(different, max_length), places))
        return ids.merge_dims(1, 2)[:, :max_length]

    def _split(self, words: tf.Tensor, max_length: int) -> tf.RaggedTensor:
        """Split words `(words,)` from their start into at most `max_length` longest pieces."""
        lengths = tf.strings.length(words, unit="UTF8_CHAR")
        sizes = tf.range(1, self.max_piece_length + 1)
        copies = tf.repeat(words[:, None], self.max_piece_length, axis=1)

        def unfinished(count: tf.Tensor, start: tf.Tensor, ids: tf.TensorArray) -> tf.Tensor:
            return (count < max_length) & tf.reduce_any(start < lengths)

        def take(count: tf.Tensor, start: tf.Tensor, ids: tf.TensorArray) -> tuple:
            active = start < lengths
            left = tf.where(active, lengths - start, 0)
            starts = tf.repeat(tf.where(active, start, 0)[:, None], self.max_piece_length, axis=1)
            ends = tf.repeat(sizes[None], tf.size(words), axis=0)
            candidates = self.ids.lookup(tf.strings.substr(copies, starts, ends, unit="UTF8_CHAR"))
            fits = (candidates != UNKNOWN) & (sizes <= left[:, None])
            size = tf.reduce_max(tf.where(fits, sizes, 1), axis=1)  # 1 if it is unknown
            id_ = tf.gather(candidates, size - 1, batch_dims=1)
            ids = ids.write(count, tf.where(active, id_, PAD))
            return count + 1, start + tf.where(active, size, 0), ids

        ids = tf.TensorArray(tf.int32, 0, dynamic_size=True, element_shape=[None])
        ids = ids.write(0, tf.zeros_like(lengths))  # for a batch without words
        *_, ids = tf.while_loop(unfinished, take, (tf.constant(0), tf.zeros_like(lengths), ids))
        return tf.RaggedTensor.from_tensor(tf.transpose(ids.stack()), padding=PAD)

    def to_pieces(self, ids: tf.Tensor) -> tf.Tensor:
        """Return the pieces of ids, in the same shape, with empty strings for `PAD`."""
        return tf.where(ids == PAD, "", tf.gather(self.strings, ids))

    def detokenize(self, ids: tf.Tensor) -> tf.Tensor:
        """Return the texts `(...)` of ids `(..., pieces)`, without special tokens."""
        pieces = tf.where(ids < len(SPECIAL), "", tf.gather(self.strings, ids))
        texts = tf.strings.regex_replace(tf.strings.reduce_join(pieces, axis=-1), SPACE, " ")
        return tf.strings.strip(texts)

    def arrays(
        self, texts: Sequence[str | bytes], max_length: int | None = None
    ) -> list[np.ndarray]:
        """Return the ids of each text as an array, as `__call__` does for a batch."""
        arrays: list[np.ndarray] = []
        for start in range(0, len(texts), 1000):
            ids = self(encode(texts[start : start + 1000]), max_length)
            arrays += np.split(ids.flat_values.numpy(), ids.row_splits.numpy()[1:-1])
        return arrays


def _byte_pairs(lines: Sequence[str], size: int) -> list[str]:
    """Learn pieces from lines whose words and signs are apart."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        model_type="bpe",
        vocab_size=size + 3,  # three are its own special pieces, left out below
        hard_vocab_limit=False,  # a larger size than needed is allowed
        character_coverage=1.0,
        normalization_rule_name="identity",
        max_sentencepiece_length=MAX_PIECE_LENGTH,
        pretokenization_delimiter=BORDER,
        max_sentence_length=2**30,  # in bytes; longer ones would be left out
        minloglevel=2,
    )
    learned = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return [learned.id_to_piece(id_) for id_ in range(3, learned.get_piece_size())]
