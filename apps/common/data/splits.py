"""The examples of a data set, training and test apart."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from sklearn.model_selection import train_test_split

from apps.common.refusal import Refusal

SPLIT_SEED = 1  # fixed: whatever the seed of a run, its test examples are the same
NEIGHBOURS = 250  # examples of a class that stay together, as they may be about one thing


@dataclass(frozen=True)
class Splits:
    """The examples of a data set and where they came from.

    Args:
        train: Training examples; what validates a model is taken from these.
        test: Test examples, for the final figures only.
        origin: Where they came from, in words for people.
        validation: Validation examples, where the data set has its own.
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
        """Says in words how many examples there are."""
        return f"{len(self.train):,} training and {len(self.test):,} test {self.unit}"

    def with_validation(self, seed: int) -> "Splits":
        """Draws a tenth of the training examples to validate on, where there are none."""
        if self.validation:
            return self
        train, validation = train_test_split(self.train, test_size=0.1, random_state=seed)
        return replace(self, train=train, validation=validation)

    def limited(self, limit: int | None, seed: int) -> "Splits":
        """Draws at most so many training and so many test examples, both classes alike."""
        if limit is None:
            return self
        few = (
            stratified(part, limit, seed)[1] if limit < len(part) else part
            for part in (self.train, self.test)
        )
        return Splits(*few, f"{self.origin}, limited")


def check_classes(examples: Sequence[tuple], where: str, least: int = 10) -> None:
    """Refuses examples `(input, label)` from which no classifier can be trained.

    Args:
        examples: The examples; the label is the last entry of each.
        where: Where they came from, for the message.
        least: How many of each class are needed.

    Raises:
        Refusal: If there is only one class, or a class with fewer than `least` examples.
    """
    counts = Counter(example[-1] for example in examples)
    if len(counts) < 2 or min(counts.values()) < least:
        held = ", ".join(f"{n} of class {label}" for label, n in sorted(counts.items()))
        raise Refusal(
            f"{where}: two classes with at least {least} examples each are needed; "
            f"found {held or 'no examples'}"
        )


def stratified(examples: Sequence[tuple], part: float, seed: int) -> tuple[list, list]:
    """Cuts a part off, at random, with the same proportion of every class.

    Args:
        examples: The examples; the label is the last entry of each.
        part: How much to cut off: a fraction below 1, or a number of examples.
        seed: The seed of the choice.

    Returns:
        What remains, and what was cut off.

    Raises:
        Refusal: If one of the two would be too small to hold every class.
    """
    labels = [example[-1] for example in examples]
    cut = math.ceil(part * len(examples)) if part < 1 else part
    if min(cut, len(examples) - cut) < len(set(labels)):
        raise Refusal(
            f"{len(examples)} examples cannot be split into {len(examples) - cut} and {cut} with "
            f"every class in both; more examples or another part are needed"
        )
    rest, cut = train_test_split(examples, test_size=part, random_state=seed, stratify=labels)
    return rest, cut


def runs_apart(
    examples: Sequence[tuple], part: float, seed: int, run: int = NEIGHBOURS
) -> tuple[list, list]:
    """Cuts runs of neighbours off each class, and keeps the order of the examples.

    Neighbours may have much in common, such as reviews of one film. Drawn one by one, they would
    lie on both sides of the split, and what was cut off would seem easier than new examples are.

    Args:
        examples: The examples; the label is the last entry of each.
        part: The fraction to cut off, below 1.
        seed: The seed of the choice.
        run: How many neighbours of a class stay together, or fewer where there are few examples.

    Returns:
        What remains, and what was cut off.

    Raises:
        Refusal: If one of the two would be too small to hold every class.
    """
    labels = np.array([example[-1] for example in examples])
    chance = np.random.default_rng(seed)
    held = np.zeros(len(examples), bool)
    for label in np.unique(labels):
        here = np.flatnonzero(labels == label)
        count = round(part * len(here))
        if not 0 < count < len(here):
            raise Refusal(
                f"{len(here)} examples of class {label!r} cannot be split with {part:.0%} apart; "
                f"more examples or another part are needed"
            )
        runs = np.array_split(here, math.ceil(len(here) / min(run, count)))
        order = chance.permutation(len(runs))
        held[np.concatenate([runs[place] for place in order])[:count]] = True
    return (
        [example for example, apart in zip(examples, held, strict=True) if not apart],
        [example for example, apart in zip(examples, held, strict=True) if apart],
    )
