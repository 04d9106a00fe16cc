"""The settings of a translation run."""

import math
from dataclasses import dataclass

import tyro

from apps.common.seq2seq.special import SPECIAL
from apps.common.settings import MAX_SEED, CellName, check, check_sizes


@dataclass(frozen=True)
class Settings:
    """The settings of a run; they are saved with it."""

    source: str = "sample"  # where the sentences come from: sample, tfds, or a folder or file
    source_language: str | None = None  # of a folder or the catalogue: the language to translate
    target_language: str | None = None  # of a folder: the language to translate into
    target: str | None = None  # of a file of source sentences: the file of their translations
    test_files: str = "test"  # of a folder: how the name of its test files begins
    turned: bool = False  # of a table: translate from the second column into the first
    source_column: str | None = None  # of a table: the column to translate; found if not given
    target_column: str | None = None  # of a table: the column of translations; likewise
    # of a file: the part of its sentences that tests; 0.05, at most 5,000 sentences, if not given
    test_part: float | None = None
    validation_part: float | None = None  # of a file: the part that validates; likewise
    encoding: str | None = (
        None  # the encoding of your own files, such as cp1252; found if not given
    )
    separator: str | None = None  # what separates the columns of your own tables; likewise
    no_header: tyro.conf.FlagCreatePairsOff[bool] = False  # your own tables begin without names
    catalogue_name: str = "ted_hrlr_translate/pt_to_en"  # of the catalogue: the data set
    lowercase: bool = False  # put both languages into lower case
    vocabulary_size: int = 6000  # the largest number of pieces of words in each language
    max_length: int = 64  # pieces of a sentence; longer ones are cut, and not trained on
    embedding_size: int = 128  # the size of the vector of a piece
    encoder_layers: int = 1  # GRUs of the encoder, each in both directions
    cell: CellName = "gru"  # the recurrence of encoder and decoder
    units: int = (
        128  # of each recurrent layer of the decoder; each direction of the encoder has half
    )
    attention: str = "general"  # the score of memory and state: general, dot or additive
    dropout: float = 0.0  # the part of the features dropped between layers in training
    smoothing: float = 0.1  # label smoothing
    sampling_rate: float = 0.0  # scheduled sampling: the final part of pieces that are the model's
    learning_rate: float = 8e-3  # of Adam, at its highest
    max_norm: float = 1.0  # gradients are scaled down to this global norm
    batch_size: int = 32  # sentences in a training step
    epochs: int = 5  # the largest number of epochs
    patience: int = 3  # stop after this many epochs without a lower validation loss
    beams: int = 5  # hypotheses of the beam search
    length_penalty: float = 1.0  # of the beam search: 0 favours short sentences
    seed: int = 1  # of the first weights, the order and the dropout

    def __post_init__(self) -> None:
        """Read the settings of earlier versions, in which `test_part` named the test files."""
        if isinstance(self.test_part, str):
            object.__setattr__(self, "test_files", self.test_part)
            object.__setattr__(self, "test_part", None)

    def check(self) -> None:
        """Refuse settings outside their range."""
        sizes = ["max_length", "embedding_size", "encoder_layers", "batch_size", "epochs"]
        check_sizes(self, [*sizes, "patience", "beams"])
        check(self, ["units"], lambda size: size >= 2 and not size % 2, "even and at least 2")
        smallest = len(SPECIAL) + 1
        check(self, ["vocabulary_size"], lambda size: size >= smallest, f"at least {smallest}")
        check_sizes(self, ["units", "vocabulary_size"])
        words = f"below vocabulary_size, {self.vocabulary_size}"
        check(self, ["beams"], lambda beams: beams < self.vocabulary_size, words)
        rates = ["learning_rate", "max_norm"]
        check(self, rates, lambda number: 0 < number < math.inf, "above 0, and finite")
        penalty = ["length_penalty"]
        check(self, penalty, lambda number: 0 <= number < math.inf, "at least 0, and finite")
        check(self, ["seed"], lambda seed: 0 <= seed <= MAX_SEED, f"from 0 to {MAX_SEED:,}")
        check(self, ["sampling_rate"], lambda part: 0 <= part <= 1, "from 0 to 1")
        check(self, ["dropout", "smoothing"], lambda part: 0 <= part < 1, "at least 0 and below 1")
        kinds = ("general", "dot", "additive")
        check(self, ["attention"], lambda name: name in kinds, "general, dot or additive")
