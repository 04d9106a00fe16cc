"""Examples: a series of measurements or a recording, and what it is."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from apps.common.data.splits import Splits
from apps.common.refusal import Refusal

MAX_CLASSES = 1000
SHOWN = 5  # names in a message


class Example(NamedTuple):
    """An example as a source has it."""

    place: str  # for messages and pictures: the file and the case
    values: np.ndarray  # a series (timesteps, channels), or a recording (samples,) from -1 to 1
    speaker: str  # empty if nobody is named
    answer: str  # the label or the transcript


@dataclass(frozen=True)
class Examples(Splits):
    """Examples with training and test part.

    Args:
        rate: Samples a second of recordings; None for series.
        channels: The names of the channels of series.
    """

    rate: int | None = None
    channels: tuple[str, ...] = ()

    def counts(self) -> str:
        """Return in words how many examples there are, and how long."""
        lengths = [len(example.values) for example in (*self.train, *self.test)]
        if self.rate is None:
            spread = f"{min(lengths):,} to {max(lengths):,} steps"
            what = f"{spread} of {len(self.channels)} channel{'s' * (len(self.channels) != 1)}"
        else:
            low, high = min(lengths) / self.rate, max(lengths) / self.rate
            what = f"{low:.2f} to {high:.2f} s at {self.rate:,} samples a second"
        return f"{super().counts()}, {what}"


def check_classes(examples: Sequence[Example], where: str, minimum: int) -> None:
    """Refuse examples from which no classifier can be trained.

    Raises:
        Refusal: If there is one class only or too many, or a class has too few examples.
    """
    counts = Counter(example.answer for example in examples)
    if len(counts) < 2:
        only = ", ".join(map(repr, counts)) or "none"
        raise Refusal(
            f"{where}: two classes or more are needed; received {only}: add another class"
        )
    if len(counts) > MAX_CLASSES:
        raise Refusal(
            f"{where}: at most {MAX_CLASSES:,} classes are possible; received {len(counts):,}: "
            f"choose another column by --label-column, or --answer transcript"
        )
    name, fewest = min(counts.items(), key=lambda item: item[1])
    if fewest < minimum:
        raise Refusal(
            f"{where}: at least {minimum} examples of each class are needed; class {name!r} has "
            f"{fewest} of {len(examples):,}: give more of it, or leave it out"
        )


def class_names(answers: Sequence[str]) -> tuple[str, ...]:
    """Return the classes: numbers in their order, names in that of the alphabet."""
    names = set(answers)
    if all(name.lstrip("-").isdecimal() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def check_same_classes(data: Examples) -> None:
    """Refuse test examples of classes that are not trained.

    Raises:
        Refusal: If there are some.
    """
    unknown = sorted({e.answer for e in data.test} - {e.answer for e in data.train})
    if unknown:
        raise Refusal(
            f"{data.origin}: each class of the test part must have training examples; there are "
            f"none of {', '.join(unknown[:SHOWN])}"
        )


def without_missing(examples: Sequence[Example], where: str) -> list[Example]:
    """Interpolate missing values of series, which are NaN, and print how many there are.

    A channel without any value in an example stays NaN; the network reads its training mean.
    """
    filled, count, cases = [], 0, 0
    for example in examples:
        missing = np.isnan(example.values)
        if missing.any():
            count, cases = count + int(missing.sum()), cases + 1
            example = example._replace(values=interpolated(example.values))
        filled.append(example)
    if count:
        print(f"{where}: {count:,} missing values in {cases:,} examples are interpolated")
    return filled


def interpolated(values: np.ndarray) -> np.ndarray:
    """Interpolate NaN in each channel of a series `(timesteps, channels)`, and keep its ends."""
    values = values.copy()
    steps = np.arange(len(values))
    for channel in values.T:
        known = np.isfinite(channel)
        if known.any():
            channel[~known] = np.interp(steps[~known], steps[known], channel[known])
    return values


def check_series(examples: Sequence[Example], channels: Sequence[str]) -> None:
    """Refuse series that cannot be trained on.

    Raises:
        Refusal: If one has no step, another number of channels, or an infinite value.
    """
    for example in examples:
        values = example.values
        if values.ndim != 2 or values.shape[1] != len(channels):
            raise Refusal(
                f"{example.place}: expected {len(channels)} channels, as the first series has; "
                f"received {values.shape[-1]}: leave the series out, or complete it"
            )
        if not len(values):
            raise Refusal(f"{example.place}: the series has no steps: leave it out")
        if np.isinf(values).any():
            raise Refusal(
                f"{example.place}: values must be finite or missing; received "
                f"{values[np.isinf(values)][0]}: correct it, or leave it empty"
            )
