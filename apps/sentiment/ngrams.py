"""Features from counting n-grams in labelled texts: log-count ratios, and a linear model on them.

Wang and Manning (2012), Baselines and bigrams, weigh the presence of an n-gram in a text by the
naive Bayes log-count ratio; a linear model on these weights is hard to beat. Here the network gets
the ratios as features. For each training text they are counted without the labels of its own fold,
since a network that can read its own label from the features learns to rely on it.
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
RATIOS, WEIGHTS = "ratios", "weights"  # the names of the frozen layers in the network


def presence(ids: Sequence[np.ndarray], size: int) -> scipy.sparse.csr_matrix:
    """Return a matrix of ones at `(text, n-gram)` for the n-grams present in each text.

    Args:
        ids: The n-grams of each text, `(timesteps, orders)`; 0 and 1 are no n-grams.
        size: The number of ids.
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
    """Return ln(share among positive texts / share among negative ones), `(size,)`.

    It is 0 for an n-gram that is in no text.
    """
    positive, negative = (np.asarray(present[labels == label].sum(0)).ravel() for label in (1, 0))
    shares = [(count + SMOOTHING) / (count + SMOOTHING).sum() for count in (positive, negative)]
    ratios = np.log(shares[0] / shares[1])
    return np.where(positive + negative > 0, ratios, 0.0).astype("float32")


def linear_weights(
    present: scipy.sparse.csr_matrix, labels: np.ndarray, ratios: np.ndarray
) -> tuple[np.ndarray, float]:
    """Fit logistic regression on the ratios of the n-grams present, with labels 0 and 1.

    Returns:
        The weight of each n-gram, `(size,)`, and the bias.
    """
    weighted = (present @ scipy.sparse.diags_array(ratios)).tocsr().astype("float64")
    model = LogisticRegression(C=INVERSE_PENALTY, solver="liblinear", dual=True, max_iter=1000)
    model.fit(weighted, labels)
    return (model.coef_[0] * ratios).astype("float32"), float(model.intercept_[0])


@dataclass(frozen=True)
class Ngrams:
    """The ratios and the linear model of n-grams, and their lookup in a Keras model.

    There is one output for two classes, that of class 1 against class 0. For more classes each is
    an output, that of the class against all others.

    Table 0 holds the ratios counted from all training texts, and table `k` those counted without
    fold `k`. The id `i + k * size` stands for n-gram `i` with its ratio in table `k`.

    Args:
        tables: Log-count ratios, `(1 + folds, size, outputs)`.
        fold: The fold of each training text, counted from 1, `(texts,)`.
        weights: The weights of the linear model, `(size, outputs)`.
        bias: The bias of the linear model, `(outputs,)`.
    """

    tables: np.ndarray
    fold: np.ndarray
    weights: np.ndarray
    bias: np.ndarray

    @classmethod
    def fit(
        cls, ids: Sequence[np.ndarray], labels: np.ndarray, size: int, folds: int, classes: int = 2
    ) -> "Ngrams":
        """Count the n-grams of training texts and fit the linear model.

        Args:
            ids: The n-grams of each text, `(timesteps, orders)`. Neighbours may share a subject.
            labels: The classes, counted from 0, `(texts,)`.
            size: The number of ids.
            folds: The number of folds, which are made of runs of neighbouring texts.
            classes: The number of classes.
        """
        present = presence(ids, size)
        fold = np.zeros(len(labels), "int64")
        for label in range(classes):
            places = labels == label
            # Every fold has runs of each class, since a table of one class would reveal labels.
            run = min(NEIGHBOURS, max(1, places.sum() // (2 * folds)))
            # The runs of the next class are shifted, so that folds are of similar size.
            fold[places] = 1 + (np.arange(places.sum()) // run + label) % folds
        tables, weights, biases = [], [], []
        for output in range(1, 2) if classes == 2 else range(classes):
            against = (labels == output).astype("float32")
            kept = (fold != left_out for left_out in range(1 + folds))
            tables.append([log_count_ratios(present[rows], against[rows]) for rows in kept])
            weight, bias = linear_weights(present, against, tables[-1][0])
            weights.append(weight)
            biases.append(bias)
        return cls(np.stack(tables, -1), fold, np.stack(weights, -1), np.array(biases, "float32"))

    def out_of_fold(self, ids: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the ids of the training texts, each with the table of its own fold."""
        size = len(self.weights)
        return [text + table * size for text, table in zip(ids, self.fold, strict=True)]

    def without_table(self, ids: keras.KerasTensor) -> keras.KerasTensor:
        """Return the ids of the n-grams alone."""
        return ids % len(self.weights)

    def ratios(self, ids: keras.KerasTensor) -> keras.KerasTensor:
        """Look up the ratios of ids `(batch, time, orders)`, `(batch, time, orders * outputs)`."""
        ratios = _frozen(self.tables, RATIOS, ids)
        if self.bias.size == 1:
            return ratios[..., 0]
        return keras.layers.Reshape((-1, ids.shape[-1] * self.bias.size))(ratios)

    def log_odds(self, ids: keras.KerasTensor) -> keras.KerasTensor:
        """Return the log-odds of the linear model from ids `(batch, time, orders)`.

        Returns:
            The log-odds of class 1, `(batch,)`; for more than two classes `(batch, classes)`.
        """
        ids = ops.sort(self.without_table(ids), axis=1)
        first, later = ids[:, :1], ids[:, 1:]
        # The model counts each n-gram once, so its repetitions become padding.
        once = ops.where(ops.equal(later, ids[:, :-1]), 0, later)
        weights = _frozen(self.weights, WEIGHTS, ops.concatenate([first, once], axis=1))
        log_odds = ops.sum(weights, axis=(1, 2))
        return log_odds + self.bias if self.bias.size > 1 else log_odds[:, 0] + float(self.bias[0])


def _frozen(values: np.ndarray, name: str, ids: keras.KerasTensor) -> keras.KerasTensor:
    """Look up numbers that are not trained, `(..., outputs)` for each id."""
    values = values.reshape(-1, values.shape[-1])
    table = keras.layers.Embedding(*values.shape, trainable=False, name=name)
    table.build(ids.shape)
    table.set_weights([values])
    return table(ids)
