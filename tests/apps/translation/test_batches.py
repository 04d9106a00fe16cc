import numpy as np
import pytest
import tensorflow as tf

from apps.translation.batches import PairBatches

START, STOP = 2, 3
COUNT = 103


@pytest.fixture
def examples():
    random = np.random.default_rng(0)
    lengths = random.integers(0, 60, size=(COUNT, 2))
    # Both sides hold the number of their pair, and count on, so that they are known again.
    return [
        tuple(np.arange(length, dtype="int32") + 100 * (number + 1) for length in both)
        for number, both in enumerate(lengths)
    ]


def make(examples, seed=None, batch_size=10):
    sources, targets = zip(*examples, strict=True)
    return PairBatches(sources, targets, batch_size, seed, start=START, stop=STOP)


def check_padded(row, ids):
    assert row[: len(ids)].tolist() == list(ids)
    assert not row[len(ids) :].any()


@pytest.mark.parametrize("seed", [None, 3])
def test_every_pair_comes_once_an_epoch_with_its_labels_one_step_ahead(examples, seed):
    batches = make(examples, seed)
    for epoch in range(2):
        batches.epoch = epoch
        seen = []
        for indices, ((sources, targets), labels) in zip(batches.order(), batches, strict=True):
            assert targets.shape == labels.shape
            assert len(sources) == len(targets) == len(indices)
            for index, *rows in zip(indices, sources, targets, labels, strict=True):
                source, target = examples[index]
                for row, ids in zip(rows, (source, [START, *target], [*target, STOP]), strict=True):
                    check_padded(row, ids)
            seen += indices.tolist()
        assert sorted(seen) == list(range(COUNT))


def test_batches_are_full_but_the_last_and_as_many_as_announced(examples):
    batches = make(examples, seed=1)
    sizes = sorted(len(labels) for _, labels in batches)
    assert len(batches) == len(sizes) == 11
    assert sizes == [3] + [10] * 10


def test_shapes_are_few_and_never_longer_than_they_must_be():
    random = np.random.default_rng(0)
    examples = []
    for length in random.integers(1, 60, size=2000):
        other = max(1, length + random.integers(-2, 3))
        examples.append((np.ones(length, "int32"), np.ones(other, "int32")))
    batches = make(examples, seed=1, batch_size=32)
    shapes = {(sources.shape[1], labels.shape[1]) for (sources, _), labels in batches}
    assert len(shapes) < 40
    padding = [np.mean(labels == 0) for _, labels in batches]
    assert np.mean(padding) < 0.25


def test_the_order_depends_on_seed_and_epoch_alone(examples):
    def order(seed, epoch, before=0):
        batches = make(examples, seed)
        batches.epoch = before
        list(batches)
        batches.epoch = epoch
        return np.concatenate(batches.order()).tolist()

    assert order(1, 4) == order(1, 4, before=2)
    assert len({tuple(order(seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}) == 4
    assert order(None, 0) == order(None, 1)


@pytest.mark.parametrize("seed", [None, 3])
def test_answers_come_back_in_the_order_of_the_pairs(examples, seed):
    examples = [pair for pair in examples if len(pair[0])]
    batches = make(examples, seed)
    answered = np.array([row[0] for (sources, _), _ in batches for row in sources])
    first = [source[0] for source, _ in examples]
    assert answered.tolist() != first
    assert batches.in_order(answered).tolist() == first


def test_the_data_set_follows_the_epoch(examples):
    batches = make(examples, seed=1)
    data_set = batches.dataset()
    assert data_set.cardinality() == 11
    for epoch in (0, 1):
        batches.epoch = epoch
        for found, made in zip(data_set.as_numpy_iterator(), batches, strict=True):
            tf.nest.map_structure(np.testing.assert_array_equal, found, made)


@pytest.mark.parametrize("length", [1023, 1100, 3000])
@pytest.mark.parametrize("side", [0, 1])
def test_sequences_of_any_length(side, length):
    pair = [np.ones(3, "int32"), np.ones(3, "int32")]
    pair[side] = np.ones(length, "int32")
    (((sources, targets), labels),) = make([pair])
    assert (sources > 0).sum() == len(pair[0])
    assert (targets > 0).sum() == (labels > 0).sum() == len(pair[1]) + 1
