"""Characters as ids, and a baseline that counts them."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from tqdm import tqdm

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


def ngram_nats(train: np.ndarray, test: np.ndarray, size: int, order: int) -> float:
    """Returns the cross-entropy of a model of n-grams, in nats per character.

    The chance of a character after the `order - 1` before it is mixed with that after one fewer,
    and so on down to all alike, with the weights of Witten and Bell (1991): what has been followed
    by many different characters trusts its own counts less.

    Args:
        train: The ids to count, `(time,)`.
        test: The ids to predict, `(time,)`.
        size: How many ids there are.
        order: The length of the longest n-grams.
    """
    counts: list[dict[tuple, Counter]] = [defaultdict(Counter) for _ in range(order)]
    text = train.tolist()
    for length, table in enumerate(tqdm(counts, desc="Counting n-grams", disable=None)):
        for place in range(length, len(text)):
            table[tuple(text[place - length : place])][text[place]] += 1
    totals = [{context: found.total() for context, found in table.items()} for table in counts]
    text, nats = test.tolist(), 0.0
    for place, id_ in enumerate(text):
        chance = 1 / size
        for length in range(min(order, place + 1)):
            context = tuple(text[place - length : place])
            if (found := counts[length].get(context)) is None:
                break
            different = len(found)
            chance = (found[id_] + different * chance) / (totals[length][context] + different)
        nats -= math.log(chance)
    return nats / len(text)
