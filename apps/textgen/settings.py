"""What decides a run of text generation."""

from dataclasses import dataclass

from apps.common.cli import check


@dataclass(frozen=True)
class Settings:
    """What decides a run; it is saved with it."""

    source: str = "sample"  # where the text comes from: sample, tfds, or a text file
    min_count: int = 2  # a character that occurs less often is unknown
    embedding_size: int = 32  # the size of the vector of a character
    units: int = 128  # of each GRU
    layers: int = 1  # GRUs, one above the other
    dropout: float = 0.1  # the part of the features dropped between the layers in training
    batch_size: int = 32  # streams read side by side
    steps: int = 64  # characters in a segment, after which the gradient is cut
    learning_rate: float = 5e-3  # of Adam, at its highest
    max_norm: float = 1.0  # gradients are scaled down to this global norm
    epochs: int = 8  # the most epochs to train
    patience: int = 2  # stop after so many epochs without a lower validation loss
    order: int = 6  # of the n-grams that the network is compared with
    seed: int = 1  # decides the first weights, where segments begin, and the dropout

    def check(self) -> None:
        """Refuses what cannot work."""
        sizes = ["min_count", "embedding_size", "units", "layers", "batch_size", "steps", "order"]
        check(self, [*sizes, "epochs", "patience"], lambda size: size >= 1, "at least 1")
        check(self, ["learning_rate", "max_norm"], lambda number: number > 0, "above 0")
        check(self, ["dropout"], lambda part: 0 <= part < 1, "at least 0 and below 1")
        check(self, ["seed"], lambda seed: seed >= 0, "at least 0")
