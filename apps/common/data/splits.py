"""The examples of a data set, with training and test examples apart."""

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from sklearn.model_selection import train_test_split

from apps.common.refusal import Refusal

SPLIT_SEED = 1  # fixed, so that the test examples do not depend on the seed of a run
NEIGHBOURS = 250  # examples of a class that stay together, as they may share a subject


@dataclass(frozen=True)
class Splits:
    """The examples of a data set and where they came from.

    Args:
        train: Training examples. Validation examples are taken from them.
        test: Test examples, for the final figures only.
        origin: Where they came from, in words for people.
        validation: Validation examples, if the data set has its own.
        further: More examples to test on, by the name of what they test.
        unit: What the examples are called.
    """

    train: Sequence
    test: Sequence
    origin: str
    validation: Sequence = ()
    further: Mapping[str, Sequence] = field(default_factory=dict)
    unit: str = "examples"

    def counts(self) -> str:
        """Return in words how many examples there are."""
        return f"{len(self.train):,} training and {len(self.test):,} test {self.unit}"

    def with_validation(self, seed: int) -> "Splits":
        """Return splits whose validation examples, if there were none, are a tenth of training.

        Raises:
            Refusal: If there are too few training examples.
        """
        if self.validation:
            return self
        if len(self.train) < 2:
            raise Refusal(
                f"{self.origin}: at least 2 training {self.unit} are needed, as one in ten "
                f"validates; there is {len(self.train)}"
            )
        train, validation = train_test_split(self.train, test_size=0.1, random_state=seed)
        return replace(self, train=train, validation=validation)

    def limited(self, limit: int | None, seed: int) -> Self:
        """Return at most `limit` training and test examples, with the proportions of classes."""
        if limit is None:
            return self
        train, test = (_sample(part, limit, seed) for part in (self.train, self.test))
        return replace(self, train=train, test=test, origin=f"{self.origin}, limited")


def _sample(examples: Sequence[tuple], limit: int, seed: int) -> Sequence[tuple]:
    """Return at most `limit` examples, with the proportions of classes."""
    if limit >= len(examples):
        return examples
    if len(examples) - limit < len({example[-1] for example in examples}):
        return random.Random(seed).sample(examples, limit)  # too few are left out to stratify them
    return stratified_split(examples, limit, seed)[1]


def check_classes(examples: Sequence[tuple], where: str, minimum: int = 10) -> None:
    """Refuse examples `(input, label)` from which no classifier can be trained.

    Args:
        examples: The examples; the label is the last entry of each.
        where: Where they came from, for the message.
        minimum: The number of examples needed of each class.

    Raises:
        Refusal: If there is only one class, or a class has fewer examples.
    """
    counts = Counter(example[-1] for example in examples)
    if len(counts) < 2 or min(counts.values()) < minimum:
        present = ", ".join(f"{n} of class {label}" for label, n in sorted(counts.items()))
        raise Refusal(
            f"{where}: two classes with at least {minimum} examples each are needed; received "
            f"{present or 'no examples'}"
        )


def stratified_split(examples: Sequence[tuple], part: float, seed: int) -> tuple[list, list]:
    """Split examples at random, with the same proportion of every class on both sides.

    Args:
        examples: The examples; the label is the last entry of each.
        part: The size of the second side: a fraction below 1, or a number of examples.
        seed: The seed of the choice.

    Raises:
        Refusal: If one of the sides would be too small to hold every class.
    """
    labels = [example[-1] for example in examples]
    size = math.ceil(part * len(examples)) if part < 1 else part
    if min(size, len(examples) - size) < len(set(labels)):
        raise Refusal(
            f"{len(examples)} examples cannot be split into {len(examples) - size} and {size} "
            f"with every class in both; give more examples"
        )
    rest, cut = train_test_split(examples, test_size=part, random_state=seed, stratify=labels)
    return rest, cut


def check_parts(test_part: float | None, validation_part: float | None) -> None:
    """Refuse parts that leave nothing to train on.

    Args:
        test_part: The part that tests, or None for the usual one.
        validation_part: The part that validates, likewise.

    Raises:
        Refusal: If one is not between 0 and 1, or both leave nothing.
    """
    for name, part in (("test_part", test_part), ("validation_part", validation_part)):
        if part is not None and not 0 < part < 1:
            raise Refusal(f"{name} must be between 0 and 1; received {part}")
    if (test_part or 0) + (validation_part or 0) >= 1:
        raise Refusal(
            f"test_part and validation_part must be below 1 together; received {test_part} and "
            f"{validation_part}"
        )


def held_out_count(count: int, part: float | None, usual: float, most: int) -> int:
    """Return how many of some examples are held out.

    Args:
        count: The number of examples.
        part: The part that the user chose, or None.
        usual: The usual part.
        most: The largest number that is held out by default.
    """
    return min(most, round(usual * count)) if part is None else round(part * count)


def hold_out_runs(
    examples: Sequence[tuple], validation_part: float, seed: int, run: int = NEIGHBOURS
) -> tuple[list, list]:
    """Split runs of neighbours off each class, and keep the order of the examples.

    Neighbours may have much in common, such as reviews of one film. Chosen one by one, they would
    lie on both sides of the split, and validation would seem easier than new examples are.

    Args:
        examples: The examples; the label is the last entry of each.
        validation_part: The fraction to split off, below 1.
        seed: The seed of the choice.
        run: The number of neighbours of a class that stay together. If there are few examples,
            runs are shorter.

    Returns:
        The training examples and the validation examples.

    Raises:
        Refusal: If one of the sides would lack a class.
    """
    labels = np.array([example[-1] for example in examples])
    rng = np.random.default_rng(seed)
    held_out = np.zeros(len(examples), bool)
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        count = round(validation_part * len(places))
        if not 0 < count < len(places):
            raise Refusal(
                f"validation_part must leave examples of every class for training and for "
                f"validation; {validation_part} of {len(places)} examples of class {label} is "
                f"{count}: choose another part, or give more examples"
            )
        runs = np.array_split(places, math.ceil(len(places) / min(run, count)))
        order = rng.permutation(len(runs))
        held_out[np.concatenate([runs[index] for index in order])[:count]] = True
    return (
        [example for example, held in zip(examples, held_out, strict=True) if not held],
        [example for example, held in zip(examples, held_out, strict=True) if held],
    )
