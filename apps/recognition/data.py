"""Recordings, series of measurements and images: samples, the catalogue, and files of the user.

`from_path` reads the layouts of `layouts.py` and `long_tables.py` (series) and of `folders.py`
(files).
"""

import functools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from apps.common.data import catalogue, door, files
from apps.common.refusal import Refusal
from apps.recognition import audio, images, layouts, long_tables
from apps.recognition.examples import Example, Examples
from apps.recognition.folders import PEEK, Found, find_files, has_files, read_table
from apps.recognition.parts import complete, with_test_part
from apps.recognition.sample import digits, gestures
from apps.recognition.settings import Answer
from apps.recognition.speech_sample import RATE, spoken_digits

SAMPLES = ("gestures", "digits", "spoken")
GESTURES = 2000
TAKES = 20  # of the synthesizer, of each digit and speaker
CATALOGUE_NAME = "speech_commands"
COLUMNS = ("file", "label", "transcript", "case", "time", "channel", "value", "path", "text")


def from_sample(
    sample: str | None = None,
    answer: Answer = "class",
    image_steps: str | None = None,
    speaker: str | None = None,
) -> Examples:
    """Make an embedded sample.

    Args:
        sample: `gestures`, `digits` or `spoken`; the first if None.
        answer: What is asked for; a transcript needs `spoken`.
        image_steps: Whether a step of `digits` is a row or a pixel.
        speaker: The speaker of `spoken` to test on.

    Raises:
        Refusal: If there is no such sample, or an option has no effect with it.
    """
    name = sample or SAMPLES[0]
    if name not in SAMPLES:
        raise Refusal(f"sample must be one of {', '.join(SAMPLES)}; received {name!r}")
    for option, value, needed in (
        ("image_steps", image_steps, "digits"),
        ("speaker", speaker, "spoken"),
        ("answer", None if answer == "class" else answer, "spoken"),
    ):
        if value is not None and name != needed:
            raise Refusal(
                f"{option} {value} needs the sample {needed}; received the sample {name}: leave it "
                f"out, or add --sample {needed}"
            )
    if name == "spoken":
        examples = spoken_digits(TAKES)
        origin = "the embedded sample spoken (a synthesizer, no people)"
        return with_test_part(examples, origin, None, speaker, answer, rate=RATE)
    if name == "digits":
        examples = digits(image_steps == "pixels")
        origin = "scikit-learn's digits (8 x 8, handwritten)"
    else:
        examples = gestures(GESTURES)
        origin = "the embedded sample gestures (drawn by this project, no people)"
    return with_test_part(examples, origin, None, None, answer)


def from_catalogue(
    catalogue_name: str | None = None,
    rate: int | None = None,
    trim: bool = False,
    image_steps: str | None = None,
    answer: Answer = "class",
) -> Examples:
    """Read a data set with labels from the TensorFlow Datasets catalogue.

    Args:
        catalogue_name: Its name: recordings such as `speech_commands`, the default, and
            `spoken_digit`, images such as `mnist`, or series such as `smartwatch_gestures`.
        rate: Samples a second that recordings are brought to; their own if None.
        trim: Whether silence is cut at both ends of recordings.
        image_steps: Whether a step of an image is a row or a pixel.
        answer: What is asked for.

    Raises:
        Refusal: If the data set cannot be loaded, or holds something else.
    """
    name = catalogue_name or CATALOGUE_NAME
    found = catalogue.read_labelled(name)
    if answer != "class" and found.rate is None:
        raise Refusal(f"answer must be class with {name}, which has no sound; received {answer}")
    parts: dict[str, list[Example]] = {}
    for split_name, rows in found.parts.items():
        part = parts.setdefault(split_name, [])
        for number, (value, label) in enumerate(rows, start=1):
            place = f"{name} {split_name} {number}"
            if found.rate is not None:
                samples = np.asarray(value, "float32").ravel() / 2**15
                values = audio.at_rate(samples, found.rate, rate or found.rate, trim)
            elif found.is_image:
                grey = np.asarray(value, "float32").mean(axis=-1) / 255
                values = images.as_steps(grey, image_steps == "pixels")
            else:
                values = np.asarray(value, "float32")
            part.append(Example(place, values, "", label))
    origin = f"{name} of the TensorFlow Datasets catalogue"
    used = rate or found.rate
    if "test" in parts:
        return complete(parts["train"], parts["test"], origin, used, answer)
    return with_test_part(parts["train"], origin, None, None, answer, rate=used)


