"""The parts of a data set: examples that train, that validate and that test."""

from collections.abc import Sequence

import numpy as np

from apps.common.data.splits import SPLIT_SEED, stratified_split
from apps.common.refusal import Refusal
from apps.recognition.examples import (
    SHOWN,
    Example,
    Examples,
    check_classes,
    check_same_classes,
    check_series,
    without_missing,
)
from apps.recognition.settings import Answer

TEST_PART = 0.2


def with_test_part(
    examples: Sequence[Example],
    where: str,
    test_part: float | None,
    speaker: str | None,
    answer: Answer,
    rate: int | None = None,
    channels: tuple[str, ...] = (),
) -> Examples:
    """Split a test part off examples whose source has none.

    Args:
        examples: All examples.
        where: Where they came from.
        test_part: The part that tests; `TEST_PART` if None.
        speaker: The speaker who is tested, in the place of a part; nobody if None.
        answer: What is asked for.
        rate: Samples a second of recordings; None for series.
        channels: The names of the channels of series; numbers if empty.

    Raises:
        Refusal: See `split`, `by_speaker` and `complete`.
    """
    if rate is None:  # while they are in the order of their file, whose first series is the model
        channels = channels or _numbered_channels(examples)
        check_series(examples, channels)
    if speaker is not None:
        train, test, where = by_speaker(examples, speaker, where)
    else:
        train, test, where = split(examples, where, test_part, answer == "transcript")
    return complete(train, test, where, rate, answer, channels)


def complete(
    train: Sequence[Example],
    test: Sequence[Example],
    where: str,
    rate: int | None,
    answer: Answer,
    channels: tuple[str, ...] = (),
) -> Examples:
    """Check both parts, and interpolate the missing values of series.

    Raises:
        Refusal: If series differ in their channels, there are too few examples of a class, or one
            is only tested.
    """
    if rate is None:
        channels = channels or _numbered_channels(train)
        for part in (train, test):
            check_series(part, channels)
        train, test = (without_missing(part, where) for part in (train, test))
    data = Examples(train, test, where, rate=rate, channels=channels)
    if answer != "transcript":
        check_classes(train, where, 2)  # one each to train and to validate
        check_same_classes(data)
    return data


def _numbered_channels(examples: Sequence[Example]) -> tuple[str, ...]:
    return tuple(str(n + 1) for n in range(examples[0].values.shape[-1]))


def split(
    examples: Sequence[Example], where: str, test_part: float | None, transcripts: bool
) -> tuple[Sequence[Example], Sequence[Example], str]:
    """Split off a test part, always the same.

    Args:
        examples: All examples.
        where: Where they came from.
        test_part: The part that tests; `TEST_PART` if None.
        transcripts: Whether the answers are transcripts, so that there are no classes.

    Returns:
        Training examples, test examples, and the origin in words.

    Raises:
        Refusal: If there are too few.
    """
    part = TEST_PART if test_part is None else test_part
    origin = (
        f"{where}, without a test part: {part:.0%} chosen for testing, always the same "
        f"(--test-part says otherwise)"
    )
    if transcripts:
        return *split_at_random(examples, part, SPLIT_SEED, where, "--test-part"), origin
    check_classes(examples, where, 3)  # one each to train, to validate and to test
    train, test = stratified_split(examples, part, SPLIT_SEED)
    return train, test, origin


def split_at_random(
    examples: Sequence[Example], part: float, seed: int, where: str, option: str
) -> tuple[list[Example], list[Example]]:
    """Split examples without classes.

    Args:
        examples: The examples.
        part: The part of them on the second side.
        seed: The seed of the choice.
        where: Where they came from, for the message.
        option: The option that says the part, likewise.

    Raises:
        Refusal: If one side would be empty.
    """
    count = round(part * len(examples))
    if not 0 < count < len(examples):
        raise Refusal(
            f"{where}: {part} of {len(examples)} examples is {count}, which leaves none on one "
            f"side: give more examples, or another part by {option}"
        )
    order = np.random.default_rng(seed).permutation(len(examples))
    shuffled = [examples[place] for place in order]
    return shuffled[count:], shuffled[:count]


def by_speaker(
    examples: Sequence[Example], speaker: str, where: str
) -> tuple[list[Example], list[Example], str]:
    """Split off the recordings of one speaker for testing.

    Raises:
        Refusal: If there is no such speaker, or no other.
    """
    names = sorted({example.speaker for example in examples} - {""})
    if speaker not in names:
        found = ", ".join(names[:SHOWN]) or "none, as the names of files must be label_speaker_take"
        raise Refusal(
            f"speaker must be one of the speakers of {where}: {found}; received {speaker}"
        )
    sides: tuple[list[Example], list[Example]] = ([], [])
    for example in examples:
        sides[example.speaker == speaker].append(example)
    if not sides[0]:
        raise Refusal(f"{where}: all recordings are of {speaker}: leave --speaker out")
    return *sides, f"{where}, tested on the speaker {speaker}"


def with_validation(
    data: Examples, part: float, seed: int, answer: Answer
) -> tuple[list[Example], list[Example]]:
    """Split the training examples into those that train and those that validate.

    Where the part is 0, all of them do both.

    Raises:
        Refusal: If there are too few.
    """
    if not part:
        return list(data.train), list(data.train)
    if answer == "transcript":
        return split_at_random(data.train, part, seed, data.origin, "--validation-part")
    return stratified_split(data.train, part, seed)
