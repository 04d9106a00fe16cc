"""Translation: what does a sentence say in another language?  Many to many.

A bidirectional encoder reads the pieces of a sentence, and a GRU with attention over them writes
the translation. `--source` is `sample` (a generated grammar of English and French), `tfds` (the
catalogue's translations), a folder of aligned files such as Multi30k, or a table of pairs.

    python -m apps.translation train --source sample --run runs/translation
    python -m apps.translation evaluate --run runs/translation
    python -m apps.translation predict --run runs/translation "My cat is near this strange car."
    python -m apps.translation export --run runs/translation --to saved_models

apps/translation/README.md has the network, the options and the results.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import keras
import pandas as pd
import tyro
from tqdm import tqdm

from apps.common.applications import Demo
from apps.common.cli import read_lines, run_command
from apps.common.data.splits import Splits
from apps.common.diagnosis import diagnose_run
from apps.common.exports import export_run
from apps.common.refusal import Refusal
from apps.common.reports import report
from apps.common.runs import Run
from apps.common.seq2seq.special import START, STOP
from apps.common.seq2seq.subwords import Subwords
from apps.common.settings import Format, check
from apps.common.text import encode
from apps.common.together import join_workers
from apps.common.training import fit, load_callbacks
from apps.translation.baselines import word_by_word
from apps.translation.batches import PairBatches
from apps.translation.data import load
from apps.translation.exported import ATTENTION, CARD, SOURCE_PIECES, TARGET_PIECES
from apps.translation.inference import (
    VOCABULARIES,
    choose_search,
    compile_translator,
    load_translator,
    translate_texts,
)
from apps.translation.metrics import scores_by_length, translation_scores
from apps.translation.model import build_model
from apps.translation.plots import plot_attention
from apps.translation.search import tune
from apps.translation.settings import Settings
from rnnlayers.decoding import Greedy
from rnnlayers.optimizers import ClippingLogger

DEMO = Demo(
    inputs=lambda folder: (
        "My cat is near this strange car.",
        "I do not love some old trees.",
        "Is it true that she has not forgotten the black horses?",
    ),
)

# Data


def load_examples(settings: Settings) -> Splits:
    """Load `(source, target)` examples."""
    options = ("source_language", "target_language", "target", "test_files", "turned")
    options += ("source_column", "target_column", "test_part", "validation_part", "encoding")
    options += ("separator", "no_header", "catalogue_name")
    splits = load(settings.source, **{name: getattr(settings, name) for name in options})
    return splits.with_validation(settings.seed)


def make_datasets(
    splits: Splits, settings: Settings
) -> tuple[PairBatches, PairBatches, Subwords, Subwords]:
    """Return training and validation batches, and the vocabularies of both languages."""
    languages = [
        Subwords.learn(texts, settings.vocabulary_size, settings.lowercase, settings.max_length)
        for texts in zip(*splits.train, strict=True)
    ]
    batches = []
    for examples, seed in ((splits.train, settings.seed), (splits.validation, None)):
        ids = [
            pieces.arrays(texts, settings.max_length + 1)
            for pieces, texts in zip(languages, zip(*examples, strict=True), strict=True)
        ]
        pairs = [
            pair for pair in zip(*ids, strict=True) if max(map(len, pair)) <= settings.max_length
        ]
        if len(pairs) < len(examples):
            print(f"{len(examples) - len(pairs):,} pairs longer than max_length are left out")
        if not pairs:
            raise Refusal(
                f"max_length must be large enough for some pairs to train and to validate on; "
                f"received {settings.max_length}, and every pair is longer"
            )
        sources, targets = zip(*pairs, strict=True)
        batches.append(
            PairBatches(sources, targets, settings.batch_size, seed, start=START, stop=STOP)
        )
    counts = " and ".join(f"{pieces.size:,}" for pieces in languages)
    print(f"Training on {len(batches[0].sequences):,} pairs with {counts} different pieces")
    return (*batches, *languages)


# Training


def train(run: Path, settings: Settings, callbacks: tuple[str, ...] = (), workers: int = 1) -> None:
    """Train, or resume a training that was interrupted: give the same command again.

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
        batches, validation, *languages = make_datasets(load_examples(settings), settings)
        for name, pieces in zip(VOCABULARIES, languages, strict=True):
            folder.write_lines(name, pieces.pieces)
        sizes = tuple(pieces.size for pieces in languages)
        words = f"at most {sizes[1]}, the number of target pieces that were learned"
        check(settings, ["beams"], lambda beams: beams <= sizes[1], words)
        model = folder.resumed() or build_model(settings, sizes, len(batches))
        print(f"Training {model.count_params():,} weights")
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


