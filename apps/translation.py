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

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import pandas as pd
import tyro
from keras import ops
from tqdm import tqdm

import rnnlayers
from apps.common.baselines import word_by_word
from apps.common.cli import check, read_lines, run_command
from apps.common.exported.translator import PROBES, Translator, compiled, translate
from apps.common.exports import export_run
from apps.common.other_runtimes import Format
from apps.common.pair_batches import PairBatches
from apps.common.reports import plot_attention, plot_history, report
from apps.common.runs import Run
from apps.common.sources import load
from apps.common.sources.splits import Splits
from apps.common.subwords import PAD, SPECIAL, START, STOP, Subwords
from apps.common.teaching import compile_taught
from apps.common.text import encode
from apps.common.translations import by_length, translation_scores
from rnnlayers.decoding import BeamSearch, Greedy
from rnnlayers.optimizers import ClippingLogger

VOCABULARIES = ("source_pieces.txt", "target_pieces.txt")


@dataclass(frozen=True)
class Settings:
    """What decides a run; it is saved with it."""

    source: str = "sample"  # where the sentences come from: sample, tfds, or a folder or file
    source_language: str | None = None  # of a folder or the catalogue: the language to translate
    target_language: str | None = None  # of a folder: the language to translate into
    target: str | None = None  # of a file of source sentences: the file of their translations
    test_part: str = "test"  # of a folder: how the name of its test files begins
    turned: bool = False  # of a table: translate from the second column into the first
    catalogue_name: str = "ted_hrlr_translate/pt_to_en"  # of the catalogue: the data set
    lowercase: bool = False  # put both languages into lower case
    vocabulary_size: int = 6000  # pieces of words in each language, at most
    max_length: int = 64  # pieces of a sentence; longer ones are cut, and not trained on
    embedding_size: int = 64  # the size of the vector of a piece
    encoder_layers: int = 1  # GRUs of the encoder, each in both directions
    units: int = 128  # of the GRUs of the decoder, and of both directions of the encoder
    attention: str = "general"  # how memory and state are compared: general, dot or additive
    dropout: float = 0.1  # the part of the features dropped between the layers in training
    smoothing: float = 0.1  # of the labels
    sampling_rate: float = 0.0  # scheduled sampling: pieces replaced by the model's own, in the end
    learning_rate: float = 5e-3  # of Adam, at its highest
    max_norm: float = 1.0  # gradients are scaled down to this global norm
    batch_size: int = 32  # sentences in a training step
    epochs: int = 12  # the most epochs to train
    patience: int = 3  # stop after so many epochs without a lower validation loss
    beams: int = 5  # hypotheses of the beam search
    length_penalty: float = 1.0  # of the beam search: 0 favours short sentences
    seed: int = 1  # decides the first weights, the order and the dropout

    def check(self) -> None:
        """Refuses what cannot work."""
        sizes = ["max_length", "embedding_size", "encoder_layers", "batch_size", "epochs"]
        check(self, [*sizes, "patience", "beams"], lambda size: size >= 1, "at least 1")
        check(self, ["units"], lambda size: size >= 2 and not size % 2, "even and at least 2")
        check(self, ["vocabulary_size"], lambda size: size > len(SPECIAL), "at least 5")
        check(self, ["beams"], lambda beams: beams < self.vocabulary_size, "below vocabulary_size")
        rates = ["learning_rate", "max_norm"]
        check(self, rates, lambda number: 0 < number < math.inf, "above 0, and finite")
        numbers = ["length_penalty", "seed"]
        check(self, numbers, lambda number: 0 <= number < math.inf, "at least 0, and finite")
        check(self, ["sampling_rate"], lambda part: 0 <= part <= 1, "from 0 to 1")
        check(self, ["dropout", "smoothing"], lambda part: 0 <= part < 1, "at least 0 and below 1")
        check(
            self,
            ["attention"],
            lambda name: name in ("general", "dot", "additive"),
            "general, dot or additive",
        )


# Data


def load_examples(settings: Settings) -> Splits:
    """Loads `(source, target)` examples."""
    options = ("source_language", "target_language", "target", "test_part", "turned")
    splits = load(
        "translations",
        settings.source,
        catalogue_name=settings.catalogue_name,
        **{name: getattr(settings, name) for name in options},
    )
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
            raise ValueError(
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


# Model


def build_model(settings: Settings, sizes: tuple[int, int], steps: int) -> keras.Model:
    """Builds and compiles the model.

    Args:
        settings: What decides the run.
        sizes: How many pieces the two languages have.
        steps: Training steps in an epoch.
    """
    model = rnnlayers.EncoderDecoder(
        encoder=build_encoder(settings, sizes[0]),
        embedding=keras.layers.ReversibleEmbedding(
            sizes[1], settings.embedding_size, name="pieces"
        ),
        decoder=[
            keras.layers.Dropout(settings.dropout),
            rnnlayers.AttentiveDecoder(
                rnnlayers.AttentionCell(rnnlayers.GRUCell(settings.units), settings.attention)
            ),
            keras.layers.Dropout(settings.dropout),
            rnnlayers.GRU(settings.units, return_sequences=True),
            keras.layers.Dropout(settings.dropout),
            keras.layers.Dense(settings.embedding_size, name="outputs"),
        ],
        start_token_id=START,
        stop_token_id=STOP,
        pad_token_id=PAD,
        sampling_rate=keras.optimizers.schedules.PolynomialDecay(
            0.0, steps * settings.epochs, settings.sampling_rate
        )
        if settings.sampling_rate
        else 0.0,
        name="translation",
    )
    model.build(((None, None), (None, None)))
    names = ("epochs", "learning_rate", "max_norm", "smoothing")
    compile_taught(model, steps=steps, **{name: getattr(settings, name) for name in names})
    return model


def build_encoder(settings: Settings, size: int) -> keras.Model:
    """Builds the encoder: the memory of ids `(batch, source)`, and its mask."""
    ids = keras.Input((None,), dtype="int32", name="source")
    present = ops.not_equal(ids, PAD)
    memory = keras.layers.Embedding(size, settings.embedding_size)(ids)
    for _ in range(settings.encoder_layers):
        memory = keras.layers.Dropout(settings.dropout)(memory)
        gru = rnnlayers.GRU(settings.units // 2, return_sequences=True)
        memory = rnnlayers.Bidirectional(gru)(memory, mask=present)
    memory = keras.layers.Dropout(settings.dropout)(memory)
    return keras.Model(ids, [memory, present], name="encoder")


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
    folder.fit(
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
        ValueError: If its files do not fit one another.
    """
    settings, model, languages = folder.settings(Settings), folder.model(), []
    sizes = (model.encoder.layers[1].input_dim, model.embedding.input_dim)
    for name, size in zip(VOCABULARIES, sizes, strict=True):
        pieces = folder.read_lines(name)
        if len(SPECIAL) + len(set(pieces)) != size:
            raise ValueError(
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


if __name__ == "__main__":
    main()
