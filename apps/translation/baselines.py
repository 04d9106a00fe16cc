"""Baselines of translation."""

import re
from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer


def word_by_word(pairs: Sequence[tuple[str, str]], texts: Sequence[str]) -> list[str]:
    """Translate each word by the target word that it occurs with most, in the same order.

    Args:
        pairs: `(source, target)` examples to learn from. The association of two words is Dice's
            coefficient of the sentences that contain them.
        texts: The texts to translate.

    Returns:
        The translations, in lower case.
    """
    sides = [CountVectorizer(binary=True, analyzer=_words, dtype=np.float32) for _ in range(2)]
    sources, targets = (
        side.fit_transform(part) for side, part in zip(sides, zip(*pairs, strict=True), strict=True)
    )
    together = (sources.T @ targets).tocoo()
    counts = [np.asarray(side.sum(axis=0)).ravel() for side in (sources, targets)]
    dice = 2 * together.data / (counts[0][together.row] + counts[1][together.col])
    best = np.zeros(len(counts[0]), int)
    order = np.argsort(dice, kind="stable")  # so that the largest is written last
    best[together.row[order]] = together.col[order]
    words = sides[1].get_feature_names_out()
    dictionary = {word: words[best[place]] for word, place in sides[0].vocabulary_.items()}
    return [" ".join(dictionary.get(word, word) for word in _words(text)) for text in texts]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text.lower())
