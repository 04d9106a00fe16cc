"""Translation: a sentence in another language.  Many to many.

    source pieces ── embedding ── GRUs in both directions ──┬── memory ──┐
                                                            │            │ attention
    the pieces before ── embedding ── GRU ── state h ───────┼────────────┤
                                                            │            │
                                       next piece ── softmax ── GRU ── [c; h]

A sentence is cut in pieces of words. An encoder makes a memory of it, a state for each piece; the
mean of the memory begins the decoder, which then looks back: at each step, attention weighs the
memory by how well it fits the decoder's state h, and the next piece is read off h and the weighed
memory c (Luong et al. 2015). While training the pieces before are those of the reference (teacher
forcing); nothing that was attended to enters the recurrence of the first GRU, so that attention is
taken of all steps at once, and the second GRU knows where was looked before.

Data: `sample` (a small generated grammar of English and French), `tfds` (the catalogue's data sets
of translations, chosen with `--catalogue-name`), a folder of aligned files such as Multi30k, or a
file with source and target on each line, a tab between them.

    python -m apps.translation train --source sample --run runs/translation
    python -m apps.translation evaluate --run runs/translation
    python -m apps.translation predict --run runs/translation "My cat is near this strange car."
    python -m apps.translation export --run runs/translation --to saved_models

On two cores the sample takes a minute and a half, for 99 % exact match, on sentences with
combinations of words that were never seen together too. Multi30k from German to English takes an
hour, for 39.9 BLEU on the test sentences of 2016; README.md has the command.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras
import pandas as pd
import tyro
from tqdm import tqdm

from apps.common.applications import Demo
from apps.common.cli import check, read_lines, run_command
from apps.common.data.splits import Splits
from apps.common.exports import export_run
from apps.common.other_runtimes import Format
from apps.common.refusal import Refusal
from apps.common.reports import plot_history, report
from apps.common.runs import Run
from apps.common.seq2seq.subwords import SPECIAL, START, STOP, Subwords
from apps.common.text import encode
from apps.common.training import fit
from apps.translation.baselines import word_by_word
from apps.translation.batches import PairBatches
from apps.translation.data import load
from apps.translation.exported import CARD, PROBES, Translator, compiled, translate
from apps.translation.metrics import by_length, translation_scores
from apps.translation.model import build_model
from apps.translation.plots import plot_attention
from apps.translation.settings import Settings
from rnnlayers.decoding import BeamSearch, Greedy
from rnnlayers.optimizers import ClippingLogger

VOCABULARIES = ("source_pieces.txt", "target_pieces.txt")
DEMO = Demo(
    seconds=80,
    inputs=lambda folder: (
        "My cat is near this strange car.",
        "I do not love some old trees.",
        "Is it true that she has not forgotten the black horses?",
    ),
)

# Data


def load_examples(settings: Settings) -> Splits:
    """Loads `(source, target)` examples."""
    options = ("source_language", "target_language", "target", "test_part", "turned")
    options += ("catalogue_name",)
    splits = load(settings.source, **{name: getattr(settings, name) for name in options})
    return splits.with_validation(settings.seed)


def make_datasets(
    splits: Splits, settings: Settings
) -> tuple[PairBatches, PairBatches, Subwords, Subwords]:
    """Makes training and validation batches, and the pieces of both languages."""
    languages = [
        Subwords.learned(texts, settings.vocabulary_size, settings.lowercase, settings.max_length)
        for texts in zip(*splits.train, strict=True)
    ]
    batches = []
    for examples, seed in ((splits.train, settings.seed), (splits.validation, None)):
        ids = [
            pieces.arrays(texts, settings.max_length + 1)
            for pieces, texts in zip(languages, zip(*examples, strict=True), strict=True)
        ]
        whole = [
            pair for pair in zip(*ids, strict=True) if max(map(len, pair)) <= settings.max_length
        ]
        if len(whole) < len(examples):
            print(f"{len(examples) - len(whole):,} pairs longer than max_length are left out")
        if not whole:
            raise Refusal(
                f"max_length {settings.max_length} leaves no pair to train or to validate on; "
                f"choose a longer one"
            )
        sources, targets = zip(*whole, strict=True)
        batches.append(
            PairBatches(sources, targets, settings.batch_size, seed, start=START, stop=STOP)
        )
    counts = " and ".join(f"{pieces.size:,}" for pieces in languages)
    print(f"Training on {len(batches[0].sequences):,} pairs with {counts} different pieces")
    return (*batches, *languages)


# Training


def train(run: Path, settings: Settings) -> None:
    """Train, or go on with a training that was broken off: give the same command again.

    Args:
        run: The folder of the run.
        settings: What decides the run.
    """
    settings.check()
    keras.utils.set_random_seed(settings.seed)
    folder = Run.begin(run, settings)
    batches, validation, *languages = make_datasets(load_examples(settings), settings)
    for name, pieces in zip(VOCABULARIES, languages, strict=True):
        folder.write_lines(name, pieces.pieces)
    sizes = tuple(pieces.size for pieces in languages)
    check(settings, ["beams"], lambda beams: beams <= sizes[1], f"at most {sizes[1]}, all pieces")
    model = folder.resumed() or build_model(settings, sizes, len(batches))
    print(f"Training {model.count_params():,} weights")
    fit(
        folder,
        model,
        batches,
        validation,
        epochs=settings.epochs,
        patience=settings.patience,
        callbacks=[ClippingLogger()],
    )
    plot_history(folder, "accuracy")


# Inference


def load_translator(folder: Run) -> Translator:
    """Loads what a finished run has trained.

    Raises:
        Refusal: If its files do not fit one another.
    """
    settings, model, languages = folder.settings(Settings), folder.model(), []
    sizes = (model.encoder.layers[1].input_dim, model.embedding.input_dim)
    for name, size in zip(VOCABULARIES, sizes, strict=True):
        pieces = folder.read_lines(name)
        if len(SPECIAL) + len(set(pieces)) != size:
            raise Refusal(
                f"{folder.folder / name} does not fit {folder.model_file}: it has "
                f"{len(set(pieces)):,} different pieces, and the model was trained with "
                f"{size - len(SPECIAL):,}; restore the file, or train anew"
            )
        languages.append(Subwords(pieces, settings.lowercase, settings.max_length))
    search = BeamSearch(settings.beams, length_penalty=settings.length_penalty)
    return Translator(model, *languages, search)


def predict(
    inputs: tyro.conf.Positional[tuple[str, ...]],
    run: Path,
    num_beams: int | None = None,
    n_best: int = 1,
    plot: bool = True,
) -> None:
    """Print the translations of texts, a line each, and draw where the network looked.

    Args:
        inputs: Sentences, files with one sentence a line, or - for standard input likewise.
        run: The folder of the run.
        num_beams: Hypotheses of the beam search, 1 for greedy; as in training if not given.
        n_best: Print so many translations of each sentence, with their scores.
        plot: Draw the attention of sentences that are given themselves, not in files.
    """
    folder = Run.finished(run)
    translator = load_translator(folder)
    most = translator.source.max_length
    beams = translator.search.num_beams if num_beams is None else num_beams
    sampler = replace(translator.search, num_beams=beams, num_return=n_best)
    decode, drawn = compiled(translator, sampler), 0
    for name, texts in read_lines(inputs):
        lengths = map(len, translator.source.arrays(texts, most + 1))
        found = translate(decode, texts)
        shown = tqdm(found, desc=name, unit=" lines", total=len(texts), disable=not name or None)
        for text, length, rows in zip(texts, lengths, shown, strict=True):
            if n_best > 1 and length:
                print(*(f"{score:.3f}\t{translation}" for translation, score in rows), sep="\n")
            else:
                print(rows[0][0])
            if length > most:
                note = f"of the line above only the first {most} pieces were read"
                print(note, file=sys.stderr)
            if plot and length and not name:
                drawn += 1
                answer = {key: value[0] for key, value in translator(encode([text])).items()}
                plot_attention(folder, f"attention_{drawn}", **answer)


def export(run: Path, to: Path = Path("saved_models"), also: tuple[Format, ...] = ()) -> None:
    """Export the run as a SavedModel that takes raw texts and needs neither Keras nor this code.

    Args:
        run: The folder of the run.
        to: The folder of all exports; this one becomes its translation/<version>.
        also: Write it for other runtimes too, which take ids.
    """
    folder = Run.finished(run)
    translator = load_translator(folder)
    endpoints = translator.endpoints()
    probes = {name: {"text": PROBES} for name, (_, inputs) in endpoints.items() if "text" in inputs}
    encoded = translator.encode(encode(PROBES))
    probes["decode_step"] = {"token": [START] * len(PROBES), **encoded}
    export_run(
        translator,
        folder,
        "translation",
        to,
        endpoints=endpoints,
        probes=probes,
        numeric=translator.numeric,
        card=CARD,
        also=also,
        tolerance=1e-4,
    )


# Evaluation


def evaluate(run: Path) -> None:
    """Score the run on the test sentences, beside the source itself and a word-by-word dictionary.

    Args:
        run: The folder of the run.
    """
    folder = Run.finished(run)
    translator, settings = load_translator(folder), folder.settings(Settings)
    splits = load_examples(settings)
    sources, references = zip(*splits.test, strict=True)
    decoders = {"beam": compiled(translator, translator.search)}
    decoders["greedy"] = compiled(translator, Greedy())
    found = {}
    for name, decode in decoders.items():
        rows = translate(decode, sources)
        rows = tqdm(rows, desc=f"Translating ({name})", total=len(sources), disable=None)
        found[name] = [row[0][0] for row in rows]
    metrics, signatures = translation_scores(found["beam"], references, settings.lowercase)
    greedy, _ = translation_scores(found["greedy"], references, settings.lowercase)
    metrics |= {f"{name}_greedy": score for name, score in greedy.items()}
    for name, part in splits.further.items():
        others, answers = zip(*part, strict=True)
        rows = [row[0][0] for row in translate(decoders["beam"], others)]
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
    table = by_length(sources, found["beam"], references, settings.lowercase)
    print(f"\n{table.to_string(index=False, float_format='{:.4f}'.format)}")
    folder.write_table("by_length.csv", table)
    rows = zip(sources, references, found["beam"], found["greedy"], strict=True)
    folder.write_table(
        "translations.csv", pd.DataFrame(rows, columns=["source", "reference", "beam", "greedy"])
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Runs a command."""
    commands = {"train": train, "evaluate": evaluate, "predict": predict, "export": export}
    run_command(commands, argv, "apps.translation", __doc__)
