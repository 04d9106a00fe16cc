"""Recognition: which class, or which words, is a recording, a gesture or an image?

    python -m apps.recognition train --source sample --run runs/recognition
    python -m apps.recognition evaluate --run runs/recognition
    python -m apps.recognition predict --run runs/recognition FILE_OR_FOLDER...
    python -m apps.recognition export --run runs/recognition --to saved_models

`--source` is `sample`, `tfds`, or the path of a folder of recordings or images by label, of a
table of files, or of series of measurements. The networks are in `networks.py`; `README.md` has the
layouts of the data and the results.
"""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import keras
import tyro

from apps.common.applications import Demo
from apps.common.cards import trained_on
from apps.common.cli import run_command
from apps.common.diagnosis import diagnose_run
from apps.common.exports import export_run
from apps.common.refusal import Refusal
from apps.common.runs import Run
from apps.common.settings import Format
from apps.common.together import join_workers
from apps.common.training import fit, load_callbacks
from apps.recognition.answering import answer_class, answer_transcript
from apps.recognition.cells import check_cell
from apps.recognition.data import load
from apps.recognition.datasets import make_spectra, prepare
from apps.recognition.evaluation import evaluate_classes, evaluate_transcripts
from apps.recognition.examples import Examples
from apps.recognition.exported import Classifier
from apps.recognition.inputs import read_inputs, write_demo_inputs
from apps.recognition.networks import build_model
from apps.recognition.search import tune
from apps.recognition.settings import Settings
from apps.recognition.transcriber import Transcriber
from rnnlayers.optimizers import ClippingLogger

DEMO = Demo(inputs=write_demo_inputs)

CLASS_NAMES = "classes.txt"  # of a run: the names of the classes, in the order of their numbers
SYMBOLS = "symbols.txt"  # of a run: the letters of transcripts as code points, one a line
OF_THE_SOURCE = (  # settings that say how a source is read
    *("sample", "catalogue_name", "answer", "file_column", "label_column", "speaker"),
    *("image_steps", "image_size", "rate", "trim", "test_part"),
)

# Data


def load_examples(settings: Settings) -> Examples:
    """Load the examples of a run, as many as its settings allow."""
    data = load(settings.source, **{name: getattr(settings, name) for name in OF_THE_SOURCE})
    return data.limited(settings.limit, settings.seed)


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
    check_cell(settings.cell)
    run = join_workers(run, settings, workers)
    hooks = load_callbacks(callbacks)
    keras.utils.set_random_seed(settings.seed)
    with Run.begin(run, settings) as folder:
        data = load_examples(settings)
        spectra = make_spectra(settings, data.rate)
        prepared = prepare(data, settings, spectra)
        write_names(folder, settings, prepared.names)
        model = folder.resumed() or build_model(
            settings, len(prepared.names), prepared.statistics, spectra, len(prepared.train)
        )
        print(f"Training {model.count_params():,} weights")
        fit(
            folder,
            model,
            prepared.train,
            prepared.validation,
            epochs=settings.epochs,
            patience=settings.patience,
            callbacks=[ClippingLogger(), *hooks],
        )


def write_names(folder: Run, settings: Settings, names: Sequence[str]) -> None:
    """Write the names of the classes, or the letters of transcripts as code points."""
    if settings.answer == "class":
        folder.write_lines(CLASS_NAMES, names)
    else:
        folder.write_lines(SYMBOLS, [str(ord(letter)) for letter in names])


# Inference


def load_recognizer(folder: Run) -> Classifier | Transcriber:
    """Load the recognizer that a finished run has trained."""
    settings = folder.settings(Settings)
    model = folder.model()
    names = read_names(folder, settings, model)
    if settings.answer == "class":
        return Classifier(model, names, settings.trim)
    return Transcriber(model, names, settings.stride, settings.trim, settings.streaming)


def read_names(folder: Run, settings: Settings, model: keras.Model) -> list[str]:
    """Return the names of the classes of a run, or the letters of its transcripts."""
    outputs = model.output_shape[-1]
    if settings.answer == "class":
        file, what, count = CLASS_NAMES, "classes", outputs
        names = folder.read_lines(file)
    else:
        file, what, count = SYMBOLS, "letters", outputs - 1  # one is of the blank
        codes = folder.read_lines(file)
        known = (code for code in codes if code.isdecimal() and int(code) <= sys.maxunicode)
        names = [chr(int(code)) for code in known]
    if len(set(names)) != count:
        raise Refusal(
            f"{folder.folder / file} must hold the {count} {what} of the model, one a line; "
            f"received {len(set(names))}: the file is damaged, train again in a new folder"
        )
    return names


def predict(inputs: tyro.conf.Positional[tuple[str, ...]], run: Path, plots: int = 8) -> None:
    """Print the likeliest class, or the words, of files, and draw what the network looked at.

    Args:
        inputs: Files of recordings, images or series, folders of them, or globs.
        run: The folder of the run.
        plots: Draw a picture of this many files at most, in the folder of the run.
    """
    if plots < 0:
        raise Refusal(f"plots must be at least 0; received {plots}")
    folder = Run.open(run)
    settings = folder.settings(Settings)
    recognizer = load_recognizer(folder)
    examples = read_inputs(inputs, settings, recognizer.spectra, recognizer.size)
    print(f"Trained on {trained_on(recognizer.card(), asdict(settings))}")
    answer = answer_class if settings.answer == "class" else answer_transcript
    for number, example in enumerate(examples, start=1):
        print(answer(recognizer, example, settings, folder, number if number <= plots else None))


def export(run: Path, to: Path = Path("saved_models"), also: tuple[Format, ...] = ()) -> None:
    """Export a SavedModel that takes series, or samples and WAV files, and needs no Keras.

    Args:
        run: The folder of the run.
        to: The folder of all exports, in which recognition/<version> is made.
        also: Other runtimes to write files for, which take what the network reads.
    """
    folder = Run.open(run)
    recognizer = load_recognizer(folder)
    export_run(
        recognizer,
        folder,
        "recognition",
        to,
        endpoints=recognizer.endpoints(),
        probes=recognizer.probes(),
        numeric=recognizer.numeric,
        card=recognizer.card(),
        also=also,
    )


# Evaluation


def evaluate(run: Path) -> None:
    """Score the run on the test part, next to baselines.

    Args:
        run: The folder of the run.
    """
    folder = Run.open(run)
    settings = folder.settings(Settings)
    recognizer = load_recognizer(folder)
    data = load_examples(settings)
    if settings.answer == "class":
        evaluate_classes(folder, settings, recognizer, data)
    else:
        evaluate_transcripts(folder, settings, recognizer, data)


def diagnose(run: Path) -> None:
    """Draw how far gradients reach and what gates do on a batch that validates, with advice.

    Args:
        run: The folder of the run.
    """
    folder = Run.open(run)
    settings = folder.settings(Settings)
    spectra = load_recognizer(folder).spectra
    diagnose_run(folder, prepare(load_examples(settings), settings, spectra).validation)


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command."""
    commands = {"train": train, "evaluate": evaluate, "predict": predict, "export": export}
    commands |= {"tune": tune, "diagnose": diagnose}
    run_command(commands, argv, "apps.recognition", __doc__)
