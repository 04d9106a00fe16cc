"""What a recurrent network has to beat."""

import re
from collections.abc import Sequence

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from tqdm import tqdm

PENALTIES = (1.0, 10.0, 100.0)  # inverse strengths of regularisation to choose from


def text_baselines(
    train: Sequence[tuple[str, int]], validation: Sequence[tuple[str, int]], texts: Sequence[str]
) -> dict[str, np.ndarray]:
    """Predicts texts by the majority, and by a linear model on words and pairs of words.

    Args:
        train: `(text, label)` examples to learn from, with labels 0 and 1.
        validation: Examples on which the regularisation of the linear model is chosen.
        texts: The texts to predict.

    Returns:
        For each baseline the probabilities of class 1, shape `(texts,)`.
    """
    words, labels = zip(*train, strict=True)
    weigher = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    features = weigher.fit_transform(words)
    linear = [
        LogisticRegression(C=penalty, max_iter=1000).fit(features, labels)
        for penalty in tqdm(PENALTIES, desc="Fitting the linear baseline", disable=None)
    ]
    held, held_labels = zip(*validation, strict=True)
    held = weigher.transform(held)
    best = max(linear, key=lambda model: model.score(held, held_labels))
    majority = DummyClassifier(strategy="prior").fit(features, labels)
    features = weigher.transform(texts)
    return {
        "majority": majority.predict_proba(features)[:, 1],
        "linear_ngrams": best.predict_proba(features)[:, 1],
    }


def word_by_word(pairs: Sequence[tuple[str, str]], texts: Sequence[str]) -> list[str]:
    """Translates each word alone, by the word that it shares the most sentences with.

    Args:
        pairs: `(source, target)` examples to learn from. Two words belong together by Dice's
            coefficient of the sentences that hold them.
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
