"""The vocabulary of a run: pieces of the words of its training captions."""

from collections.abc import Sequence

import numpy as np

from apps.captioning.settings import Settings
from apps.common.runs import Run
from apps.common.seq2seq.subwords import Subwords

VOCABULARY = "pieces.txt"  # in the folder of the run


def learn_pieces(captions: Sequence[Sequence[str]], settings: Settings) -> Subwords:
    """Learn pieces from the captions of each image."""
    texts = [caption for texts in captions for caption in texts]
    pieces = Subwords.learn(
        texts, settings.vocabulary_size, lowercase=True, max_length=settings.max_length
    )
    print(f"Training on {len(texts):,} captions with {pieces.size:,} different pieces")
    return pieces


def load_pieces(run: Run, settings: Settings) -> Subwords:
    """Load the pieces of a run."""
    return Subwords(run.read_lines(VOCABULARY), True, settings.max_length)


def ids_of(captions: Sequence[Sequence[str]], pieces: Subwords) -> list[list[np.ndarray]]:
    """Return the ids of the pieces of each caption of each image."""
    ids = iter(pieces.arrays([caption for texts in captions for caption in texts]))
    return [[next(ids) for _ in texts] for texts in captions]