def predict(
    inputs: tyro.conf.Positional[tuple[str, ...]],
    run: Path,
    num_beams: int | None = None,
    n_best: int = 1,
    plot: bool = True,
) -> None:
    """Print the translations of texts, a line each, and draw the attention.

    Args:
        inputs: Sentences, files with one sentence a line, or - for standard input likewise.
        run: The folder of the run.
        num_beams: Hypotheses of the beam search, 1 for greedy; as in training if not given.
        n_best: Print this many translations of each sentence, with their scores.
        plot: Draw the attention of sentences that are arguments; not of those in files.
    """
    folder = Run.open(run)
    translator = load_translator(folder)
    search = choose_search(translator, num_beams, n_best)
    function, plots = compile_translator(translator, search), 0
    max_length = translator.source.max_length
    for name, texts in read_lines(inputs):
        lengths = map(len, translator.source.arrays(texts, max_length + 1))
        rows = translate_texts(function, texts)
        rows = tqdm(rows, desc=name, unit=" lines", total=len(texts), disable=not name or None)
        for text, length, row in zip(texts, lengths, rows, strict=True):
            if n_best > 1 and length:
                print(*(f"{score:.3f}\t{translation}" for translation, score in row), sep="\n")
            else:
                print(row[0][0])
            if not length:
                print("The line above is empty: there is no text to translate.", file=sys.stderr)
            if length > max_length:
                note = f"Only the first {max_length} pieces of the line above were read."
                print(note, file=sys.stderr)
            if plot and length and not name:
                plots += 1
                outputs = translator.translate(encode([text]), search)
                arrays = (
                    outputs[key][0].numpy() for key in (ATTENTION, SOURCE_PIECES, TARGET_PIECES)
                )
                plot_attention(folder, f"attention_{plots}", *arrays)


def export(run: Path, to: Path = Path("saved_models"), also: tuple[Format, ...] = ()) -> None:
    """Export the run as a SavedModel that takes raw texts and needs neither Keras nor this code.

    Args:
        run: The folder of the run.
        to: The folder of all exports; this one becomes its translation/<version>.
        also: Write it for other runtimes too, which take ids.
    """
    folder = Run.open(run)
    translator = load_translator(folder)
    export_run(
        translator,
        folder,
        "translation",
        to,
        endpoints=translator.endpoints(),
        probes=translator.probes(),
        numeric=translator.numeric,
        card=CARD,
        also=also,
        tolerance=1e-4,
    )


# Evaluation


def evaluate(run: Path) -> None:
    """Score the run on the test sentences, next to the source itself and a dictionary of words.

    Args:
        run: The folder of the run.
    """
    folder = Run.open(run)
    translator, settings = load_translator(folder), folder.settings(Settings)
    splits = load_examples(settings)
    sources, references = zip(*splits.test, strict=True)
    samplers = {"beam": translator.search, "greedy": Greedy()}
    functions = {name: compile_translator(translator, each) for name, each in samplers.items()}
    translations = {}
    for name, function in functions.items():
        rows = translate_texts(function, sources)
        rows = tqdm(rows, desc=f"Translating ({name})", total=len(sources), disable=None)
        translations[name] = [row[0][0] for row in rows]
    metrics, signatures = translation_scores(translations["beam"], references, settings.lowercase)
    greedy, _ = translation_scores(translations["greedy"], references, settings.lowercase)
    metrics |= {f"{name}_greedy": score for name, score in greedy.items()}
    for name, part in splits.further.items():
        texts, answers = zip(*part, strict=True)
        rows = [row[0][0] for row in translate_texts(functions["beam"], texts)]
        further, _ = translation_scores(rows, answers, settings.lowercase)
        metrics[f"exact_match_{name}"] = further["exact_match"]
    baselines = {"copy": sources, "word_by_word": word_by_word(splits.train, sources)}
    report(
        folder,
        "translation",
        settings.source,
        metrics,
        {
            name: translation_scores(texts, references, settings.lowercase)[0]
            for name, texts in baselines.items()
        },
        signatures=signatures,
    )
    print("\n".join(f"{name}: {signature}" for name, signature in signatures.items()))
    table = scores_by_length(sources, translations["beam"], references, settings.lowercase)
    print(f"\n{table.to_string(index=False, float_format='{:.4f}'.format)}")
    folder.write_table("by_length.csv", table)
    examples = pd.DataFrame({"source": sources, "reference": references, **translations})
    folder.write_table("translations.csv", examples)


def diagnose(run: Path) -> None:
    """Draw how far gradients reach and what gates do on a batch of validation pairs, with advice.

    Args:
        run: The folder of the run.
    """
    folder = Run.open(run)
    translator, settings = load_translator(folder), folder.settings(Settings)
    languages = zip(*load_examples(settings).validation, strict=True)
    ids = [
        pieces.arrays(texts, settings.max_length)
        for pieces, texts in zip((translator.source, translator.target), languages, strict=True)
    ]
    diagnose_run(folder, PairBatches(*ids, settings.batch_size, start=START, stop=STOP))


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command."""
    commands = {"train": train, "evaluate": evaluate, "predict": predict, "export": export}
    commands |= {"tune": tune, "diagnose": diagnose}
    run_command(commands, argv, "apps.translation", __doc__)
