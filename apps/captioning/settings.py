"""The settings of a captioning run."""

import math
from dataclasses import dataclass
from typing import Literal

import tyro

from apps.common.refusal import Refusal
from apps.common.seq2seq.special import SPECIAL
from apps.common.settings import MAX_SEED, CellName, check, check_sizes


@dataclass(frozen=True)
class Settings:
    """The settings of a run; they are saved with it."""

    source: str = "sample"  # where the images come from: sample, tfds, or a folder or table
    # of the sample: the side of its scenes, 48 pixels if not given; runs of earlier versions, in
    # which it is null, have scenes of 64 pixels
    scene_size: Literal[48, 64] | None = None
    # of a table: the column of paths, relative to its folder; found if not given
    image_column: str | None = None
    caption_column: str | None = None  # of a table: the column of captions; likewise
    # of a table: the part of its images that tests; 0.1, at most 5,000 images, if not given
    test_part: float | None = None
    validation_part: float | None = None  # of a table: the part that validates; likewise
    encoding: str | None = (
        None  # the encoding of your own texts, such as cp1252; found if not given
    )
    separator: str | None = None  # what separates the columns of your own tables; likewise
    no_header: tyro.conf.FlagCreatePairsOff[bool] = False  # your own tables begin without names
    catalogue_name: str = "coco_captions"  # of the catalogue: the data set
    backbone: str = "small"  # the image network: small, or a network of keras.applications
    weights: str = "none"  # of a network of keras.applications: none, imagenet, or a file
    image_size: int = 48  # the side of the square that images are resized to, in pixels
    filters: int = 16  # of the first convolutions of the small network; each level doubles them
    levels: int = 3  # of the small network; each halves the side of the grid
    flip: bool = False  # mirror images at random in training; not if captions say left and right
    shift: float = 0.0  # move and scale images in training at random, by up to this part
    decoder: Literal["attention", "state"] = "attention"  # what the decoder uses of the image
    vocabulary_size: int = 4000  # the largest number of pieces of words
    max_length: int = 40  # pieces of a caption; longer captions are cut
    embedding_size: int = 64  # the size of the vector of a piece
    cell: CellName = "gru"  # the recurrence of the decoder
    units: int = 64  # of each recurrent layer
    dropout: float = 0.1  # the part of the features dropped between layers in training
    word_dropout: float = 0.6  # the part of the previous words hidden from the decoder in training
    smoothing: float = 0.0  # label smoothing
    learning_rate: float = 3e-3  # of Adam, at its highest
    max_norm: float = 1.0  # gradients are scaled down to this global norm
    batch_size: int = 32  # images in a training step
    each: int = 1  # captions of each image in a training step
    epochs: int = 14  # the largest number of epochs
    patience: int = 3  # stop after this many epochs without a lower validation loss
    beams: int = 5  # hypotheses of the beam search
    length_penalty: float = 1.0  # of the beam search: 0 favours short captions
    seed: int = 1  # of the first weights, the order, the choice of captions and the dropout
    refined: tyro.conf.Suppress[str] = ""  # the run that `refine` started from
    samples: tyro.conf.Suppress[int] = 0  # captions that `refine` samples of an image in a step

    def __post_init__(self) -> None:
        """Read the settings of earlier versions, in which columns had their usual names."""
        for name in ("image_column", "caption_column"):
            if getattr(self, name) == name.removesuffix("_column"):
                object.__setattr__(self, name, None)  # found by the same name

    def check(self) -> None:
        """Refuse settings that are out of range, contradict each other or have no effect."""
        sizes = ["image_size", "filters", "levels", "max_length", "embedding_size", "units"]
        sizes += ["batch_size", "each", "epochs", "patience", "beams"]
        check_sizes(self, sizes)
        most = int(math.log2(self.image_size))
        words = f"at most {most}: each level halves the grid, and image_size is {self.image_size}"
        check(self, ["levels"], lambda levels: levels <= most, words)
        words = f"at least {len(SPECIAL) + 1}: {len(SPECIAL)} pieces are special"
        check(self, ["vocabulary_size"], lambda size: size > len(SPECIAL), words)
        check_sizes(self, ["vocabulary_size"])
        words = f"below vocabulary_size, which is {self.vocabulary_size}"
        check(self, ["beams"], lambda beams: beams < self.vocabulary_size, words)
        rates = ["learning_rate", "max_norm"]
        check(self, rates, lambda number: 0 < number < math.inf, "above 0 and finite")
        penalty = ["length_penalty"]
        check(self, penalty, lambda number: 0 <= number < math.inf, "at least 0 and finite")
        check(self, ["seed"], lambda seed: 0 <= seed <= MAX_SEED, f"from 0 to {MAX_SEED:,}")
        check(self, ["samples"], lambda samples: samples >= 0, "at least 0")
        parts = ["dropout", "word_dropout", "smoothing", "shift"]
        check(self, parts, lambda part: 0 <= part < 1, "at least 0 and below 1")
        self._check_backbone()

    def _check_backbone(self) -> None:
        """Refuse settings that have no effect with the image network."""
        if self.backbone == "small":
            words = "none with the small image network: choose another one with --backbone"
            check(self, ["weights"], lambda name: name == "none", words)
            return
        for name in ("filters", "levels"):
            if (value := getattr(self, name)) != getattr(Settings, name):
                raise Refusal(
                    f"{name} has no effect with backbone {self.backbone}: leave it out; received "
                    f"{value}"
                )
        if self.frozen:
            words = "off with weights, since the features of each image are computed once"
            check(self, ["flip", "shift"], lambda value: not value, words)

    @property
    def frozen(self) -> bool:
        """Whether the image network is not trained."""
        return self.weights != "none"
