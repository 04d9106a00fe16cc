"""The test part, asked of the run and of baselines."""

from collections.abc import Sequence

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from tqdm import tqdm

from apps.common.inference import answers
from apps.common.reports import format_table, report
from apps.common.runs import Run
from apps.recognition import baselines
from apps.recognition.batches import Padded
from apps.recognition.connected import draw_utterances
from apps.recognition.datasets import features_of, labelled, measure, standardized
from apps.recognition.examples import Example, Examples
from apps.recognition.exported import Classifier
from apps.recognition.metrics import LOWER_IS_BETTER, recalls, scores, transcript_scores
from apps.recognition.networks import FEATURES, Statistics, build_convolutional, compiled
from apps.recognition.parts import with_validation
from apps.recognition.plots import plot_confusion
from apps.recognition.settings import Settings
from apps.recognition.symbols import Alphabet, plain
from apps.recognition.transcriber import TEXT, Transcriber, stream_whole

TEST_UTTERANCES = 300
TEST_SEED = 0
BLOCKS = 10  # blocks that come in at once when a recording is streamed

Part = tuple[list[np.ndarray], np.ndarray]  # features of examples, and their classes


def class_baselines(
    settings: Settings,
    train: Part,
    validation: Part,
    test: Part,
    classes: int,
) -> dict[str, np.ndarray]:
    """Answer the test part by baselines.

    Args:
        settings: The settings of the run.
        train: What they learn from, standardized features.
        validation: What the epoch of the convolutional network is chosen on.
        test: What they answer.
        classes: The number of classes.

    Returns:
        The probabilities of each, `(test, classes)`.
    """
    features, labels = train
    return {
        "majority": baselines.majority(labels, classes, len(test[0])),
        "averaged_features": baselines.averaged_features(features, labels, test[0], classes),
        "nearest_neighbour": baselines.nearest_neighbour(features, labels, test[0], classes),
        "convolutional": convolutional(settings, train, validation, test[0], classes),
    }


def convolutional(
    settings: Settings,
    train: Part,
    validation: Part,
    test: Sequence[np.ndarray],
    classes: int,
) -> np.ndarray:
    """Train a convolutional network as the run was trained, and answer by it."""
    keras.utils.set_random_seed(settings.seed)
    size = train[0][0].shape[1]
    standardized_already = Statistics(np.zeros(size, "float32"), np.ones(size, "float32"))
    network = build_convolutional(settings, classes, standardized_already)
    options = {"batch_size": settings.batch_size, "name": FEATURES}
    batches = Padded(*train, **options, seed=settings.seed, stretch=settings.stretch)
    loss = keras.losses.SparseCategoricalCrossentropy()
    compiled(network, settings, loss, [], len(batches))
    stop = keras.callbacks.EarlyStopping("val_loss", patience=settings.patience)
    best = keras.callbacks.EarlyStopping(
        "val_loss", patience=settings.epochs, restore_best_weights=True
    )
    network.fit(
        batches.dataset(),
        validation_data=Padded(*validation, **options).dataset(),
        epochs=settings.epochs,
        shuffle=False,
        verbose=0,
        callbacks=[_EpochOf(batches), stop, best],
    )
    asked = Padded(test, np.zeros(len(test), "int64"), **options)
    return asked.in_order(answers(network, asked.dataset()))


class _EpochOf(keras.callbacks.Callback):
    """Tells batches which epoch it is."""

    def __init__(self, batches: Padded):
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch, logs=None):
        self.batches.epoch = epoch


def table_of_classes(
    labels: np.ndarray, probabilities: np.ndarray, names: Sequence[str]
) -> pd.DataFrame:
    """Return for each class how many examples there are, and which part is recognised."""
    counts = np.bincount(labels, minlength=len(names))
    recall = recalls(labels, probabilities)
    return pd.DataFrame({"examples": counts, "recall": recall}, index=list(names))


def evaluate_classes(run: Run, settings: Settings, classifier: Classifier, data: Examples) -> None:
    """Score classes next to baselines, and draw which are taken for which.

    Args:
        run: The run.
        settings: Its settings.
        classifier: Its classifier.
        data: Its examples.
    """
    names, spectra = classifier.classes, classifier.spectra
    train, validation = with_validation(data, settings.validation_part, settings.seed, "class")
    parts = [labelled(part, names) for part in (train, validation, data.test)]
    unit = 1 if spectra is None else spectra.hop
    test = Padded(*parts[2], settings.batch_size, classifier.name_of_input, unit)
    probabilities = test.in_order(answers(classifier.model, test.dataset()))
    read = [features_of(spectra, values) for values, _ in parts]
    statistics = measure(read[0])
    known = [
        (standardized(features, statistics), labels)
        for features, (_, labels) in zip(read, parts, strict=True)
    ]
    found = class_baselines(settings, *known, len(names))
    labels = parts[2][1]
    table = table_of_classes(labels, probabilities, names)
    report(
        run,
        "recognition",
        settings.source,
        scores(labels, probabilities),
        {name: scores(labels, guess) for name, guess in found.items()},
        ["log_loss"],
        recalls=table["recall"].to_dict(),
    )
    print(f"\nEach class\n{format_table(table)}")
    plot_confusion(run, labels, probabilities.argmax(axis=-1), names)


def evaluate_transcripts(
    run: Run, settings: Settings, transcriber: Transcriber, data: Examples
) -> None:
    """Score transcripts, also those that are heard as the recording comes in.

    Arguments are those of `evaluate_classes`.
    """
    test: Sequence[Example] = data.test
    if settings.answer == "connected":
        test = draw_utterances(test, TEST_UTTERANCES, TEST_SEED, transcriber.spectra.rate)
        print(f"Joined the test recordings to {len(test):,} utterances")
    said = [plain(example.answer) for example in test]
    if foreign := Alphabet(transcriber.symbols).foreign(said):
        print(f"Test transcripts hold letters that are not trained: {' '.join(foreign)}")
    found = transcripts_of(transcriber, [example.values for example in test], settings.batch_size)
    metrics = {
        **transcript_scores(said, found["prefixes"]),
        "greedy_word_error_rate": transcript_scores(said, found["greedy"])["word_error_rate"],
    }
    if transcriber.stream is not None:
        heard = [
            stream_whole(transcriber, example.values, BLOCKS)
            for example in tqdm(test, desc="Streaming", disable=None)
        ]
        metrics["streamed_word_error_rate"] = transcript_scores(said, heard)["word_error_rate"]
    known = [plain(example.answer) for example in data.train]
    guesses = baselines.most_frequent(known, len(said))
    report(
        run,
        "recognition",
        settings.source,
        metrics,
        {"most_frequent": transcript_scores(said, guesses)},
        [name for name in metrics if name.endswith(LOWER_IS_BETTER)],
    )


def transcripts_of(
    transcriber: Transcriber, values: Sequence[np.ndarray], batch_size: int
) -> dict[str, list[str]]:
    """Transcribe recordings, by the search of prefixes and greedily."""
    batches = Padded(
        values,
        np.arange(len(values)),
        batch_size,
        transcriber.name_of_input,
        transcriber.spectra.hop,
    )
    texts = {"prefixes": [""] * len(values), "greedy": [""] * len(values)}
    for inputs, places in batches:
        given = {name: tf.constant(value) for name, value in inputs.items()}
        found = transcriber(**given)[TEXT].numpy()
        greedy = transcriber.texts(transcriber.decoded_greedily(**given)).numpy()
        for place, one, other in zip(places, found, greedy, strict=True):
            texts["prefixes"][place], texts["greedy"][place] = one.decode(), other.decode()
    return texts
