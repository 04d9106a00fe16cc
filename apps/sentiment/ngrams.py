"""What the labels say of n-grams: their log-count ratios, and a linear model on them.

Wang and Manning (2012), Baselines and bigrams, weigh the presence of an n-gram in a text by the
naive Bayes log-count ratio; a linear model on that is hard to beat. A network gets the same ratios
as features, counted for each training text without the labels of its own part of the data, since
a network that can see its own label learns to look for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
import scipy.sparse
from keras import ops
from sklearn.linear_model import LogisticRegression

from apps.common.data.splits import NEIGHBOURS

SMOOTHING = 1.0  # added to each count
INVERSE_PENALTY = 0.1  # of the linear model


def presence(ids: Sequence[np.ndarray], size: int) -> scipy.sparse.csr_matrix:
    """Says which n-grams are in which text.

    Args:
        ids: For each text its n-grams, `(steps, orders)`; 0 and 1 are no n-grams.
        size: How many ids there are.

    Returns:
        Ones at `(text, n-gram)`.
    """
    rows = np.repeat(np.arange(len(ids)), [text.size for text in ids])
    columns = np.concatenate([text.ravel() for text in ids])
    known = columns > 1
    ones = np.ones(known.sum(), "float32")
    matrix = scipy.sparse.csr_matrix((ones, (rows[known], columns[known])), (len(ids), size))
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def log_count_ratios(present: scipy.sparse.csr_matrix, labels: np.ndarray) -> np.ndarray:
    """Returns ln(share among positive texts / share among negative ones), `(size,)`.

    It is 0 for an n-gram that no text has.
    """
    positive, negative = (np.asarray(present[labels == label].sum(0)).ravel() for label in (1, 0))
    seen = positive + negative > 0
    shares = [(count + SMOOTHING) / (count + SMOOTHING).sum() for count in (positive, negative)]
    return np.where(seen, np.log(shares[0] / shares[1]), 0.0).astype("float32")


def linear_weights(
    present: scipy.sparse.csr_matrix, labels: np.ndarray, ratios: np.ndarray
) -> tuple[np.ndarray, float]:
    """Fits logistic regression on the ratios of the n-grams present.

    Returns:
        The weight of each n-gram, `(size,)`, and the bias.
    """
    weighted = (present @ scipy.sparse.diags_array(ratios)).tocsr().astype("float64")
    model = LogisticRegression(C=INVERSE_PENALTY, solver="liblinear", dual=True, max_iter=1000)
    model.fit(weighted, labels)
    return (model.coef_[0] * ratios).astype("float32"), float(model.intercept_[0])


@dataclass(frozen=True)
class Ngrams:
    """What the labels of training texts say of n-grams, and how a Keras model looks it up.

    Table 0 holds the ratios counted from all training texts, and each other table those without
    one part of them. An id plus `k * size` stands for the same n-gram with its ratio in table `k`.

    Args:
        tables: Log-count ratios, `(1 + parts, size)`.
        part: The part of each training text, counted from 1, `(texts,)`.
        weights: Of the linear model, `(size,)`.
        bias: Of the linear model.
    """

    tables: np.ndarray
    part: np.ndarray
    weights: np.ndarray
    bias: float

    @classmethod
    def counted(
        cls, ids: Sequence[np.ndarray], labels: np.ndarray, size: int, parts: int
    ) -> "Ngrams":
        """Counts the n-grams of training texts, in their order, and fits the linear model.

        Args:
            ids: For each text its n-grams, `(timesteps, orders)`.
            labels: 0 or 1, `(texts,)`.
            size: How many ids there are.
            parts: How many parts. They are made of runs of neighbouring texts.
        """
        present = presence(ids, size)
        part = np.zeros(len(labels), "int64")
        for label in (0, 1):
            here = labels == label
            # Every part has runs of both classes: a table of one class would give labels away.
            run = min(NEIGHBOURS, max(1, here.sum() // (2 * parts)))
            # The runs of the second class are shifted, so that parts are of similar size.
            part[here] = 1 + (np.arange(here.sum()) // run + label) % parts
        kept = (part != left_out for left_out in range(1 + parts))
        tables = np.stack([log_count_ratios(present[rows], labels[rows]) for rows in kept])
        return cls(tables, part, *linear_weights(present, labels, tables[0]))

    def without_own_label(self, ids: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Points the ids of the training texts at the tables in which their labels do not count."""
        size = len(self.weights)
        return [text + table * size for text, table in zip(ids, self.part, strict=True)]

    def plain(self, ids: keras.KerasTensor) -> keras.KerasTensor:
        """Returns the ids without their tables."""
        return ids % len(self.weights)

    def ratios(self, ids: keras.KerasTensor) -> keras.KerasTensor:
        """Looks up the ratio of each id, any shape."""
        return _frozen(self.tables, "ratios", ids)

    def linear(self, ids: keras.KerasTensor) -> keras.KerasTensor:
        """Returns the log-odds `(batch,)` of the linear model from ids `(batch, time, orders)`."""
        ids = ops.sort(self.plain(ids), axis=1)
        first, later = ids[:, :1], ids[:, 1:]
        # The model asks whether an n-gram is there, not how often: its later ids become padding.
        once = ops.where(ops.equal(later, ids[:, :-1]), 0, later)
        weights = _frozen(self.weights, "weights", ops.concatenate([first, once], axis=1))
        return ops.sum(weights, axis=(1, 2)) + self.bias


def _frozen(values: np.ndarray, name: str, ids: keras.KerasTensor) -> keras.KerasTensor:
    """Looks up numbers that do not learn."""
    table = keras.layers.Embedding(values.size, 1, trainable=False, name=name)
    table.build(ids.shape)
    table.set_weights([values.reshape(-1, 1)])
    return table(ids)[..., 0]