def from_path(
    path: Path,
    answer: Answer = "class",
    file_column: str | None = None,
    label_column: str | None = None,
    speaker: str | None = None,
    image_steps: str | None = None,
    image_size: int | None = None,
    rate: int | None = None,
    trim: bool = False,
    test_part: float | None = None,
) -> Examples:
    """Read examples from a folder or a file in one of the layouts.

    Args:
        path: The folder or file.
        answer: What is asked for.
        file_column: The column of a table that names the files; found if None.
        label_column: The column of the label or transcript; found if None.
        speaker: The speaker to test on; without one the test part is that of the layout.
        image_steps: Whether a step of an image is a row or a pixel.
        image_size: The side to which images are scaled.
        rate: Samples a second that recordings are brought to; the commonest if None.
        trim: Whether silence is cut at both ends of recordings.
        test_part: The part that tests, if the layout has none.

    Raises:
        Refusal: If the layout is none of these, a file is broken, a class is missing, or an option
            has no effect.
        OSError: If something cannot be read.
    """
    options = {"file_column": file_column, "label_column": label_column, "speaker": speaker}
    options |= {"image_steps": image_steps, "image_size": image_size, "rate": rate}
    options |= {"trim": trim or None, "test_part": test_part}
    if parts := layouts.find_parts(path):
        taken = ["test_part"] if parts[1] is None else []
        _check_effect(options, taken, f"series with{'out' * bool(taken)} a test part")
        if answer != "class":
            raise Refusal(f"answer must be class with series, as {path} holds; received {answer}")
        train = layouts.read_series(parts[0])
        if parts[1] is None:
            return with_test_part(train, str(path), test_part, None, answer)
        return complete(train, layouts.read_series(parts[1]), str(path), None, answer)
    if path.is_file():
        records = files.load(path, known=[*COLUMNS, *filter(None, (file_column, label_column))])
        if file_column is None and not _names_files(records.head(PEEK)):
            _check_effect(options, ["label_column", "test_part"], "a long table")
            examples, channels = long_tables.read_long(path, records, label_column)
            return with_test_part(examples, str(path), test_part, None, answer, channels=channels)
        role = "transcript" if answer == "transcript" else "label"
        found = Found(read_table(path, records, file_column, label_column, role))
        taken = ["file_column", "label_column", "speaker", "test_part"]
    else:
        if answer == "transcript":
            raise Refusal(
                f"answer transcript needs a table of files and transcripts as the source; received "
                f"the folder {path}: name the table, or choose connected"
            )
        listed = find_files(path)
        if listed is None:
            names = ", ".join(sorted(entry.name for entry in path.iterdir())[:8])
            raise Refusal(
                f"{path}: expected folders of recordings or images by label, files called "
                f"label_speaker_take.wav, or series such as X_TRAIN.ts and X_TEST.ts; received "
                f"{names or 'an empty folder'}"
            )
        found, taken = listed, ["speaker", *([] if listed.test else ["test_part"])]
    if found.kind(path) == "images":
        _check_effect(options, [*taken, "image_steps", "image_size"], "images")
        return _of_images(found, path, image_steps, image_size, test_part, answer)
    _check_effect(options, [*taken, "rate", "trim"], "recordings")
    return _of_recordings(found, path, speaker, rate, trim, test_part, answer)


def _check_effect(options: dict, taken: Sequence[str], what: str) -> None:
    """Refuse options that are given and not taken."""
    for name, value in options.items():
        if value is not None and name not in taken:
            raise Refusal(f"{name} has no effect with {what}: leave it out; received {value!r}")


def _names_files(head: dict) -> bool:
    return has_files(head) is not None or any(
        "".join(filter(str.isalnum, name.casefold())) in ("file", "filename") for name in head
    )


def _of_images(
    found: Found,
    path: Path,
    image_steps: str | None,
    size: int | None,
    test_part: float | None,
    answer: Answer,
) -> Examples:
    if answer != "class":
        raise Refusal(f"answer must be class with images, as {path} holds; received {answer}")
    if size is None:
        first = found.train[0]
        size = len(images.read_image(first.read(), first.place, None))
    train, test = (
        [
            Example(
                entry.place,
                images.as_steps(
                    images.read_image(entry.read(), entry.place, size), image_steps == "pixels"
                ),
                "",
                entry.answer,
            )
            for entry in part
        ]
        for part in (found.train, found.test)
    )
    if not test:
        return with_test_part(train, str(path), test_part, None, answer)
    return complete(train, test, str(path), None, answer)


def _of_recordings(
    found: Found,
    path: Path,
    speaker: str | None,
    rate: int | None,
    trim: bool,
    test_part: float | None,
    answer: Answer,
) -> Examples:
    read = [
        [(e, *audio.read_audio(e.read(), e.place)) for e in p] for p in (found.train, found.test)
    ]
    rates = Counter(its for part in read for _, _, its in part)
    used = rate or rates.most_common(1)[0][0]
    if len(rates) > 1:
        each = ", ".join(f"{n:,} of {its:,}" for its, n in rates.most_common())
        print(f"{path}: samples a second differ ({each}); all are brought to {used:,}")
    train, test = (
        [
            Example(e.place, audio.at_rate(samples, its, used, trim), e.speaker, e.answer)
            for e, samples, its in part
        ]
        for part in read
    )
    if speaker is not None or not test:
        return with_test_part([*train, *test], str(path), test_part, speaker, answer, rate=used)
    return complete(train, test, str(path), used, answer)


# `load(source, **options)` calls the one of these functions that `source` names.
load = functools.partial(
    door.load, from_sample=from_sample, from_catalogue=from_catalogue, from_path=from_path
)
