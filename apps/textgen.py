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
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
import tyro

import rnnlayers
from apps.common.characters import Characters, ngram_nats
from apps.common.cli import check, read_inputs, run_command
from apps.common.exported.generator import MOST, PROBES, Generator, generate
from apps.common.exports import export_run
from apps.common.other_runtimes import Format
from apps.common.reports import plot_history, report
from apps.common.runs import Run
from apps.common.sources import load
from apps.common.sources.splits import Splits
from apps.common.streams import StatesFromZero, Streams
from rnnlayers.optimizers import ClipByGlobalNorm


@dataclass(frozen=True)
class Settings:
    """What decides a run; it is saved with it."""

    source: str = "sample"  # where the text comes from: sample, tfds, or a text file
    min_count: int = 2  # a character that occurs less often is unknown
    embedding_size: int = 32  # the size of the vector of a character
    units: int = 128  # of each GRU
    layers: int = 1  # GRUs, one above the other
    dropout: float = 0.1  # the part of the features dropped between the layers in training
    batch_size: int = 32  # streams read side by side
    steps: int = 64  # characters in a segment, after which the gradient is cut
    learning_rate: float = 5e-3  # of Adam, at its highest
    max_norm: float = 1.0  # gradients are scaled down to this global norm
    epochs: int = 8  # the most epochs to train
    patience: int = 2  # stop after so many epochs without a lower validation loss
    order: int = 6  # of the n-grams that the network is compared with
    seed: int = 1  # decides the first weights, where segments begin, and the dropout

    def check(self) -> None:
        """Refuses what cannot work."""
        sizes = ["min_count", "embedding_size", "units", "layers", "batch_size", "steps", "order"]
        check(self, [*sizes, "epochs", "patience"], lambda size: size >= 1, "at least 1")
        check(self, ["learning_rate", "max_norm"], lambda number: number > 0, "above 0")
        check(self, ["dropout"], lambda part: 0 <= part < 1, "at least 0 and below 1")
        check(self, ["seed"], lambda seed: seed >= 0, "at least 0")


# Data


def load_examples(settings: Settings) -> Splits:
    """Loads the text, in parts."""
    return load("tiny_shakespeare", settings.source)


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


# Model


def build_model(settings: Settings, size: int, steps: int) -> keras.Model:
    """Builds and compiles the model: logits `(batch, time, size)` of what follows each character.

    Args:
        settings: What decides the run.
        size: How many ids there are.
        steps: Training steps in an epoch.
    """
    ids = keras.Input(batch_shape=(settings.batch_size, None), dtype="int32")
    states = keras.layers.Embedding(size, settings.embedding_size)(ids)
    for _ in range(settings.layers):
        states = rnnlayers.GRU(settings.units, return_sequences=True, stateful=True)(states)
        states = keras.layers.Dropout(settings.dropout)(states)
    model = keras.Model(ids, keras.layers.Dense(size)(states), name="textgen")
    rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps * settings.epochs)
    adam = keras.optimizers.Adam(rate)
    model.compile(
        optimizer=rnnlayers.ClippedOptimizer(adam, ClipByGlobalNorm(settings.max_norm)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


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
    folder.fit(
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
        raise ValueError(f"length must be at most {MOST:,}; received {length:,}")
    for name, number in (("length", length), ("temperature", temperature), ("samples", samples)):
        if number <= 0:
            raise ValueError(f"{name} must be above 0; received {number}")
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
    ngrams = ngram_nats(train, test, generator.characters.size, settings.order)
    report(
        folder,
        "textgen",
        settings.source,
        in_bits(cross_entropy(generator, test)),
        {
            f"{settings.order}-grams": in_bits(ngrams),
            "uniform": in_bits(math.log(generator.characters.size)),
        },
    )


def cross_entropy(generator: Generator, ids: np.ndarray, chunk: int = 1000) -> float:
    """Returns the mean cross-entropy of ids `(time,)`, each after all before it, in nats."""
    states, nats = generator.states(1), 0.0
    network = stateless(generator)
    for start in range(0, len(ids) - 1, chunk):
        segment = tf.constant(ids[None, start : start + chunk + 1])
        logits, *states = network([segment[:, :-1], *states])
        labels = segment[:, 1:]
        losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        nats += float(tf.reduce_sum(losses))
    return nats / (len(ids) - 1)


def stateless(generator: Generator) -> keras.Model:
    """Returns the network with its states as inputs and outputs, for any batch size."""
    ids = keras.Input((None,), dtype="int32")
    before = [keras.Input((layer.cell.units,)) for layer in generator.recurrent]
    outputs, after = generator.embedding(ids), []
    for layer, state in zip(generator.recurrent, before, strict=True):
        recurrent = rnnlayers.Recurrent(layer.cell, return_sequences=True, return_state=True)
        outputs, state = recurrent(outputs, state)
        after.append(state)
    return keras.Model([ids, *before], [generator.head(outputs), *after])


def in_bits(nats: float) -> dict[str, float]:
    """Returns a cross-entropy in the units that papers use."""
    return {"bits_per_character": nats / math.log(2), "nats_per_character": nats}


def main(argv: Sequence[str] | None = None) -> None:
    """Runs a command."""
    commands = {"train": train, "evaluate": evaluate, "predict": predict, "export": export}
    run_command(commands, argv, "apps.textgen", __doc__)


if __name__ == "__main__":
    main()
