"""Characters as ids."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

UNKNOWN, END = 0, 1  # what stands for a character that was never seen, and for no character


class Characters(tf.Module):
    """Turns texts into the ids of their characters and back, with TensorFlow operations only.

    Args:
        characters: The characters with the ids from 2 up.
    """

    def __init__(self, characters: Sequence[str]):
        super().__init__()
        self.characters = tuple(characters)
        self.strings = tf.constant(["\ufffd", "", *characters])
        ids = tf.range(2, self.size, dtype=tf.int32)
        self.ids = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(self.strings[2:], ids), UNKNOWN
        )

    @property
    def size(self) -> int:
        """How many ids there are."""
        return len(self.characters) + 2

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Returns the ids of texts `(batch,)`, `(batch, None)`."""
        characters = tf.strings.unicode_split(texts, "UTF-8", errors="replace")
        return characters.with_flat_values(self.ids.lookup(characters.flat_values))

    def joined(self, ids: tf.Tensor) -> tf.Tensor:
        """Returns the texts `(...)` of ids `(..., time)`."""
        return tf.strings.reduce_join(tf.gather(self.strings, ids), axis=-1)

    def array(self, text: str) -> np.ndarray:
        """Returns the ids of one text, `(time,)`."""
        places = {character: id_ for id_, character in enumerate(self.characters, start=2)}
        return np.array([places.get(character, UNKNOWN) for character in text], "int32")
