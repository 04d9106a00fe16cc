"""Baselines that a captioner has to beat."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from sklearn.neighbors import NearestNeighbors

from apps.captioning.metrics import words_of


def commonest(captions: Sequence[Sequence[str]]) -> str:
    """Return the most frequent caption, without regard to case and punctuation.

    Args:
        captions: The captions of each training image.
    """
    counts = Counter(words_of(caption) for texts in captions for caption in texts)
    return counts.most_common(1)[0][0]


def nearest(
    train: np.ndarray, captions: Sequence[Sequence[str]], features: np.ndarray
) -> list[str]:
    """Return for each image the first caption of the most similar training image.

    Args:
        train: The features of the training images, `(images, features)`.
        captions: The captions of each training image.
        features: The features of the images to caption, `(images, features)`. Similarity is the
            cosine.
    """
    search = NearestNeighbors(n_neighbors=1, metric="cosine").fit(train)
    indices = search.kneighbors(features, return_distance=False)[:, 0]
    return [captions[index][0] for index in indices]
