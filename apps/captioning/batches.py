"""Batches of images with their captions: for teacher forcing, or as references for a reward."""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from apps.common.batches import by_length, feed
from apps.common.seq2seq.teacher_forcing import LENGTHS, teacher_forcing_batch


class Images(NamedTuple):
    """The encoder's inputs for some images, and their captions."""

    rows: np.ndarray  # pixels, or the features of a frozen network; may be mapped from disk
    places: list[int]  # the row of each image
    captions: list[tuple[str, ...]]


class CaptionBatches:
    """Batches of images with captions, and the labels.

    In an epoch of training each image comes once, with some of its captions, chosen at random. In
    validation it comes once for each of its captions. The choice in epoch `n` depends on the seed
    and `n` alone, so that a resumed training goes on as if it had never stopped.

    Args:
        rows: The encoder's inputs, `(rows, ...)`; may be mapped from disk.
        places: The row of each image.
        captions: The captions of each image, ids above zero.
        batch_size: Images in a batch; the last batch may be smaller.
        each: Captions of each image in a training batch, next to each other.
        seed: The seed of the random choices. Without it nothing is random.
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
            pairs = [(i, [caption]) for i, texts in enumerate(self.captions) for caption in texts]
            lengths = [max(map(len, captions)) + 1 for _, captions in pairs]
            batches = by_length(np.searchsorted(LENGTHS, lengths), self.batch_size, None)
        else:
            # Not by length: captions of similar length belong to similar images, and the statistics
            # of batch normalization would tell in training what a single image does not show.
            chance = np.random.default_rng((self.seed, self.epoch))
            pairs = [(i, self._choose(texts, chance)) for i, texts in enumerate(self.captions)]
            order = chance.permutation(len(pairs))
            batches = np.split(order, range(self.batch_size, len(order), self.batch_size))
        for indices in batches:
            images, captions = zip(*(pairs[index] for index in indices), strict=True)
            targets, labels = teacher_forcing_batch(
                [*itertools.chain(*captions)], self.start, self.stop
            )
            yield (self.rows[[self.places[i] for i in images]], targets), labels

    def _choose(self, texts: Sequence[np.ndarray], chance: np.random.Generator) -> list[np.ndarray]:
        """Choose captions of one image, a caption twice only if there are too few."""
        rounds = [chance.permutation(len(texts)) for _ in range(-(-self.each // len(texts)))]
        return [texts[place] for place in np.concatenate(rounds)[: self.each]]

    def dataset(self) -> tf.data.Dataset:
        """Return a data set that yields the batches of the current epoch."""
        ids = tf.TensorSpec((None, None), tf.int32)
        images = tf.TensorSpec((None, *self.rows.shape[1:]), self.rows.dtype)
        return feed(self, ((images, ids), ids))


class ReferenceBatches:
    """Batches of images with all captions of each, by which sampled captions are rewarded.

    In an epoch each image comes once. The order in epoch `n` depends on the seed and `n` alone, as
    in `CaptionBatches`.

    Args:
        rows: The encoder's inputs, `(rows, ...)`; may be mapped from disk.
        places: The row of each image.
        captions: The captions of each image, ids above zero.
        batch_size: Images in a batch; the last batch may be smaller.
        seed: The seed of the order. Without it the images keep their order.
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
            texts = [self.captions[image] for image in images]
            most = max(map(len, texts))
            longest = max(len(caption) for captions in texts for caption in captions)
            references = np.zeros((len(images), most, longest), "int32")
            for row, captions in enumerate(texts):
                for place, caption in enumerate(captions):
                    references[row, place, : len(caption)] = caption
            yield self.rows[self.places[images]], references

    def dataset(self) -> tf.data.Dataset:
        """Return a data set that yields the batches of the current epoch."""
        images = tf.TensorSpec((None, *self.rows.shape[1:]), self.rows.dtype)
        return feed(self, (images, tf.TensorSpec((None, None, None), tf.int32)))
