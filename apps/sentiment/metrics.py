"""The quality of the probabilities of a classifier."""

import numpy as np
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

LOWER_IS_BETTER = ("log_loss",)


def binary_scores(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Score probabilities of class 1 against the labels 0 and 1, both `(examples,)`."""
    return {
        "accuracy": float(accuracy_score(labels, probabilities >= 0.5)),
        "roc_auc": float(roc_auc_score(labels, probabilities)),
        "log_loss": float(log_loss(labels, probabilities)),
    }
