"""Connected words: recordings of single words, joined at random to other utterances each epoch."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from apps.common.batches import feed
from apps.recognition.batches import Padded, padded, signature, stretched_at_random
from apps.recognition.examples import Example
from apps.recognition.symbols import Alphabet

WORDS = (3, 7)  # of an utterance
PAUSES = (-0.06, 0.3)  # seconds between two words; below zero they overlap
HISS = (1e-4, 2e-3)  # the deviation of the noise under an utterance: no pause is quite silent


def draw_utterance(rng: np.random.Generator, recordings: Sequence[Example], rate: int) -> Example:
    """Join recordings of one speaker, drawn at random, to an utterance."""
    first = recordings[rng.integers(len(recordings))]
    voices = [one for one in recordings if one.speaker == first.speaker]
    words = [first]
    for _ in range(rng.integers(WORDS[0], WORDS[1] + 1) - 1):
        words.append(voices[rng.integers(len(voices))])
    starts, end = [], 0
    for word in words:
        pause = int(rng.uniform(*PAUSES) * rate) if starts else int(rng.uniform(0, 0.1) * rate)
        starts.append(max(0, end + pause))
        end = max(end, starts[-1] + len(word.values))
    samples = np.zeros(end + int(rng.uniform(0, 0.1) * rate), "float32")
    for start, word in zip(starts, words, strict=True):
        samples[start : start + len(word.values)] += word.values
    deviation = np.exp(rng.uniform(*np.log(HISS)))
    samples += deviation * rng.normal(size=len(samples)).astype("float32")
    return Example(
        " + ".join(word.place.rpartition("/")[2] for word in words),
        samples,
        first.speaker,
        " ".join(word.answer for word in words),
    )


def draw_utterances(
    recordings: Sequence[Example], count: int, seed: int, rate: int
) -> list[Example]:
    """Join recordings to utterances, always the same ones for a seed."""
    rng = np.random.default_rng(seed)
    return [draw_utterance(rng, recordings, rate) for _ in range(count)]


class Utterances(Padded):
    """Utterances in padded batches, others in each epoch.

    Args:
        recordings: Recordings of single words.
        alphabet: Turns transcripts into ids.
        rate: Samples a second.
        count: Utterances in an epoch.
        batch_size: Utterances in a batch.
        **options: See `Padded`.
    """

    def __init__(
        self,
        recordings: Sequence[Example],
        alphabet: Alphabet,
        rate: int,
        count: int,
        batch_size: int,
        **options: Any,
    ):
        values = [recording.values for recording in recordings]
        super().__init__(values, np.zeros((len(values), 1), "int64"), batch_size, **options)
        self.recordings = recordings
        self.alphabet = alphabet
        self.rate = rate
        self.count = count

    def __len__(self) -> int:
        return -(-self.count // self.batch_size)

    def __iter__(self) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray]]:
        rng = np.random.default_rng((self.seed, self.epoch))
        # Of similar length in a batch, so that there is little padding.
        drawn = [draw_utterance(rng, self.recordings, self.rate) for _ in range(self.count)]
        drawn.sort(key=lambda utterance: len(utterance.values))
        batches = [drawn[n : n + self.batch_size] for n in range(0, self.count, self.batch_size)]
        for place in rng.permutation(len(batches)):
            batch = batches[place]
            rows = [utterance.values for utterance in batch]
            if self.stretch:
                rows = [stretched_at_random(row, self.stretch, rng) for row in rows]
            yield (
                padded(rows, self.name, self.unit),
                self.alphabet.ids([utterance.answer for utterance in batch]),
            )

    def dataset(self) -> tf.data.Dataset:
        """Return a data set that begins each iteration with the utterances of the epoch."""
        inputs, _ = signature(self.name, (), self.targets)
        return feed(self, (inputs, tf.TensorSpec((None, None), tf.int64)))
