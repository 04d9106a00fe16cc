"""The settings of a run of text generation."""

import math
from dataclasses import dataclass

from apps.common.settings import MAX_SEED, CellName, check, check_sizes


@dataclass(frozen=True)
class Settings:
    """The settings of a run, which are saved with it."""

    # where the text comes from: sample, tfds, or a text file or a folder of them
    source: str = "sample"
    # of your own text: the part at its end that tests; 0.05 if not given
    test_part: float | None = None
    validation_part: float | None = None  # of your own text: the part that validates; likewise
    encoding: str | None = None  # the encoding of your own text, such as cp1252; found if not given
    min_count: int = 2  # a character that occurs less often is unknown
    embedding_size: int = 32  # the size of the vector of a character
    cell: CellName = "gru"  # the recurrence
    units: int = 256  # of each recurrent layer
    layers: int = 1  # recurrent layers, stacked
    dropout: float = 0.0  # the part of the features dropped between the layers in training
    batch_size: int = 16  # parallel streams of the text
    steps: int = 64  # characters in a segment, after which the gradient is cut
    learning_rate: float = 5e-3  # of Adam, at its highest
    max_norm: float = 1.0  # gradients are scaled down to this global norm
    epochs: int = 6  # train for at most this many epochs
    patience: int = 2  # stop after this many epochs without a lower validation loss
    order: int = 6  # the length of the n-grams of the baseline
    seed: int = 1  # decides the first weights, where segments begin, and the dropout

    def check(self) -> None:
        """Refuse settings that cannot work."""
        sizes = ["min_count", "embedding_size", "units", "layers", "batch_size", "steps", "order"]
        check_sizes(self, [*sizes, "epochs", "patience"])
        positive = ["learning_rate", "max_norm"]
        check(self, positive, lambda number: 0 < number < math.inf, "a finite number above 0")
        check(self, ["dropout"], lambda part: 0 <= part < 1, "at least 0 and below 1")
        check(self, ["seed"], lambda seed: 0 <= seed <= MAX_SEED, f"from 0 to {MAX_SEED:,}")
