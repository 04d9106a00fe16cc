"""The settings of a run of recognition."""

import math
from dataclasses import dataclass
from typing import Literal

import tyro

from apps.common.refusal import Refusal
from apps.common.settings import MAX_SEED, check, check_sizes

Answer = Literal["class", "transcript", "connected"]
USUAL_FILTERS = 64
MAX_RATE = 384_000  # samples a second of the finest recordings


@dataclass(frozen=True)
class Settings:
    """The settings of a run, which are saved with it."""

    source: str = "sample"  # where the examples come from: sample, tfds, or a folder or file
    # the embedded sample: gestures if not given, digits (scikit-learn's images), or spoken
    sample: str | None = None
    catalogue_name: str | None = None  # with tfds: speech_commands if not given, mnist, ...
    # class: the label of an example; transcript: its words; connected: the words of three to seven
    # labelled recordings, which are joined at random
    answer: Answer = "class"
    file_column: str | None = None  # the column of the file in your own tables; found if not given
    label_column: str | None = None  # the column of the label or transcript; likewise
    alphabet: str | None = None  # the letters of transcripts; those that occur if not given
    speaker: str | None = None  # test on the recordings of this speaker, and train on all others
    image_steps: Literal["rows", "pixels"] | None = None  # steps of an image; rows if not given
    image_size: int | None = None  # the side that images are scaled to; that of the first
    rate: int | None = None  # samples a second that recordings are brought to; the commonest
    trim: tyro.conf.FlagCreatePairsOff[bool] = False  # cut silence at both ends of recordings
    test_part: float | None = None  # the part that tests, if there is none; 0.2 if not given
    limit: int | None = None  # use at most this many training and this many test examples
    validation_part: float = 0.2  # the part of the training examples that validates; with 0, all do
    features: Literal["log_mel", "mfcc"] = "log_mel"  # what is computed of recordings
    bands: int = 40  # mel bands of a spectrum
    frame: float = 0.025  # seconds of a spectrum
    hop: float = 0.01  # seconds between two spectra
    center: tyro.conf.FlagCreatePairsOff[bool] = False  # subtract each example's mean by channel
    filters: int | None = None  # of two convolutions before the recurrence; 64, or 0 if streaming
    kernel: int = 5  # steps that a convolution sees
    # two more convolutions beside the recurrence, pooled with it (LSTM-FCN, Karim et al. 2018)
    fcn: tyro.conf.FlagCreatePairsOff[bool] = False
    stride: int = 1  # steps that become one before the recurrence
    cell: str = "lstm"  # the recurrence: lstm, gru, peephole_lstm, min_gru, ...
    units: int = 64  # units of each recurrence, in each direction
    layers: int = 1  # recurrences one after the other
    streaming: tyro.conf.FlagCreatePairsOff[bool] = (
        False  # forwards only, to answer while it listens
    )
    delay: float = 0.0  # with streaming: seconds in which it listens before its first letter
    dropout: float = 0.3  # the part of the states dropped in training
    mask_time: float = 0.0  # the longest span of steps that is masked in training, of all steps
    mask_bands: float = 0.0  # the widest span of channels that is masked in training, of all
    noise: float = 0.0  # the deviation of noise added in training, of the standardized channels
    stretch: float = 0.0  # training examples become longer or shorter by up to this part
    learning_rate: float = 3e-3  # of Adam, at first; it falls to zero along a cosine
    max_norm: float = 1.0  # gradients are scaled down to this global norm
    batch_size: int = 32  # examples in a training step
    utterances: int = 2000  # with connected: utterances joined in an epoch
    epochs: int = 12  # train for at most this many epochs
    patience: int = 8  # stop after this many epochs without a lower validation loss
    seed: int = 1  # decides the validation part, the first weights, the order and what is drawn

    @property
    def convolutions(self) -> int:
        """The filters of each convolution before the recurrence; 0 if there is none."""
        return (0 if self.streaming else USUAL_FILTERS) if self.filters is None else self.filters

    @property
    def blanks(self) -> int:
        """The steps of the network before its first letter."""
        return round(self.delay / (self.hop * self.stride))

    def check(self) -> None:
        """Refuse settings that cannot work, or that have no effect."""
        sizes = ["units", "layers", "kernel", "stride", "bands", "batch_size", "utterances"]
        check_sizes(self, [*sizes, "epochs", "patience", "limit", "image_size", "rate"])
        check(self, ["filters"], lambda count: count is None or count >= 0, "at least 0")
        check(self, ["limit"], lambda limit: limit is None or limit >= 20, "at least 20")
        check(self, ["rate"], lambda rate: rate is None or 1000 <= rate <= MAX_RATE, RATES)
        positive = ["learning_rate", "max_norm", "frame", "hop"]
        check(self, positive, lambda number: 0 < number < math.inf, "a finite number above 0")
        check(self, ["frame", "hop"], lambda seconds: seconds <= 1, "at most 1 second")
        check(self, ["delay"], lambda seconds: 0 <= seconds <= 1, "from 0 to 1 second")
        check(self, ["test_part"], lambda part: part is None or 0 < part < 1, "between 0 and 1")
        rates = ["validation_part", "dropout", "mask_time", "mask_bands", "stretch"]
        check(self, rates, lambda part: 0 <= part < 1, "at least 0 and below 1")
        check(self, ["noise"], lambda noise: 0 <= noise < math.inf, "finite and at least 0")
        check(self, ["seed"], lambda seed: 0 <= seed <= MAX_SEED, f"from 0 to {MAX_SEED:,}")
        if self.frame < self.hop:
            raise Refusal(
                f"frame must be at least hop, so that no sample is left out; received "
                f"{self.frame} and {self.hop}"
            )
        if self.streaming and self.center:
            raise Refusal(
                "center has no effect with streaming, since the mean of an example is known at its "
                "end: leave one of them out"
            )
        if self.streaming and self.filters:
            raise Refusal(
                f"filters must be 0 with streaming, since a convolution looks ahead; received "
                f"{self.filters}"
            )
        if self.fcn and self.answer != "class":
            raise Refusal(
                f"fcn has no effect with answer {self.answer}, which is not pooled over the steps: "
                "leave it out"
            )
        if self.delay and not self.streaming:
            raise Refusal(
                f"delay has no effect without streaming, where the network hears the whole "
                f"recording before it answers: leave it out; received {self.delay}"
            )
        if self.streaming and self.answer == "class":
            raise Refusal(
                "streaming has no effect with answer class, which is known at the end: leave it "
                "out, or choose transcript or connected"
            )
        if self.alphabet is not None and self.answer == "class":
            raise Refusal("alphabet has no effect with answer class: leave it out")
        if self.utterances != Settings.utterances and self.answer != "connected":
            raise Refusal(
                f"utterances has no effect with answer {self.answer}: leave it out; received "
                f"{self.utterances}"
            )


RATES = f"from 1,000 to {MAX_RATE:,} samples a second"
