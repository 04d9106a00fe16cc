"""What decides a run of sentiment."""

from dataclasses import dataclass

from apps.common.cli import check


@dataclass(frozen=True)
class Settings:
    """What decides a run; it is saved with it."""

    source: str = "sample"  # where the reviews come from: sample, tfds, or a folder or file
    text_column: str = "text"  # the column or key that holds the text, in your own files
    label_column: str = "label"  # the column or key that holds the label: 0 or 1, neg or pos
    limit: int | None = None  # use at most so many training and so many test reviews
    validation_part: float = 0.1  # the part of the training reviews that validates
    max_length: int = 800  # words read of a review, half from its start and half from its end
    orders: int = 3  # the length of the longest n-grams
    min_blocks: int = 10  # keep an n-gram that occurs in so many blocks of 25 neighbouring reviews
    parts: int = 5  # ratios for a training review are counted without its own part of so many
    embedding_size: int = 64  # the size of the vector of a word
    units: int = 64  # units of the GRU, in each direction
    vector_dropout: float = 0.2  # the part of the features of word vectors dropped in training
    dropout: float = 0.5  # the part of the pooled states dropped in training
    learning_rate: float = 2e-3  # of Adam
    max_norm: float = 1.0  # gradients are scaled down to this global norm
    batch_size: int = 64  # reviews in a training step
    epochs: int = 8  # the most epochs to train
    patience: int = 2  # stop after so many epochs without a lower validation loss
    seed: int = 1  # decides the validation reviews, the first weights, the order and the dropout

    def check(self) -> None:
        """Refuses what cannot work."""
        sizes = ["orders", "min_blocks", "embedding_size", "units", "batch_size"]
        check(self, [*sizes, "epochs", "patience"], lambda size: size >= 1, "at least 1")
        check(self, ["parts"], lambda parts: parts >= 2, "at least 2")
        check(self, ["max_length"], lambda length: length >= 3, "at least 3")
        check(self, ["limit"], lambda limit: limit is None or limit >= 20, "at least 20")
        check(self, ["learning_rate", "max_norm"], lambda number: number > 0, "above 0")
        check(self, ["validation_part"], lambda part: 0 < part < 1, "between 0 and 1")
        check(
            self,
            ["vector_dropout", "dropout"],
            lambda part: 0 <= part < 1,
            "at least 0 and below 1",
        )
        check(self, ["seed"], lambda seed: seed >= 0, "at least 0")
