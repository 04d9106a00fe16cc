"""Sentiment: which class does a text belong to, such as positive or negative?

    python -m apps.sentiment train --source sample --run runs/sentiment
    python -m apps.sentiment evaluate --run runs/sentiment
    python -m apps.sentiment predict --run runs/sentiment "It was anything but dull."
    python -m apps.sentiment export --run runs/sentiment --to saved_models

`--source` is `sample` (generated, no network), `tfds` (the catalogue's `imdb_reviews`), or the path
of the Large Movie Review Dataset or of your own texts with two classes or more. The network is in
`model.py`; `README.md` has the layouts of the data and the results.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np
import tyro

from apps.common.applications import Demo
from apps.common.batches import Batches
from apps.common.cards import trained_on
from apps.common.cli import read_inputs, run_command
from apps.common.data.splits import hold_out_runs
from apps.common.diagnosis import diagnose_run
from apps.common.exports import export_run
from apps.common.inference import answers
from apps.common.refusal import Refusal
from apps.common.reports import report
from apps.common.runs import Run
from apps.common.settings import Format
from apps.common.together import join_workers
from apps.common.training import fit, load_callbacks
from apps.sentiment.baselines import text_baselines
from apps.sentiment.data import Reviews, load
from apps.sentiment.exported import CARD, PROBED, PROBES, TEXT, Classifier, card_of, explain_text
from apps.sentiment.labels import CLASSES, as_numbers
from apps.sentiment.metrics import LOWER_IS_BETTER, scores
from apps.sentiment.model import build_model
from apps.sentiment.ngrams import WEIGHTS, Ngrams
from apps.sentiment.plots import plot_errors
from apps.sentiment.search import tune
from apps.sentiment.settings import Settings
from apps.sentiment.words import SPECIAL_IDS, Vectorizer
from rnnlayers.optimizers import ClippingLogger

DEMO = Demo(
    inputs=lambda folder: (
        "The plot was anything but dull.",
        "Although the music was superb, the film as a whole was forgettable.",
        "Compared with this film, the remake was truly awful.",
    ),
)

VOCABULARY = "vocabulary.txt"  # of a run: an n-gram a line
NAMES = "classes.txt"  # of a run: the names of the classes, in the order of their numbers
OF_OWN_FILES = (  # settings that concern them alone
    *("text_column", "label_column", "test_part", "encoding", "separator", "no_header"),
)
USUAL_COLUMNS = {"text_column": "text", "label_column": "label"}

# Data


def load_examples(settings: Settings) -> Reviews:
    """Load `(text, class)` examples, as many as the settings allow."""
    options = {name: getattr(settings, name) for name in OF_OWN_FILES}
    for name, usual in USUAL_COLUMNS.items():
        if options[name] == usual:  # runs of the first versions name it even if there is no column
            options[name] = None
    splits = load(settings.source, **options)
    return splits.limited(settings.limit, settings.seed)


def make_datasets(
    splits: Reviews, settings: Settings
) -> tuple[Batches, Batches, Vectorizer, Ngrams]:
    """Make training and validation batches, the vectorizer, and features from counting n-grams."""
    train, validation = hold_out_runs(splits.train, settings.validation_part, settings.seed)
    print(f"Training on {len(train):,} texts, validating on {len(validation):,}")
    vectorizer = Vectorizer.fit(
        [text for text, _ in train], settings.max_length, settings.orders, settings.min_blocks
    )
    ids, labels = vectorize(train, vectorizer)
    ngrams = Ngrams.fit(ids, labels, vectorizer.size, settings.parts, len(splits.classes))
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
    texts, labels = zip(*examples, strict=True)
    return vectorizer.arrays(texts), np.array(labels, "float32")


# Training


def train(run: Path, settings: Settings, callbacks: tuple[str, ...] = (), workers: int = 1) -> None:
    """Train. The same command resumes a training that was interrupted.

    Args:
        run: The folder of the run.
        settings: The settings of the run.
        callbacks: More Keras callbacks, as module:name of classes or of functions that return one.
        workers: Train in this many processes on this machine, each with a share of every batch.
    """
    settings.check()
    run = join_workers(run, settings, workers)
    hooks = load_callbacks(callbacks)
    keras.utils.set_random_seed(settings.seed)
    with Run.begin(run, settings) as folder:
        splits = load_examples(settings)
        batches, validation, vectorizer, ngrams = make_datasets(splits, settings)
        folder.write_lines(VOCABULARY, vectorizer.vocabulary)
        folder.write_lines(NAMES, splits.classes)
        model = folder.resumed() or build_model(
            settings, vectorizer.word_count, ngrams, len(splits.classes)
        )
        fit(
            folder,
            model,
            batches,
            validation,
            epochs=settings.epochs,
            patience=settings.patience,
            callbacks=[ClippingLogger(), *hooks],
        )


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
    folder.check_fits(settings, orders=model.input_shape[-1])
    vectorizer = Vectorizer(vocabulary, settings.max_length, settings.orders)
    classes = load_classes(folder)
    outputs = model.output_shape[-1] if len(model.output_shape) == 2 else 2
    if len(classes) != outputs:
        raise Refusal(
            f"{folder.folder / NAMES} must hold the names of the {outputs} classes of the model; "
            f"received {len(classes)}: the file is damaged, train again in a new folder"
        )
    return Classifier(model, vectorizer, classes)


def load_classes(folder: Run) -> tuple[str, ...]:
    """Return the names of the classes of a run. Runs of the first versions have `CLASSES`."""
    return tuple(folder.read_lines(NAMES)) if (folder.folder / NAMES).exists() else CLASSES


def predict(inputs: tyro.conf.Positional[tuple[str, ...]], run: Path, top: int = 5) -> None:
    """Print the likeliest class of texts, and the words with the largest effects.

    Of two classes, the probability is that of the second, such as positive.

    Args:
        inputs: Texts, files with one text each, or - for standard input with one text a line.
        run: The folder of the run.
        top: The number of words to print. The effect of a word is the change of the log-odds when
            the word is left out: +1 makes the odds 2.7 times as high.
    """
    if top < 0:
        raise Refusal(f"top must be at least 0; received {top}")
    texts = read_inputs(inputs)
    folder = Run.open(run)
    classifier = load_classifier(folder)
    print(f"Trained on {trained_on(CARD, asdict(folder.settings(Settings)))}")
    for text in texts:
        probabilities, words = explain_text(classifier, text)
        print(describe_answer(probabilities, text))
        strongest = sorted(words, key=lambda word: -abs(word[1]))[:top]
        effects = ", ".join(f"{word} {effect:+.2f}" for word, effect in strongest)
        two = len(probabilities) == 2
        favoured = list(probabilities)[1] if two else max(probabilities, key=probabilities.get)
        print(f"  words, + for {favoured}: {effects or 'none'}")


def describe_answer(probabilities: dict[str, float], text: bytes) -> str:
    """Return the answer to a text in a line: of two classes with the probability of the second."""
    quoted = f"{text.decode('utf-8', 'replace').strip()!r:.70}"
    quoted = quoted if text.strip() else "'' (there is no text)"
    first, *others = sorted(probabilities, key=lambda name: -probabilities[name])
    if len(probabilities) == 2:
        _, second = probabilities
        label = second if probabilities[second] >= 0.5 else next(iter(probabilities))
        return f"{label}  {probabilities[second]:.3f}  {quoted}"
    then = ", ".join(f"{name} {probabilities[name]:.3f}" for name in others[:2])
    return f"{first}  {probabilities[first]:.3f}  (then {then})  {quoted}"


def export(run: Path, to: Path = Path("saved_models"), also: tuple[Format, ...] = ()) -> None:
    """Export a SavedModel that takes raw texts and needs neither Keras nor this code.

    Args:
        run: The folder of the run.
        to: The folder of all exports, in which sentiment/<version> is made.
        also: Other runtimes to write files for, which take ids.
    """
    folder = Run.open(run)
    classifier = load_classifier(folder)
    export_run(
        classifier,
        folder,
        "sentiment",
        to,
        endpoints=classifier.endpoints(),
        probes={name: {TEXT: PROBES[:count]} for name, count in PROBED.items()},
        numeric=classifier.numeric,
        card=card_of(classifier.classes),
        also=also,
    )


# Evaluation


def evaluate(run: Path) -> None:
    """Score the run on the test texts, with the majority and a linear model as baselines.

    Args:
        run: The folder of the run.
    """
    folder = Run.open(run)
    settings = folder.settings(Settings)
    classifier = load_classifier(folder)
    splits = load_examples(settings)
    test = Batches(*vectorize(splits.test, classifier.vectorizer), settings.batch_size)
    probabilities = test.in_order(answers(classifier.model, test.dataset()))
    train, validation = hold_out_runs(splits.train, settings.validation_part, settings.seed)
    baselines = text_baselines(train, validation, [text for text, _ in splits.test])
    numbers = as_numbers(classifier.classes)
    metrics = scores(test.targets, probabilities, numbers)
    report(
        folder,
        "sentiment",
        settings.source,
        metrics,
        {name: scores(test.targets, guess, numbers) for name, guess in baselines.items()},
        [name for name in LOWER_IS_BETTER if name in metrics],
    )
    plot_errors(folder, test.targets, probabilities, classifier.classes)


def diagnose(run: Path) -> None:
    """Draw how far gradients reach and what gates do on a batch of test texts, with advice.

    Args:
        run: The folder of the run.
    """
    folder = Run.open(run)
    settings = folder.settings(Settings)
    vectorizer, splits = load_classifier(folder).vectorizer, load_examples(settings)
    diagnose_run(folder, Batches(*vectorize(splits.test, vectorizer), settings.batch_size))


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command."""
    commands = {"train": train, "evaluate": evaluate, "predict": predict, "export": export}
    commands |= {"tune": tune, "diagnose": diagnose}
    run_command(commands, argv, "apps.sentiment", __doc__)
