"""The quality of the probabilities of a classifier."""

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score

LOWER_IS_BETTER = ("log_loss", "mean_absolute_error")


def scores(
    labels: np.ndarray, probabilities: np.ndarray, numbers: Sequence[float] | None = None
) -> dict[str, float]:
    """Score probabilities against labels `(examples,)`, which are numbers of classes.

    Args:
        labels: The classes.
        probabilities: Of class 1 of two, `(examples,)`, or of more classes, `(examples, classes)`.
        numbers: What the classes are, if they are numbers such as stars.
    """
    guesses = choose(probabilities)
    found = {"accuracy": float(accuracy_score(labels, guesses))}
    if probabilities.ndim == 1:
        found["roc_auc"] = float(roc_auc_score(labels, probabilities))
    else:
        found["macro_f1"] = float(f1_score(labels, guesses, average="macro", zero_division=0))
    if numbers is not None:
        values = np.asarray(numbers)
        errors = np.abs(values[labels.astype(int)] - values[guesses.astype(int)])
        found["mean_absolute_error"] = float(errors.mean())
    classes = range(max(2, probabilities.shape[-1] if probabilities.ndim == 2 else 2))
    found["log_loss"] = float(log_loss(labels, probabilities, labels=list(classes)))
    return found


def choose(probabilities: np.ndarray) -> np.ndarray:
    """Return the likeliest class, `(examples,)`."""
    if probabilities.ndim == 1:
        return (probabilities >= 0.5).astype(int)
    return probabilities.argmax(axis=-1)
