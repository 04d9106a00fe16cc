"""Images with their captions in batches: to be said, or to judge what is said."""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from apps.common.batches import by_length, feed
from apps.common.seq2seq.teacher_forcing import LENGTHS, forced


class Seen(NamedTuple):
    """What the encoder is given of some images, and their captions."""

    rows: np.ndarray  # pixels, or the features of a network that is not trained
    places: list[int]  # the row of each image
    captions: list[tuple[str, ...]]


class CaptionBatches:
    """Batches of images with captions, and the labels.

    In an epoch of training each image comes once, with some of its captions, which are drawn anew;
    otherwise it comes with one caption at a time, and with every one that it has. What epoch `n`
    draws depends on the seed and `n` alone, so that training which is taken up again at an epoch
    goes on as if it had never stopped.

    Args:
        rows: What the encoder is given of images, `(rows, ...)`; it may be mapped from disk.
        places: The row of each image.
        captions: For each image its captions, ids above zero.
        batch_size: Images in a batch; the last batch may be smaller.
        each: Captions of an image in a batch of training, which stand side by side.
        seed: The seed of what is drawn. Without one there is no chance in it.
        start: The id that targets begin with.
        stop: The id that labels end with.
    """

    def __init__(
        self,
        rows: np.ndarray,
        places: Sequence[int],
        captions: Sequence[Sequence[np.ndarray]],
        batch_size: int,
        each: int,
        seed: int | None = None,
        *,
        start: int,
        stop: int,
    ):
        self.rows = rows
        self.places = places
        self.captions = captions
        self.batch_size = batch_size
        self.each = each
        self.seed = seed
        self.start, self.stop = start, stop
        self.epoch = 0

    def __len__(self) -> int:
        count = len(self.captions) if self.seed is not None else sum(map(len, self.captions))
        return -(-count // self.batch_size)

    def __iter__(self) -> Iterator[tuple[tuple[np.ndarray, np.ndarray], np.ndarray]]:
        if self.seed is None:
            drawn = [(i, [caption]) for i, said in enumerate(self.captions) for caption in said]
            lengths = [max(map(len, captions)) + 1 for _, captions in drawn]
            batches = by_length(np.searchsorted(LENGTHS, lengths), self.batch_size, None)
        else:
            # Not by length: captions of like length are of like images, and batch normalization
            # would tell the network in training what it cannot know of an image by itself.
            chance = np.random.default_rng((self.seed, self.epoch))
            drawn = [(i, self._draw(said, chance)) for i, said in enumerate(self.captions)]
            order = chance.permutation(len(drawn))
            batches = np.split(order, range(self.batch_size, len(order), self.batch_size))
        for indices in batches:
            images, captions = zip(*(drawn[index] for index in indices), strict=True)
            targets, labels = forced([*itertools.chain(*captions)], self.start, self.stop)
            yield (self.rows[[self.places[i] for i in images]], targets), labels

    def _draw(self, said: Sequence[np.ndarray], chance: np.random.Generator) -> list[np.ndarray]:
        """Draws captions of one image; one twice only where there are too few."""
        rounds = [chance.permutation(len(said)) for _ in range(-(-self.each // len(said)))]
        return [said[place] for place in np.concatenate(rounds)[: self.each]]

    def dataset(self) -> tf.data.Dataset:
        """Returns a data set that starts each time with what the current epoch draws."""
        ids = tf.TensorSpec((None, None), tf.int32)
        images = tf.TensorSpec((None, *self.rows.shape[1:]), self.rows.dtype)
        return feed(self, ((images, ids), ids))


class ReferenceBatches:
    """Batches of images with all captions of each, to reward by them what is said of the images.

    In an epoch each image comes once. What epoch `n` draws depends on the seed and `n` alone, as in
    `CaptionBatches`.

    Args:
        rows: What the encoder is given of images, `(rows, ...)`; it may be mapped from disk.
        places: The row of each image.
        captions: For each image its captions, ids above zero.
        batch_size: Images in a batch; the last batch may be smaller.
        seed: The seed of the order. Without one the images come as they are.
    """

    def __init__(
        self,
        rows: np.ndarray,
        places: Sequence[int],
        captions: Sequence[Sequence[np.ndarray]],
        batch_size: int,
        seed: int | None = None,
    ):
        self.rows = rows
        self.places = np.asarray(places)
        self.captions = captions
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return -(-len(self.captions) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        order = np.arange(len(self.captions))
        if self.seed is not None:
            np.random.default_rng((self.seed, self.epoch)).shuffle(order)
        for images in np.split(order, range(self.batch_size, len(order), self.batch_size)):
            said = [self.captions[image] for image in images]
            most = max(map(len, said))
            longest = max(len(caption) for captions in said for caption in captions)
            references = np.zeros((len(images), most, longest), "int32")
            for row, captions in enumerate(said):
                for place, caption in enumerate(captions):
                    references[row, place, : len(caption)] = caption
            yield self.rows[self.places[images]], references

    def dataset(self) -> tf.data.Dataset:
        """Returns a data set that starts each time with what the current epoch draws."""
        images = tf.TensorSpec((None, *self.rows.shape[1:]), self.rows.dtype)
        return feed(self, (images, tf.TensorSpec((None, None, None), tf.int32)))
