"""Characters as ids."""

import numpy as np
import pytest
import tensorflow as tf

from apps.common.refusal import Refusal
from apps.textgen.vocabulary import Characters


def test_characters_become_ids_and_characters_again():
    characters = Characters(["\n", " ", ",", "a", "é", "🙂"])
    texts = tf.constant(["a é\n🙂,", "", "zaz"])
    joined = characters.join(characters(texts).to_tensor(1)).numpy()
    assert [text.decode() for text in joined] == ["a é\n🙂,", "", "\ufffda\ufffd"]
    for text in ("a é\n🙂,", "zaz"):
        np.testing.assert_array_equal(characters(tf.constant([text]))[0], characters.array(text))


def test_the_vocabulary_has_the_characters_that_occur_often_enough():
    assert Characters.fit("abacabab", 3).characters == ("a", "b")
    words = "min_count must be at most 4, the count of the most frequent character; received 5"
    with pytest.raises(Refusal, match=words):
        Characters.fit("abacabab", 5)
