"""Text generation: how does a text go on?  One to many.

    a character ── embedding ── GRU ── GRU ── softmax ── the next character ──┐
         └────────────────────────── and so on ──────────────────────────────┘

The network reads a text character by character and learns to say which one follows. A text is far
too long to send a gradient through, so it is cut: the states go on from segment to segment and the
gradient stops between them (truncated backpropagation through time, Williams and Peng 1990). What
it has learned is then drawn from: each character that it says is the next one it reads.

Data: `sample` (generated sentences), `tfds` (the catalogue's `tiny_shakespeare`), or a text file.

    python -m apps.textgen train --source sample --run runs/textgen
    python -m apps.textgen evaluate --run runs/textgen
    python -m apps.textgen predict --run runs/textgen "The plot"
    python -m apps.textgen export --run runs/textgen --to saved_models

On two cores the sample takes half a minute, for 0.23 bits a character where 6-grams need 0.40.
"""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import keras
import tyro

from apps.common.applications import Demo
from apps.common.cli import read_inputs, run_command
from apps.common.data.splits import Splits
from apps.common.exports import export_run
from apps.common.other_runtimes import Format
from apps.common.refusal import Refusal
from apps.common.reports import plot_history, report
from apps.common.runs import Run
from apps.common.training import fit
from apps.textgen.baselines import ngram_nats
from apps.textgen.batches import StatesFromZero, Streams
from apps.textgen.data import load
from apps.textgen.exported import CARD, MOST, PROBES, Generator, generate
from apps.textgen.metrics import LOWER_IS_BETTER, cross_entropy, in_bits
from apps.textgen.model import build_model, with_explicit_states
from apps.textgen.settings import Settings
from apps.textgen.vocabulary import Characters

DEMO = Demo(seconds=40, inputs=lambda folder: ("The plot was", "My sister chose it"))

# Data


def load_examples(settings: Settings) -> Splits:
    """Loads the text, in parts."""
    return load(settings.source)


def make_datasets(splits: Splits, settings: Settings) -> tuple[Streams, Streams, Characters]:
    """Makes training and validation streams, and the ids of the characters."""
    counts = Counter(splits.train)
    kept = sorted(character for character, n in counts.items() if n >= settings.min_count)
    characters = Characters(kept)
    train, validation = (characters.array(text) for text in (splits.train, splits.validation))
    print(f"Training on {len(train):,} characters, {len(kept)} different ones")
    return (
        Streams(train, settings.batch_size, settings.steps, settings.seed),
        Streams(validation, settings.batch_size, settings.steps),
        characters,
    )


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
    streams, validation, characters = make_datasets(load_examples(settings), settings)
    folder.write_lines("characters.txt", [str(ord(c)) for c in characters.characters])
    model = folder.resumed() or build_model(settings, characters.size, len(streams))
    print(f"Training {model.count_params():,} weights")
    fit(
        folder,
        model,
        streams,
        validation,
        epochs=settings.epochs,
        patience=settings.patience,
        callbacks=[StatesFromZero()],
    )
    plot_history(folder, "accuracy")


# Inference


def load_generator(folder: Run) -> Generator:
    """Loads what a finished run has trained."""
    characters = Characters([chr(int(code)) for code in folder.read_lines("characters.txt")])
    return Generator(folder.model(), characters)


def predict(
    inputs: tyro.conf.Positional[tuple[str, ...]],
    run: Path,
    length: int = 200,
    temperature: float = 0.7,
    samples: int = 1,
    seed: int = 1,
) -> None:
    """Print how texts may go on.

    Args:
        inputs: Texts, files with one text each, or - for standard input with one text a line.
        run: The folder of the run.
        length: Characters to draw, at most 10,000.
        temperature: Below 1 what is likely becomes likelier, above 1 less so.
        samples: How many times to go on with each text.
        seed: Of the draws: the same seed gives the same text.
    """
    if length > MOST:
        raise Refusal(f"length must be at most {MOST:,}; received {length:,}")
    for name, number in (("length", length), ("temperature", temperature), ("samples", samples)):
        if number <= 0:
            raise Refusal(f"{name} must be above 0; received {number}")
    generator = load_generator(Run.finished(run))
    for prompt in read_inputs(inputs):
        for place in range(samples):
            text = generate(generator, prompt, length, temperature, seed + place)
            print(prompt.decode("utf-8", "replace") + text)


def export(run: Path, to: Path = Path("saved_models"), also: tuple[Format, ...] = ()) -> None:
    """Export the run as a SavedModel that takes prompts and needs neither Keras nor this code.

    Args:
        run: The folder of the run.
        to: The folder of all exports; this one becomes its textgen/<version>.
        also: Write it for other runtimes too, which take ids.
    """
    folder = Run.finished(run)
    generator = load_generator(folder)
    export_run(
        generator,
        folder,
        "textgen",
        to,
        endpoints=generator.endpoints(),
        probes={
            "serving_default": PROBES,
            "generate": PROBES,
            "step": {"character": [b"T", b"\n"], **generator.named_states(2)},
        },
        numeric=generator.numeric,
        card=CARD,
        also=also,
    )


# Evaluation


def evaluate(run: Path) -> None:
    """Score the run on the test part, in bits a character, beside n-grams and a uniform guess.

    Args:
        run: The folder of the run.
    """
    folder = Run.finished(run)
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


def main(argv: Sequence[str] | None = None) -> None:
    """Runs a command."""
    commands = {"train": train, "evaluate": evaluate, "predict": predict, "export": export}
    run_command(commands, argv, "apps.textgen", __doc__)
