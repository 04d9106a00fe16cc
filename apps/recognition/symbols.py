"""Transcripts as symbols: the letters of an alphabet, and the blank between them."""

from collections.abc import Iterable, Sequence

import numpy as np

from apps.common.refusal import Refusal
from apps.recognition.examples import Example
from apps.recognition.features import Spectra

MAX_SYMBOLS = 1000


class Alphabet:
    """The letters of transcripts; number 0 is the blank, and 1 the first letter.

    Args:
        symbols: The letters.
    """

    def __init__(self, symbols: Iterable[str]):
        self.symbols = tuple(symbols)
        self.numbers = {symbol: number for number, symbol in enumerate(self.symbols, start=1)}

    @classmethod
    def fit(cls, examples: Sequence[Example], given: str | None, connected: bool) -> "Alphabet":
        """Find the letters of training transcripts.

        Args:
            examples: The training examples.
            given: The letters that are allowed; all that occur if None.
            connected: Whether transcripts are several answers with spaces between them.

        Raises:
            Refusal: If a letter is not allowed, there is no letter, or there are too many.
        """
        letters = {letter for example in examples for letter in plain(example.answer)}
        letters |= {" "} if connected else set()
        if given is not None:
            allowed = {*plain(given), " "}
            for example in examples:
                if other := [letter for letter in plain(example.answer) if letter not in allowed]:
                    raise Refusal(
                        f"{example.place}: the transcript holds {other[0]!r}, which is not in the "
                        f"alphabet: correct it, or add the letter to --alphabet"
                    )
            letters = allowed
        if not letters - {" "} or len(letters) > MAX_SYMBOLS:
            raise Refusal(
                f"alphabet must be 1 to {MAX_SYMBOLS:,} letters; the transcripts hold "
                f"{len(letters):,}: check the column of the transcripts"
            )
        return cls(sorted(letters))

    def ids(self, transcripts: Sequence[str]) -> np.ndarray:
        """Return transcripts as numbers `(transcripts, letters)`, 0 behind the end.

        Letters that are not in the alphabet are left out: no answer can hold them.
        """
        rows = [[self.numbers[c] for c in plain(text) if c in self.numbers] for text in transcripts]
        ids = np.zeros((len(rows), max(1, *map(len, rows))), "int64")
        for row, numbers in zip(ids, rows, strict=True):
            row[: len(numbers)] = numbers
        return ids

    def foreign(self, transcripts: Iterable[str]) -> list[str]:
        """Return the letters of transcripts that are not in the alphabet."""
        return sorted({c for text in transcripts for c in plain(text)} - self.numbers.keys())


def plain(transcript: str) -> str:
    """Return a transcript in small letters, with single spaces."""
    return " ".join(transcript.lower().split())


def steps_needed(ids: np.ndarray) -> np.ndarray:
    """Return how many steps each transcript needs at least, `(transcripts,)`.

    A letter needs a step, and a letter after the same letter a blank between them.
    """
    again = (ids[:, 1:] == ids[:, :-1]) & (ids[:, 1:] > 0)
    return (ids > 0).sum(axis=1) + again.sum(axis=1)


def check_lengths(
    examples: Sequence[Example],
    alphabet: Alphabet,
    spectra: Spectra | None,
    stride: int,
    stretch: float,
    blanks: int = 0,
) -> list[Example]:
    """Leave out recordings that have fewer steps than their transcripts need, and print how many.

    Raises:
        Refusal: If none is left.
    """
    needed = steps_needed(alphabet.ids([example.answer for example in examples]))
    kept, short = [], []
    for example, least in zip(examples, needed, strict=True):
        length = max(1, round(len(example.values) * (1 - stretch)))
        steps = length if spectra is None else spectra.count(length)
        (kept if -(-steps // stride) - blanks >= least > 0 else short).append(example)
    if short:
        print(
            f"{len(short):,} recordings are left out, as they have fewer steps than their "
            f"transcripts have letters, or no letters, such as {short[0].place}"
        )
    if not kept:
        raise Refusal(
            f"stride must be lower: no recording has as many steps as its transcript has letters"
            f"{' after the delay' if blanks else ''}; received {stride}"
        )
    return kept
