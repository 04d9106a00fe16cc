"""Baselines: the majority, averaged features, the nearest neighbour in warped time."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from dtaidistance import dtw_ndim
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

MOST_COMPARED = 1000  # training examples that a test example is compared with
MOST_STEPS = 400  # of a series that is compared; longer ones are read at this many places
WRONG = 1e-3  # the probability that the neighbour's class is not the right one


def majority(labels: np.ndarray, classes: int, count: int) -> np.ndarray:
    """Answer with the parts that the classes have in training, `(count, classes)`."""
    parts = np.bincount(labels, minlength=classes) / len(labels)
    return np.tile(parts, (count, 1))


def averaged_features(
    train: Sequence[np.ndarray], labels: np.ndarray, test: Sequence[np.ndarray], classes: int
) -> np.ndarray:
    """Answer by a logistic regression on the mean and deviation of each feature over time.

    Args:
        train: Training series, each `(steps, features)`, standardized.
        labels: Their classes.
        test: Test series.
        classes: The number of classes.

    Returns:
        Probabilities, `(test, classes)`.
    """
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    model.fit(_averages(train), labels)
    probabilities = np.zeros((len(test), classes))
    probabilities[:, model.classes_] = model.predict_proba(_averages(test))
    return probabilities


def _averages(series: Sequence[np.ndarray]) -> np.ndarray:
    rows = [np.concatenate([one.mean(axis=0), one.std(axis=0)]) for one in series]
    return np.nan_to_num(np.stack(rows))


def nearest_neighbour(
    train: Sequence[np.ndarray], labels: np.ndarray, test: Sequence[np.ndarray], classes: int
) -> np.ndarray:
    """Answer with the class of the nearest training example by dynamic time warping.

    Of many training examples, `MOST_COMPARED` at random are compared. Arguments are those of
    `averaged_features`.
    """
    order = np.random.default_rng(0).permutation(len(train))[:MOST_COMPARED]
    known = [_compared(train[place]) for place in order]
    probabilities = np.full((len(test), classes), WRONG / max(1, classes - 1))
    for row, one in enumerate(tqdm(test, desc="Comparing with neighbours", disable=None)):
        block = ((0, 1), (1, len(known) + 1))
        distances = dtw_ndim.distance_matrix_fast(
            [_compared(one), *known], block=block, compact=True, parallel=False
        )
        probabilities[row, labels[order[int(np.argmin(distances))]]] = 1 - WRONG
    return probabilities


def _compared(series: np.ndarray) -> np.ndarray:
    places = np.linspace(0, len(series) - 1, min(len(series), MOST_STEPS)).round().astype(int)
    return np.ascontiguousarray(np.nan_to_num(series[places]), np.double)


def most_frequent(transcripts: Sequence[str], count: int) -> list[str]:
    """Answer with the transcript that is the most frequent in training."""
    return [Counter(transcripts).most_common(1)[0][0]] * count
