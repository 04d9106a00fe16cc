from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from apps.captioning.batches import CaptionBatches, ReferenceBatches

START, STOP = 2, 3
COUNT, EACH = 43, 3


@pytest.fixture
def captions():
    """From one to six captions of each image, each with its number and that of its image."""
    random = np.random.default_rng(0)
    return [
        [
            np.array([10 + image, 100 + turn, *range(200, 200 + random.integers(0, 30))], "int32")
            for turn in range(1 + image % 6)
        ]
        for image in range(COUNT)
    ]


def make(captions, seed=None, batch_size=10, each=EACH):
    # The row of an image is another one than its number, and some rows are of no image.
    rows = np.arange(3 * COUNT, dtype="uint8").reshape(-1, 1, 1) * np.ones((1, 2, 2), "uint8")
    places = [2 * COUNT - 2 * image for image in range(COUNT)]
    return CaptionBatches(rows, places, captions, batch_size, each, seed, start=START, stop=STOP)


def told(batches, each):
    """The captions of each image in the order of the batches, and what is checked of each."""
    found = []
    for (rows, targets), labels in batches:
        assert rows.dtype == "uint8"
        assert targets.dtype == labels.dtype == "int32"
        assert targets.shape == labels.shape
        assert len(labels) == each * len(rows)
        for place, (target, label) in enumerate(zip(targets, labels, strict=True)):
            length = np.count_nonzero(label)
            # The labels are one step ahead, between nothing and nothing.
            assert target[0] == START
            assert label[length - 1] == STOP
            assert target[1:length].tolist() == label[: length - 1].tolist()
            assert not target[length:].any()
            assert not label[length:].any()
            image = 2 * COUNT - rows[place // each]  # captions of one image stand side by side
            assert set(image.ravel()) == {2 * (label[0] - 10)}
            found.append((int(label[0]) - 10, int(label[1]) - 100, length - 1))
    return found


def test_in_training_each_image_comes_once_with_some_of_its_captions(captions):
    batches = make(captions, seed=1)
    for epoch in range(3):
        batches.epoch = epoch
        found = told(batches, EACH)
        images = [image for image, _, _ in found]
        assert Counter(images) == dict.fromkeys(range(COUNT), EACH)
        for image, turn, length in found:
            assert length == len(captions[image][turn])


def test_a_caption_comes_twice_only_where_there_are_too_few(captions):
    for each in (1, 2, 3, 7):
        turns = {}
        for image, turn, _ in told(make(captions, seed=1, each=each), each):
            turns.setdefault(image, []).append(turn)
        for image, drawn in turns.items():
            counts = Counter(drawn)
            held = len(captions[image])
            assert len(counts) == min(held, each)
            assert max(counts.values()) - min(counts.values()) <= (each % held != 0)


def test_all_captions_of_an_image_are_drawn_in_time(captions):
    batches, seen = make(captions, seed=1), set()
    for epoch in range(20):
        batches.epoch = epoch
        seen |= {(image, turn) for image, turn, _ in told(batches, EACH)}
    assert len(seen) == sum(map(len, captions))


def test_in_validation_every_caption_comes_once(captions):
    batches = make(captions)
    for epoch in range(2):
        batches.epoch = epoch
        found = told(batches, 1)
        expected = [
            (image, turn, len(caption))
            for image, of_image in enumerate(captions)
            for turn, caption in enumerate(of_image)
        ]
        assert sorted(found) == expected


@pytest.mark.parametrize("seed", [None, 1])
def test_batches_are_full_but_the_last_and_as_many_as_said(captions, seed):
    batches = make(captions, seed)
    sizes = [len(rows) for (rows, _), _ in batches]
    images = COUNT if seed else sum(map(len, captions))
    assert len(batches) == len(sizes) == -(-images // 10)
    assert sorted(sizes)[1:] == [10] * (len(sizes) - 1)
    assert sum(sizes) == images


def test_the_order_and_what_is_drawn_depend_on_seed_and_epoch_alone(captions):
    def order(seed, epoch, before=0):
        batches = make(captions, seed)
        batches.epoch = before
        list(batches)
        batches.epoch = epoch
        return tuple(told(batches, 1 if seed is None else EACH))

    assert order(1, 4) == order(1, 4, before=2)
    different = [order(seed, epoch) for seed in (1, 2) for epoch in (0, 1)]
    assert len(set(different)) == 4
    # Not the order of the batches alone: other captions are drawn, too.
    assert len({tuple(sorted(each)) for each in different}) == 4
    assert order(None, 0) == order(None, 1)


@pytest.fixture
def lengths():
    """Images with a caption each, of all lengths."""
    random = np.random.default_rng(0)
    return [[np.full(length, 9)] for length in random.integers(1, 60, 1000)]


def padding(captions, seed):
    """Return the part of each batch that is padding."""
    rows = np.zeros((len(captions), 1), "uint8")
    places = range(len(captions))
    batches = CaptionBatches(rows, places, captions, 20, 1, seed, start=START, stop=STOP)
    return [np.mean(labels == 0) for _, labels in batches]


def test_captions_of_similar_length_come_together_in_validation(lengths):
    assert np.mean(padding(lengths, None)) < 0.25


def test_captions_come_with_those_of_any_length_in_training(lengths):
    # Else batch normalization, which looks at a batch as a whole, gave their length away.
    assert np.min(padding(lengths, 1)) > 0.3


def test_captions_may_be_empty():
    captions = [[np.array([], "int32")], [np.array([9, 9], "int32")]]
    rows = np.zeros((2, 1), "uint8")
    batches = CaptionBatches(rows, [0, 1], captions, 4, 2, 1, start=START, stop=STOP)
    (((_, targets), labels),) = batches
    assert sorted(targets.tolist()) == [[START, 0, 0, 0]] * 2 + [[START, 9, 9, 0]] * 2
    assert sorted(labels.tolist()) == [[STOP, 0, 0, 0]] * 2 + [[9, 9, STOP, 0]] * 2


def test_the_data_set_follows_the_epoch(captions):
    batches = make(captions, seed=1)
    data_set = batches.dataset()
    assert data_set.cardinality() == len(batches) == 5
    for epoch in (0, 1):
        batches.epoch = epoch
        for found, made in zip(data_set.as_numpy_iterator(), batches, strict=True):
            tf.nest.map_structure(np.testing.assert_array_equal, found, made)


def test_rows_may_be_mapped_from_disk(captions, tmp_path):
    made = make(captions, seed=1)
    np.save(tmp_path / "rows.npy", made.rows)
    mapped = make(captions, seed=1)
    mapped.rows = np.load(tmp_path / "rows.npy", mmap_mode="r")
    for found, expected in zip(mapped.dataset().as_numpy_iterator(), made, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, found, expected)


def make_references(captions, seed=None):
    made = make(captions)
    return ReferenceBatches(made.rows, made.places, captions, 10, seed)


@pytest.mark.parametrize("seed", [None, 1])
def test_each_image_comes_once_with_all_that_is_said_of_it(captions, seed):
    batches, images = make_references(captions, seed), []
    assert len(batches) == 5
    for rows, references in batches:
        assert len(rows) == len(references) <= 10
        for row, said in zip(rows, references, strict=True):
            image = COUNT - int(row.flat[0]) // 2
            found = [reference[reference != 0] for reference in said if reference.any()]
            for caption, expected in zip(found, captions[image], strict=True):
                np.testing.assert_array_equal(caption, expected)
            images.append(image)
    assert sorted(images) == [*range(COUNT)]
    assert (images == sorted(images)) == (seed is None)


def test_references_come_in_an_order_of_the_epoch(captions):
    batches = make_references(captions, seed=1)
    data_set = batches.dataset()
    assert data_set.cardinality() == len(batches)
    firsts = []
    for epoch in (0, 1, 0):
        batches.epoch = epoch
        for found, made in zip(data_set.as_numpy_iterator(), batches, strict=True):
            tf.nest.map_structure(np.testing.assert_array_equal, found, made)
        firsts.append(next(iter(batches))[0].tolist())
    assert firsts[0] == firsts[2] != firsts[1]
