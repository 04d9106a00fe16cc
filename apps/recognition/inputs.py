"""What `predict` is given: files of recordings, images or series, as a run reads them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from apps.common.cli import find_files
from apps.common.data import files
from apps.common.refusal import Refusal
from apps.recognition import audio, images, layouts
from apps.recognition.examples import Example, interpolated
from apps.recognition.features import Spectra
from apps.recognition.long_tables import as_text
from apps.recognition.sample import gestures
from apps.recognition.settings import Settings

SERIES = (*layouts.READERS, ".csv")
DEMO_SEED = 7


def read_inputs(
    inputs: Sequence[str], settings: Settings, spectra: Spectra | None, channels: int
) -> list[Example]:
    """Read files as the run was trained on them.

    Args:
        inputs: Files, folders or globs.
        settings: The settings of the run.
        spectra: Turns samples into features; None if the run is of series or images.
        channels: The number of features of a step.

    Raises:
        Refusal: If a file cannot be read, or has other channels than the run.
        OSError: If a file cannot be read.
    """
    if spectra is not None:
        return [
            Example(str(path), read_recording(path, settings, spectra.rate), "", "")
            for path in find_files(inputs, audio.SUFFIXES)
        ]
    examples = []
    for path in find_files(inputs, (*images.SUFFIXES, *SERIES)):
        if path.suffix.lower() in images.SUFFIXES:
            pixels = settings.image_steps == "pixels"
            size = settings.image_size if pixels else channels
            image = images.read_image(path.read_bytes(), path, size)
            examples.append(Example(str(path), images.as_steps(image, pixels), "", ""))
        elif path.suffix.lower() == ".csv":
            examples.append(Example(str(path), read_csv(path), "", ""))
        elif not layouts.is_series(path):
            raise Refusal(
                f"{path}: the run reads series and images, files that end in "
                f"{', '.join((*SERIES, *images.SUFFIXES))}; name such a file"
            )
        else:
            examples += layouts.read_series(path)
    for example in examples:
        if not len(example.values) or example.values.shape[1] != channels:
            raise Refusal(
                f"{example.place}: expected a series of {channels} channels, as the run is trained "
                f"on; received {len(example.values)} steps of {example.values.shape[1]}"
            )
        if np.isinf(example.values).any():
            raise Refusal(f"{example.place}: values must be finite or missing; correct the file")
    return [one._replace(values=interpolated(one.values)) for one in examples]


def read_recording(path: Path, settings: Settings, rate: int) -> np.ndarray:
    """Read a recording as the run reads them, `(samples,)`."""
    samples, own = audio.read_audio(path.read_bytes(), path)
    return audio.at_rate(samples, own, rate, settings.trim)


def read_csv(path: Path) -> np.ndarray:
    """Read one series: a row for each step, a column for each channel, under a header.

    Raises:
        Refusal: If a value is no number, or if there is no row.
        OSError: If it cannot be read.
    """
    records = files.load(path)
    names = list(records.head(1))
    rows = []
    for place, fields in records.select(names):
        rows.append(layouts.as_numbers([as_text(value) for value in fields], place))
    if not rows:
        raise Refusal(f"{path}: expected a row for each step under the header; received none")
    return np.stack(rows)


def write_demo_inputs(folder: Path) -> Sequence[str]:
    """Write two gestures as tables, and return their paths."""
    paths = []
    for number, gesture in enumerate(gestures(2, DEMO_SEED), start=1):
        path = folder / f"gesture_{number}.csv"
        lines = ["x,y", *(f"{x:.4f},{y:.4f}" for x, y in gesture.values)]
        path.write_text("\n".join(lines) + "\n", "utf-8")
        paths.append(str(path))
    return paths
