"""Text generation: how does a text go on?

    python -m apps.textgen train --source sample --run runs/textgen
    python -m apps.textgen evaluate --run runs/textgen
    python -m apps.textgen predict --run runs/textgen "The plot"
    python -m apps.textgen export --run runs/textgen --to saved_models

`--source` is `sample` (generated sentences, no network), `tfds` (the catalogue's
`tiny_shakespeare`), a text file, or a folder of them. The network is in `model.py`; `README.md` has
the results.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras
import tyro

from apps.common.applications import Demo
from apps.common.cli import read_inputs, run_command
from apps.common.data.splits import Splits
from apps.common.diagnosis import diagnose_run
from apps.common.exports import export_run
from apps.common.refusal import Refusal
from apps.common.reports import report
from apps.common.runs import Run
from apps.common.settings import Format
from apps.common.together import join_workers
from apps.common.training import fit, load_callbacks
from apps.textgen.baselines import ngram_nats
from apps.textgen.batches import ResetStates, Streams, own_streams
from apps.textgen.data import load
from apps.textgen.exported import CARD, MAX_LENGTH, TEMPERATURES, Generator, generate
from apps.textgen.metrics import LOWER_IS_BETTER, cross_entropy, in_bits
from apps.textgen.model import adopt, build_model, split_layers, with_explicit_states
from apps.textgen.search import tune
from apps.textgen.settings import Settings
from apps.textgen.vocabulary import SPECIAL_IDS, Characters

DEMO = Demo(inputs=lambda folder: ("The plot was", "My sister chose it"))

MAX_SEED = 2**31 - 1  # of the graph
CHARACTERS = "characters.txt"  # of a run: the code point of a character a line

# Data


def load_examples(settings: Settings) -> Splits:
    """Load the text, split into parts."""
    options = ("test_part", "validation_part", "encoding")
    return load(settings.source, **{name: getattr(settings, name) for name in options})


def make_datasets(splits: Splits, settings: Settings) -> tuple[Streams, Streams, Characters]:
    """Make training and validation streams, and the vocabulary of characters."""
    characters = Characters.fit(splits.train, settings.min_count)
    train, validation = (characters.array(text) for text in (splits.train, splits.validation))
    print(f"Training on {len(train):,} characters, {len(characters.characters)} different ones")
    return (
        Streams(train, settings.batch_size, settings.steps, settings.seed),
        Streams(validation, settings.batch_size, settings.steps),
        characters,
    )


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
        streams, validation, characters = make_datasets(load_examples(settings), settings)
        folder.write_lines(CHARACTERS, [str(ord(c)) for c in characters.characters])
        share = replace(settings, batch_size=own_streams(settings.batch_size))
        model = build_model(share, characters.size, len(streams))
        if (resumed := folder.resumed()) is not None:
            model = resumed if resumed.input_shape == model.input_shape else adopt(model, resumed)
        print(f"Training {model.count_params():,} weights")
        fit(
            folder,
            model,
            streams,
            validation,
            epochs=settings.epochs,
            patience=settings.patience,
            callbacks=[ResetStates(), *hooks],
        )


# Inference


def load_generator(folder: Run) -> Generator:
    """Load the generator that a finished run has trained."""
    folder.settings(Settings)  # which refuses those of another application
    model, codes = folder.model(), folder.read_lines(CHARACTERS)
    expected = split_layers(model)[0].input_dim - SPECIAL_IDS
    valid = {code for code in codes if code.isdecimal() and int(code) <= sys.maxunicode}
    if len(valid) != expected or len(codes) != expected:
        raise Refusal(
            f"{folder.folder / CHARACTERS} must hold the {expected:,} code points of the model, "
            f"one a line; received {len(valid):,} in {len(codes):,} lines: the file is damaged, "
            f"train again in a new folder"
        )
    return Generator(model, Characters([chr(int(code)) for code in codes]))


def predict(
    inputs: tyro.conf.Positional[tuple[str, ...]],
    run: Path,
    length: int = 200,
    temperature: float = 0.7,
    samples: int = 1,
    seed: int = 1,
) -> None:
    """Print continuations of texts.

    Args:
        inputs: Texts, files with one text each, or - for standard input with one text a line.
        run: The folder of the run.
        length: The number of characters to generate, at most 10,000.
        temperature: Below 1 likely characters become more likely, above 1 less.
        samples: The number of continuations of each text.
        seed: The seed of the first continuation. The same seed generates the same text.
    """
    check_prediction(length, temperature, samples, seed)
    prompts = read_inputs(inputs)
    generator = load_generator(Run.open(run))
    for prompt in prompts:
        if not prompt:
            print("The text below begins afresh: there is no text to go on.", file=sys.stderr)
        for number in range(samples):
            text = generate(generator, prompt, length, temperature, seed + number)
            print(prompt.decode("utf-8", "replace") + text)


def check_prediction(length: int, temperature: float, samples: int, seed: int) -> None:
    """Refuse options of `predict` that are out of range."""
    last = MAX_SEED - samples + 1
    low, high = TEMPERATURES
    for name, value, allowed, words in (
        ("length", length, 1 <= length <= MAX_LENGTH, f"from 1 to {MAX_LENGTH:,}"),
        ("temperature", temperature, low <= temperature <= high, f"from {low:g} to {high:g}"),
        ("samples", samples, samples >= 1, "at least 1"),
        ("seed", seed, -MAX_SEED <= seed <= last, f"from {-MAX_SEED:,} to {last:,}"),
    ):
        if not allowed:
            raise Refusal(f"{name} must be {words}; received {value:,}")


def export(run: Path, to: Path = Path("saved_models"), also: tuple[Format, ...] = ()) -> None:
    """Export a SavedModel that takes prompts and needs neither Keras nor this code.

    Args:
        run: The folder of the run.
        to: The folder of all exports, in which textgen/<version> is made.
        also: Other runtimes to write files for, which take ids.
    """
    folder = Run.open(run)
    generator = load_generator(folder)
    export_run(
        generator,
        folder,
        "textgen",
        to,
        endpoints=generator.endpoints(),
        probes=generator.probes(),
        numeric=generator.numeric,
        card=CARD,
        also=also,
    )


# Evaluation


def evaluate(run: Path) -> None:
    """Score the run on the test text, in bits a character, with n-grams as the baseline.

    Args:
        run: The folder of the run.
    """
    folder = Run.open(run)
    settings = folder.settings(Settings)
    generator = load_generator(folder)
    splits = load_examples(settings)
    train, test = (generator.characters.array(text) for text in (splits.train, splits.test))
    network = with_explicit_states(generator.model)
    ngrams = ngram_nats(train, test, generator.characters.size, settings.order)
    report(
        folder,
        "textgen",
        settings.source,
        in_bits(cross_entropy(network, generator.states(1), test)),
        {
            f"{settings.order}-grams": in_bits(ngrams),
            "uniform": in_bits(math.log(generator.characters.size)),
        },
        LOWER_IS_BETTER,
    )


def diagnose(run: Path) -> None:
    """Draw how far gradients reach and what gates do on a batch of validation text, with advice.

    Args:
        run: The folder of the run.
    """
    folder = Run.open(run)
    settings = folder.settings(Settings)
    text = load_generator(folder).characters.array(load_examples(settings).validation)
    streams = Streams(text, settings.batch_size, settings.steps)
    diagnose_run(folder, streams, loss_step=-1)


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command."""
    commands = {"train": train, "evaluate": evaluate, "predict": predict, "export": export}
    commands |= {"tune": tune, "diagnose": diagnose}
    run_command(commands, argv, "apps.textgen", __doc__)
