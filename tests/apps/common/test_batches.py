"""Batches of padded sequences: each example once, little padding, an order for each epoch."""

import numpy as np
import pytest

from apps.common.batches import Batches

COUNT = 103
SEQUENCES = [  # each holds its own number
    np.full(length, number + 1)
    for number, length in enumerate(np.random.default_rng(0).integers(1, 60, size=COUNT))
]


def make(seed=None, targets=None):
    targets = np.arange(float(COUNT)) if targets is None else targets
    return Batches(SEQUENCES, targets, batch_size=10, seed=seed)


@pytest.mark.parametrize("seed", [None, 3])
def test_every_epoch_holds_every_example_once_with_its_own_target(seed):
    batches = make(seed)
    for batches.epoch in range(3):
        numbers = []
        for padded, targets in batches:
            for row, target in zip(padded, targets, strict=True):
                ids = row[row > 0]
                assert len(ids) == len(SEQUENCES[int(target)])
                assert set(ids) == {int(target) + 1}
                assert not row[len(ids) :].any()
            numbers.extend(targets)
        assert sorted(numbers) == list(range(COUNT))


def test_shapes_are_few_and_padding_is_little():
    batches = make(seed=1)
    shapes = {padded.shape for padded, _ in batches}
    assert len(list(batches)) == len(batches) == 11
    assert len({length for _, length in shapes}) <= 8
    assert sum(batch != 10 for batch, _ in shapes) == 1  # three examples remain
    assert sum(np.mean(padded > 0) for padded, _ in batches) / 11 > 0.7


def test_the_order_depends_on_the_seed_and_the_epoch():
    def order(seed, epoch):
        batches = make(seed)
        batches.epoch = epoch
        return np.concatenate(batches.order()).tolist()

    assert order(1, 4) == order(1, 4)
    assert len({tuple(order(seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}) == 4
    assert order(None, 0) == order(None, 1)


def test_outputs_come_back_in_the_order_of_the_examples():
    batches = make()
    outputs = np.concatenate([targets for _, targets in batches])
    assert outputs.tolist() != list(range(COUNT))
    assert batches.in_order(outputs).tolist() == list(range(COUNT))


def test_the_data_set_follows_the_epoch():
    batches = make(seed=1)
    data_set = batches.dataset()
    assert data_set.cardinality() == 11
    for batches.epoch in (0, 1):
        targets = np.concatenate([targets for _, targets in data_set.as_numpy_iterator()])
        assert targets.tolist() == np.concatenate(batches.order()).tolist()
