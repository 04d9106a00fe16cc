"""From examples to batches: targets, features, and the statistics of the training part."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from apps.recognition.batches import Padded, padded
from apps.recognition.connected import Utterances, draw_utterances
from apps.recognition.examples import Example, Examples, class_names
from apps.recognition.features import Spectra
from apps.recognition.networks import FEATURES, SAMPLES, Statistics
from apps.recognition.parts import with_validation
from apps.recognition.settings import Settings
from apps.recognition.symbols import Alphabet, check_lengths

ROWS = 64  # recordings whose spectra are computed together
VALIDATION_UTTERANCES = 200
SMALLEST = 1e-6  # variance of a feature


@dataclass(frozen=True)
class Prepared:
    """What a network is built for and trained on.

    Args:
        train: Training batches.
        validation: Validation batches.
        names: The names of the classes, or the symbols of transcripts.
        statistics: The mean and variance of the training features.
    """

    train: Padded
    validation: Padded
    names: tuple[str, ...]
    statistics: Statistics


def make_spectra(settings: Settings, rate: int | None) -> Spectra | None:
    """Return the layer that turns samples into features, or None for series."""
    if rate is None:
        return None
    frame, hop = (max(1, round(seconds * rate)) for seconds in (settings.frame, settings.hop))
    return Spectra(rate, frame, hop, settings.bands, settings.features, name="spectra")


def prepare(data: Examples, settings: Settings, spectra: Spectra | None) -> Prepared:
    """Make training and validation batches.

    Raises:
        Refusal: If there are too few examples, or a transcript is too long for its recording.
    """
    train, validation = with_validation(
        data, settings.validation_part, settings.seed, settings.answer
    )
    statistics = measure(features_of(spectra, [example.values for example in train]))
    options = {
        "name": FEATURES if spectra is None else SAMPLES,
        "unit": 1 if spectra is None else spectra.hop,
    }
    changed = {"seed": settings.seed, "stretch": settings.stretch}
    validating = (
        f"validating on {len(validation):,}" if settings.validation_part else "all validate"
    )
    print(f"Training on {len(train):,} examples, {validating}")
    if settings.answer == "class":
        names = class_names([example.answer for example in data.train])
        return Prepared(
            Padded(*labelled(train, names), settings.batch_size, **options, **changed),
            Padded(*labelled(validation, names), settings.batch_size, **options),
            names,
            statistics,
        )
    alphabet = Alphabet.fit(train, settings.alphabet, settings.answer == "connected")
    if settings.answer == "connected":
        batches: Padded = Utterances(
            train,
            alphabet,
            data.rate,
            settings.utterances,
            settings.batch_size,
            **options,
            **changed,
        )
        validation = draw_utterances(validation, VALIDATION_UTTERANCES, settings.seed, data.rate)
    else:
        train = check_lengths(
            train, alphabet, spectra, settings.stride, settings.stretch, settings.blanks
        )
        targets = alphabet.ids([example.answer for example in train])
        values = [example.values for example in train]
        batches = Padded(values, targets, settings.batch_size, **options, **changed)
    validation = check_lengths(validation, alphabet, spectra, settings.stride, 0.0, settings.blanks)
    targets = alphabet.ids([example.answer for example in validation])
    values = [example.values for example in validation]
    return Prepared(
        batches,
        Padded(values, targets, settings.batch_size, **options),
        alphabet.symbols,
        statistics,
    )


def labelled(
    examples: Sequence[Example], names: Sequence[str]
) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the values of examples, and the numbers of their classes, `(examples,)`."""
    number = {name: place for place, name in enumerate(names)}
    labels = [number[example.answer] for example in examples]
    return [example.values for example in examples], np.array(labels, "int64")


def features_of(spectra: Spectra | None, values: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return what a network reads of series or recordings, each `(steps, features)`."""
    if spectra is None:
        return list(values)
    features: list[np.ndarray] = [np.empty(0)] * len(values)
    order = sorted(range(len(values)), key=lambda place: len(values[place]))
    for start in range(0, len(order), ROWS):
        places = order[start : start + ROWS]
        batch = padded([values[place] for place in places], SAMPLES, spectra.hop)
        rows = spectra(batch[SAMPLES]).numpy()
        for place, row, length in zip(places, rows, batch["length"], strict=True):
            features[place] = row[: spectra.count(length)]
    return features


def measure(features: Iterable[np.ndarray]) -> Statistics:
    """Return the mean and variance of each feature over all steps; missing values do not count."""
    steps = np.concatenate(list(features)).astype("float64")
    known = ~np.isnan(steps)
    counts = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, steps, 0).sum(axis=0) / counts
    variance = np.where(known, (steps - mean) ** 2, 0).sum(axis=0) / counts
    return Statistics(mean.astype("float32"), np.maximum(variance, SMALLEST).astype("float32"))


def standardized(features: Iterable[np.ndarray], statistics: Statistics) -> list[np.ndarray]:
    """Return features as the network reads them; missing values are 0, the mean."""
    deviation = np.sqrt(statistics.variance)
    return [np.nan_to_num((one - statistics.mean) / deviation, nan=0.0) for one in features]
