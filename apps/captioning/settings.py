"""What decides a run of captioning."""

import math
from dataclasses import dataclass
from typing import Literal

import tyro

from apps.common.cli import check
from apps.common.seq2seq.subwords import SPECIAL


@dataclass(frozen=True)
class Settings:
    """What decides a run; it is saved with it."""

    source: str = "sample"  # where the images come from: sample, tfds, or a folder or table
    image_column: str = "image"  # of a table: the column of paths, relative to its folder
    caption_column: str = "caption"  # of a table: the column of captions
    catalogue_name: str = "coco_captions"  # of the catalogue: the data set
    backbone: str = "small"  # what sees: small, or a network of keras.applications
    weights: str = "none"  # of a network of keras.applications: none, imagenet, or a file
    image_size: int = 64  # the side of the square that images are squeezed to, in pixels
    filters: int = 20  # of the first convolutions of the small network; twice as many each level
    levels: int = 4  # of the small network; each halves the side of the grid
    flip: bool = False  # mirror images at random in training; not where left and right are told
    shift: float = 0.0  # move and scale images in training at random, by up to this part
    decoder: Literal["attention", "state"] = "attention"  # what the decoder sees of the image
    vocabulary_size: int = 4000  # pieces of words, at most
    max_length: int = 40  # pieces of a caption; longer ones are cut
    embedding_size: int = 64  # the size of the vector of a piece
    units: int = 128  # of the GRUs
    dropout: float = 0.1  # the part of the features dropped between the layers in training
    word_dropout: float = 0.5  # the part of the words said so far that is hidden in training
    smoothing: float = 0.0  # of the labels
    learning_rate: float = 3e-3  # of Adam, at its highest
    max_norm: float = 1.0  # gradients are scaled down to this global norm
    batch_size: int = 16  # images in a training step
    each: int = 3  # captions of an image in a training step
    epochs: int = 12  # the most epochs to train
    patience: int = 3  # stop after so many epochs without a lower validation loss
    beams: int = 5  # hypotheses of the beam search
    length_penalty: float = 1.0  # of the beam search: 0 favours short captions
    seed: int = 1  # decides the first weights, the order, the captions drawn and the dropout
    refined: tyro.conf.Suppress[str] = ""  # the run that `refine` began with
    samples: tyro.conf.Suppress[int] = 0  # captions of an image that `refine` draws in a step

    def check(self) -> None:
        """Refuses what cannot work."""
        sizes = ["image_size", "filters", "levels", "max_length", "embedding_size", "units"]
        sizes += ["batch_size", "each", "epochs", "patience", "beams"]
        check(self, sizes, lambda size: size >= 1, "at least 1")
        most = int(math.log2(self.image_size))
        check(self, ["levels"], lambda levels: levels <= most, f"at most {most}, a grid of one")
        check(self, ["vocabulary_size"], lambda size: size > len(SPECIAL), "at least 5")
        check(self, ["beams"], lambda beams: beams < self.vocabulary_size, "below vocabulary_size")
        rates = ["learning_rate", "max_norm"]
        check(self, rates, lambda number: 0 < number < math.inf, "above 0, and finite")
        numbers = ["length_penalty", "seed"]
        check(self, numbers, lambda number: 0 <= number < math.inf, "at least 0, and finite")
        parts = ["dropout", "word_dropout", "smoothing", "shift"]
        check(self, parts, lambda part: 0 <= part < 1, "at least 0 and below 1")
        if self.frozen:  # of an image that is moved the features would not be those on disk
            check(self, ["flip", "shift"], lambda chance: not chance, "off with weights")
        if self.backbone == "small":
            check(self, ["weights"], lambda name: name == "none", "none for the small backbone")

    @property
    def frozen(self) -> bool:
        """Whether what sees is not trained."""
        return self.weights != "none"
