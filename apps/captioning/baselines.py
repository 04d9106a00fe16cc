"""What a captioner has to beat."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from sklearn.neighbors import NearestNeighbors

from apps.captioning.metrics import words_of


def commonest(captions: Sequence[Sequence[str]]) -> str:
    """Returns the caption that most images have, those that differ in signs alone taken together.

    Args:
        captions: For each image to learn from its captions.
    """
    counts = Counter(words_of(caption) for said in captions for caption in said)
    return counts.most_common(1)[0][0]


def nearest(
    train: np.ndarray, captions: Sequence[Sequence[str]], features: np.ndarray
) -> list[str]:
    """Captions images as the most similar one to learn from is.

    Args:
        train: The features of the images to learn from, `(images, features)`.
        captions: The captions of each.
        features: Those of the images to caption, `(images, features)`.

    Returns:
        For each image the first caption of the image whose features point most nearly the same way.
    """
    search = NearestNeighbors(n_neighbors=1, metric="cosine").fit(train)
    places = search.kneighbors(features, return_distance=False)[:, 0]
    return [captions[place][0] for place in places]
