"""Characters as ids."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from apps.common.refusal import Refusal

UNKNOWN, END = 0, 1  # a character outside the vocabulary, and the end of a text
SPECIAL_IDS = 2


class Characters(tf.Module):
    """Turns texts into the ids of their characters and back, with TensorFlow operations only.

    Args:
        characters: The characters with the ids from 2.
    """

    def __init__(self, characters: Sequence[str]):
        super().__init__()
        self.characters = tuple(characters)
        self.strings = tf.constant(["\ufffd", "", *characters])
        ids = tf.range(SPECIAL_IDS, self.size, dtype=tf.int32)
        self.ids = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(self.strings[SPECIAL_IDS:], ids), UNKNOWN
        )

    @classmethod
    def fit(cls, text: str, min_count: int) -> "Characters":
        """Return the characters that occur at least `min_count` times in a text, sorted.

        Raises:
            Refusal: If there are none.
        """
        counts = Counter(text)
        kept = sorted(character for character, n in counts.items() if n >= min_count)
        if not kept:
            raise Refusal(
                f"min_count must be at most {max(counts.values()):,}, the count of the most "
                f"frequent character; received {min_count:,}"
            )
        return cls(kept)

    @property
    def size(self) -> int:
        """The number of ids."""
        return len(self.characters) + SPECIAL_IDS

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Return the ids of texts `(batch,)`, `(batch, None)`."""
        characters = tf.strings.unicode_split(texts, "UTF-8", errors="replace")
        return characters.with_flat_values(self.ids.lookup(characters.flat_values))

    def join(self, ids: tf.Tensor) -> tf.Tensor:
        """Return the texts `(...)` of ids `(..., time)`."""
        return tf.strings.reduce_join(tf.gather(self.strings, ids), axis=-1)

    def array(self, text: str) -> np.ndarray:
        """Return the ids of one text, `(time,)`."""
        ids = {character: id_ for id_, character in enumerate(self.characters, start=SPECIAL_IDS)}
        return np.array([ids.get(character, UNKNOWN) for character in text], "int32")
