"""The settings of a run of sentiment."""

import math
from dataclasses import dataclass

import tyro

from apps.common.refusal import Refusal
from apps.common.settings import MAX_SEED, CellName, check, check_sizes


@dataclass(frozen=True)
class Settings:
    """The settings of a run, which are saved with it."""

    source: str = "sample"  # where the reviews come from: sample, tfds, or a folder or file
    text_column: str | None = None  # the column of the text in your own files; found if not given
    label_column: str | None = None  # the column of the label; likewise
    encoding: str | None = None  # the encoding of your own files, such as cp1252; likewise
    separator: str | None = None  # what separates the columns of your own tables; likewise
    no_header: tyro.conf.FlagCreatePairsOff[bool] = False  # your own tables begin without names
    test_part: float = 0.1  # the part that tests, of your own texts without a test part
    limit: int | None = None  # use at most this many training and this many test reviews
    validation_part: float = 0.1  # the part of the training reviews that validates
    max_length: int = 800  # words read of a review, half from its start and half from its end
    orders: int = 3  # the length of the longest n-grams
    # keep n-grams that occur in this many blocks of 25 neighbouring reviews; if not given, 10, and
    # fewer for less than 12,500 reviews
    min_blocks: int | None = None
    parts: int = 5  # folds of the training reviews; ratios are counted without a review's own fold
    embedding_size: int = 64  # the size of the vector of a word
    cell: CellName = "gru"  # the recurrence
    units: int = 64  # units of the recurrence, in each direction
    vector_dropout: float = 0.2  # the part of the features of word vectors dropped in training
    dropout: float = 0.5  # the part of the pooled states dropped in training
    learning_rate: float = 2e-3  # of Adam
    max_norm: float = 1.0  # gradients are scaled down to this global norm
    batch_size: int = 64  # reviews in a training step
    epochs: int = 8  # train for at most this many epochs
    patience: int = 2  # stop after this many epochs without a lower validation loss
    seed: int = 1  # decides the validation reviews, the first weights, the order and the dropout

    def check(self) -> None:
        """Refuse settings that cannot work."""
        sizes = ["orders", "embedding_size", "units", "batch_size"]
        check_sizes(self, [*sizes, "epochs", "patience", "min_blocks"])
        check(self, ["parts"], lambda parts: parts >= 2, "at least 2")
        check(self, ["max_length"], lambda length: length >= 3, "at least 3")
        check(self, ["limit"], lambda limit: limit is None or limit >= 20, "at least 20")
        check_sizes(self, ["parts", "max_length", "limit"])
        positive = ["learning_rate", "max_norm"]
        check(self, positive, lambda number: 0 < number < math.inf, "a finite number above 0")
        check(self, ["test_part", "validation_part"], lambda part: 0 < part < 1, "between 0 and 1")
        rates = ["vector_dropout", "dropout"]
        check(self, rates, lambda part: 0 <= part < 1, "at least 0 and below 1")
        check(self, ["seed"], lambda seed: 0 <= seed <= MAX_SEED, f"from 0 to {MAX_SEED:,}")
        if self.text_column == self.label_column is not None:
            raise Refusal(
                f"text_column and label_column must be two columns; received "
                f"{self.text_column!r} for both"
            )
