"""The quality of classes and of transcripts."""

from collections.abc import Sequence

import jiwer
import numpy as np
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss, recall_score

LOWER_IS_BETTER = ("log_loss", "word_error_rate", "character_error_rate")


def scores(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Score probabilities `(examples, classes)` against the numbers of classes `(examples,)`.

    The balanced accuracy is the mean, over the classes, of the part that is recognised.
    """
    guesses = probabilities.argmax(axis=-1)
    # In float64, in which they add up to one.
    probabilities = probabilities.astype("float64")
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return {
        "accuracy": float(accuracy_score(labels, guesses)),
        "balanced_accuracy": float(balanced_accuracy_score(labels, guesses)),
        "log_loss": float(log_loss(labels, probabilities, labels=range(probabilities.shape[1]))),
    }


def recalls(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return for each class the part of its examples that is recognised, `(classes,)`."""
    numbers = range(probabilities.shape[1])
    guesses = probabilities.argmax(axis=-1)
    return recall_score(labels, guesses, labels=numbers, average=None, zero_division=np.nan)


def transcript_scores(transcripts: Sequence[str], guesses: Sequence[str]) -> dict[str, float]:
    """Score transcripts by the rates of errors and by the part that is right as a whole.

    A rate is the number of substitutions, deletions and insertions that turn what was said into the
    guess, divided by the number of words or characters that were said.
    """
    said, guessed = list(transcripts), list(guesses)
    right = np.mean([one == other for one, other in zip(said, guessed, strict=True)])
    return {
        "word_error_rate": float(jiwer.wer(said, guessed)),
        "character_error_rate": float(jiwer.cer(said, guessed)),
        "whole_transcripts": float(right),
    }
