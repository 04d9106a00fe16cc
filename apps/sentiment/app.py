"""Sentiment: is a film review positive or negative?

    python -m apps.sentiment train --source sample --run runs/sentiment
    python -m apps.sentiment evaluate --run runs/sentiment
    python -m apps.sentiment predict --run runs/sentiment "It was anything but dull."
    python -m apps.sentiment export --run runs/sentiment --to saved_models

`--source` is `sample` (generated, no network), `tfds` (the catalogue's `imdb_reviews`), or the path
of the Large Movie Review Dataset or of your own reviews. The network is in `model.py`; `README.md`
has the layouts of the data and the results.
"""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tyro

from apps.common.applications import Demo
from apps.common.batches import Batches
from apps.common.cli import read_inputs, run_command
from apps.common.data.splits import Splits, hold_out_runs
from apps.common.exports import export_run
from apps.common.refusal import Refusal
from apps.common.reports import plot_history, report
from apps.common.runs import Run
from apps.common.settings import Format
from apps.common.training import fit, load_callbacks
from apps.sentiment.baselines import text_baselines
from apps.sentiment.data import CLASSES, load
from apps.sentiment.exported import CARD, PROBES, TEXT, Classifier, classify
from apps.sentiment.metrics import LOWER_IS_BETTER, binary_scores
from apps.sentiment.model import build_model
from apps.sentiment.ngrams import WEIGHTS, Ngrams
from apps.sentiment.plots import plot_binary
from apps.sentiment.settings import Settings
from apps.sentiment.words import SPECIAL_IDS, Vectorizer
from rnnlayers.optimizers import ClippingLogger

DEMO = Demo(
    seconds=26,
    inputs=lambda folder: (
        "The plot was anything but dull.",
        "Although the music was superb, the film as a whole was forgettable.",
        "Compared with this film, the remake was truly awful.",
    ),
)

VOCABULARY = "vocabulary.txt"  # of a run: an n-gram a line

# Data


def load_examples(settings: Settings) -> Splits:
    """Load `(text, label)` examples, as many as the settings allow."""
    columns = {name: getattr(settings, name) for name in ("text_column", "label_column")}
    splits = load(settings.source, **columns)
    return splits.limited(settings.limit, settings.seed)


def make_datasets(
    splits: Splits, settings: Settings
) -> tuple[Batches, Batches, Vectorizer, Ngrams]:
    """Make training and validation batches, the vectorizer, and features from counting n-grams."""
    train, validation = hold_out_runs(splits.train, settings.validation_part, settings.seed)
    print(f"Training on {len(train):,} reviews, validating on {len(validation):,}")
    vectorizer = Vectorizer.fit(
        [review for review, _ in train], settings.max_length, settings.orders, settings.min_blocks
    )
    ids, labels = vectorize(train, vectorizer)
    ngrams = Ngrams.fit(ids, labels, vectorizer.size, settings.parts)
    ids = ngrams.out_of_fold(ids)
    return (
        Batches(ids, labels, settings.batch_size, settings.seed),
        Batches(*vectorize(validation, vectorizer), settings.batch_size),
        vectorizer,
        ngrams,
    )


def vectorize(
    examples: Sequence[tuple[str, int]], vectorizer: Vectorizer
) -> tuple[list[np.ndarray], np.ndarray]:
    """Turn `(text, label)` examples into ids, each `(timesteps, orders)`, and labels."""
    reviews, labels = zip(*examples, strict=True)
    return vectorizer.arrays(reviews), np.array(labels, "float32")


# Training


