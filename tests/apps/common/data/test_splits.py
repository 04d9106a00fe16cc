"""Training, validation and test examples: proportions of classes, neighbours, limits."""

from collections import Counter

import numpy as np
import pytest

from apps.common.data.splits import Splits, check_classes, hold_out_runs, stratified_split
from apps.common.refusal import Refusal

EXAMPLES = [(str(number), number % 2) for number in range(40)]


def labels(examples):
    return Counter(label for _, label in examples)


def test_a_stratified_split_keeps_the_proportions():
    examples = [(str(number), int(number % 4 == 0)) for number in range(40)]
    rest, cut = stratified_split(examples, 0.2, 1)
    assert sorted(rest + cut) == sorted(examples)
    assert (labels(rest), labels(cut)) == ({0: 24, 1: 8}, {0: 6, 1: 2})
    assert stratified_split(examples, 0.2, 1)[1] == cut
    assert stratified_split(examples, 0.2, 2)[1] != cut


@pytest.mark.parametrize("part", [0.001, 1, 39])
def test_a_part_too_small_for_every_class(part):
    with pytest.raises(Refusal, match=r"40 examples cannot be split into .* give more examples"):
        stratified_split(EXAMPLES, part, 1)


def test_runs_of_neighbours_are_held_out_in_the_proportion_of_the_classes():
    examples = [(str(number), int(number >= 600)) for number in range(1000)]
    rest, held_out = hold_out_runs(examples, 0.1, seed=1, run=20)
    assert sorted([*rest, *held_out], key=lambda example: int(example[0])) == examples
    assert [label for _, label in held_out] == [0] * 60 + [1] * 40
    for part in (rest, held_out):  # in the order of the examples
        assert [number for number, _ in part] == sorted((n for n, _ in part), key=int)
    places = np.array([int(number) for number, _ in held_out])
    assert np.sum(np.diff(places) > 1) <= 100 // 20 + 2
    assert hold_out_runs(examples, 0.1, seed=1, run=20)[1] == held_out
    assert hold_out_runs(examples, 0.1, seed=2, run=20)[1] != held_out


@pytest.mark.parametrize("part", [0.01, 0.99])
def test_a_validation_part_without_a_class(part):
    with pytest.raises(
        Refusal, match=rf"validation_part must .*; {part} of 20 examples of class 0"
    ):
        hold_out_runs(EXAMPLES, part, seed=1)


@pytest.mark.parametrize("limit", [20, 38, 39, 40, 41])
def test_a_limit_keeps_the_proportions(limit):
    splits = Splits(EXAMPLES, EXAMPLES[:30], "here", unit="reviews")
    limited = splits.limited(limit, seed=3)
    assert len(limited.train) == len(set(limited.train)) == min(limit, 40)
    assert len(limited.test) == min(limit, 30)
    assert abs(labels(limited.train)[0] - labels(limited.train)[1]) <= 1
    assert limited == splits.limited(limit, seed=3)
    assert limited.counts() == f"{min(limit, 40)} training and {min(limit, 30)} test reviews"
    assert splits.limited(None, seed=3) is splits


def test_a_tenth_validates_unless_there_is_a_validation_part():
    splits = Splits(EXAMPLES, (), "here")
    drawn = splits.with_validation(1)
    assert (len(drawn.train), len(drawn.validation)) == (36, 4)
    assert sorted([*drawn.train, *drawn.validation]) == sorted(EXAMPLES)
    assert drawn.with_validation(2) is drawn
    with pytest.raises(Refusal, match="here: at least 2 training examples are needed"):
        Splits(EXAMPLES[:1], (), "here").with_validation(1)


@pytest.mark.parametrize(
    ("examples", "received"),
    [
        ([], "no examples"),
        ([("x", 1)] * 20, "20 of class 1"),
        (EXAMPLES[:12], "6 of class 0, 6 of class 1"),
    ],
)
def test_classes_too_small_to_train_on(examples, received):
    with pytest.raises(Refusal, match=f"a.csv: two classes .* needed; received {received}"):
        check_classes(examples, "a.csv")
    check_classes(EXAMPLES, "a.csv")
