"""Baselines: the majority, and a linear model on n-grams."""

from collections.abc import Sequence

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from tqdm import tqdm

PENALTIES = (1.0, 10.0, 100.0)  # inverse strengths of regularisation to choose from


def text_baselines(
    train: Sequence[tuple[str, int]], validation: Sequence[tuple[str, int]], texts: Sequence[str]
) -> dict[str, np.ndarray]:
    """Predict texts by the majority, and by a linear model on words and pairs of words.

    Args:
        train: `(text, label)` examples to learn from, whose labels are classes from 0.
        validation: Examples to choose the regularisation of the linear model on.
        texts: The texts to predict.

    Returns:
        The probabilities by each baseline: of class 1 of two, `(texts,)`, or of more classes,
        `(texts, classes)`.
    """
    words, labels = zip(*train, strict=True)
    weigher = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    features = weigher.fit_transform(words)
    linear = [
        LogisticRegression(C=penalty, max_iter=1000).fit(features, labels)
        for penalty in tqdm(PENALTIES, desc="Fitting the linear baseline", disable=None)
    ]
    validation_words, validation_labels = zip(*validation, strict=True)
    held_out = weigher.transform(validation_words)
    best = max(linear, key=lambda model: model.score(held_out, validation_labels))
    majority = DummyClassifier(strategy="prior").fit(features, labels)
    features = weigher.transform(texts)
    guesses = {
        "majority": majority.predict_proba(features),
        "linear_ngrams": best.predict_proba(features),
    }
    return {name: rows[:, 1] if rows.shape[1] == 2 else rows for name, rows in guesses.items()}