def train(run: Path, settings: Settings, callbacks: tuple[str, ...] = ()) -> None:
    """Train. The same command resumes a training that was interrupted.

    Args:
        run: The folder of the run.
        settings: The settings of the run.
        callbacks: More Keras callbacks, as module:name of classes or of functions that return one.
    """
    settings.check()
    hooks = load_callbacks(callbacks)
    keras.utils.set_random_seed(settings.seed)
    with Run.begin(run, settings) as folder:
        batches, validation, vectorizer, ngrams = make_datasets(load_examples(settings), settings)
        folder.write_lines(VOCABULARY, vectorizer.vocabulary)
        model = folder.resumed() or build_model(settings, vectorizer.word_count, ngrams)
        fit(
            folder,
            model,
            batches,
            validation,
            epochs=settings.epochs,
            patience=settings.patience,
            callbacks=[ClippingLogger(), *hooks],
        )
        plot_history(folder, "accuracy")


# Inference


def load_classifier(folder: Run) -> Classifier:
    """Load the classifier that a finished run has trained."""
    settings = folder.settings(Settings)
    model, vocabulary = folder.model(), folder.read_lines(VOCABULARY)
    expected = model.get_layer(WEIGHTS).input_dim - SPECIAL_IDS
    if len(set(vocabulary)) != expected:
        raise Refusal(
            f"{folder.folder / VOCABULARY} must hold the {expected:,} n-grams of the model; "
            f"received {len(set(vocabulary)):,}: the file is damaged, train again in a new folder"
        )
    return Classifier(model, Vectorizer(vocabulary, settings.max_length, settings.orders))


def predict(inputs: tyro.conf.Positional[tuple[str, ...]], run: Path, top: int = 5) -> None:
    """Print the label and probability of texts, and the words with the largest effects.

    Args:
        inputs: Texts, files with one text each, or - for standard input with one text a line.
        run: The folder of the run.
        top: The number of words to print. The effect of a word is its change of the states.
    """
    if top < 0:
        raise Refusal(f"top must be at least 0; received {top}")
    texts = read_inputs(inputs)
    classifier = load_classifier(Run.finished(run))
    for text in texts:
        probability, words = classify(classifier, text)
        label = CLASSES[probability >= 0.5]
        strongest = sorted(words, key=lambda word: -word[1])[:top]
        print(f"{label}  {probability:.3f}  {text.decode('utf-8', 'replace').strip()!r:.70}")
        print("  largest effects:", ", ".join(f"{word} {effect:.2f}" for word, effect in strongest))


def export(run: Path, to: Path = Path("saved_models"), also: tuple[Format, ...] = ()) -> None:
    """Export a SavedModel that takes raw texts and needs neither Keras nor this code.

    Args:
        run: The folder of the run.
        to: The folder of all exports, in which sentiment/<version> is made.
        also: Other runtimes to write files for, which take ids.
    """
    folder = Run.finished(run)
    classifier = load_classifier(folder)
    export_run(
        classifier,
        folder,
        "sentiment",
        to,
        endpoints=classifier.endpoints(),
        probes={"serving_default": {TEXT: PROBES}},
        numeric=classifier.numeric,
        card=CARD,
        also=also,
    )


# Evaluation


def evaluate(run: Path) -> None:
    """Score the run on the test reviews, with the majority and a linear model as baselines.

    Args:
        run: The folder of the run.
    """
    folder = Run.finished(run)
    settings = folder.settings(Settings)
    classifier = load_classifier(folder)
    splits = load_examples(settings)
    test = Batches(*vectorize(splits.test, classifier.vectorizer), settings.batch_size)
    probabilities = test.in_order(classifier.model.predict(test.dataset()))
    train, validation = hold_out_runs(splits.train, settings.validation_part, settings.seed)
    baselines = text_baselines(train, validation, [text for text, _ in splits.test])
    report(
        folder,
        "sentiment",
        settings.source,
        binary_scores(test.targets, probabilities),
        {name: binary_scores(test.targets, guess) for name, guess in baselines.items()},
        LOWER_IS_BETTER,
    )
    plot_binary(folder, test.targets, probabilities, CLASSES)


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command."""
    commands = {"train": train, "evaluate": evaluate, "predict": predict, "export": export}
    run_command(commands, argv, "apps.sentiment", __doc__)
