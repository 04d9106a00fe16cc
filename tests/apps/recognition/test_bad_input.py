"""What users give by mistake: the right answer, or one line that says why there is none."""

import functools
import io

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from apps.recognition import app as recognition
from apps.recognition.speech_sample import RATE
from tests.apps import commands

HERTZ = {"low": 300, "high": 1500}
FAST = (
    *("--units", "4", "--filters", "0", "--bands", "8", "--stride", "4", "--epochs", "5"),
    *("--learning-rate", "0.05", "--batch-size", "16", "--dropout", "0"),
)


def call(*argv):
    recognition.main([str(argument) for argument in argv])


refused = functools.partial(commands.refused, call)


def tone(hertz, rate=RATE, phase=0.0):
    times = np.arange(rate // 5) / rate
    return (0.5 * np.sin(2 * np.pi * hertz * times + phase)).astype("float32")


def written(samples, subtype="PCM_16", rate=RATE):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, subtype, format="WAV")
    return file.getvalue()


def lying(content, said):
    """Return a file whose header says another number of bytes of samples."""
    place = content.index(b"data") + 4
    return content[:place] + np.uint32(said).tobytes() + content[place + 4 :]


KINDS = {
    "16 bits": lambda hertz, phase: written(tone(hertz, phase=phase)),
    "8 bits": lambda hertz, phase: written(tone(hertz, phase=phase), "PCM_U8"),
    "24 bits": lambda hertz, phase: written(tone(hertz, phase=phase), "PCM_24"),
    "float": lambda hertz, phase: written(tone(hertz, phase=phase), "FLOAT"),
    "mu-law": lambda hertz, phase: written(tone(hertz, phase=phase), "ULAW"),
    "too long": lambda hertz, phase: lying(written(tone(hertz, phase=phase)), 10**6),
    "one silent": lambda hertz, phase: written(
        np.stack([0 * tone(hertz), tone(hertz, phase=phase)], 1)
    ),
    "96 kHz": lambda hertz, phase: written(tone(hertz, 96_000, phase), rate=96_000),
}


def write_kinds(folder, phases=(0.0, 1.0)):
    """Write a recording of each kind and class."""
    for label, hertz in HERTZ.items():
        (folder / label).mkdir(parents=True)
        for kind, write in KINDS.items():
            for phase in phases:
                (folder / label / f"{kind} {phase}.wav").write_bytes(write(hertz, phase))
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinds")
    tf.config.run_functions_eagerly(True)
    call("train", "--source", write_kinds(folder / "data"), "--run", folder / "run", *FAST)
    tf.config.run_functions_eagerly(False)
    return folder / "run"


def test_every_kind_of_wav_file_is_trained_on_and_recognised(eagerly, run, tmp_path, capsys):
    write_kinds(tmp_path, phases=(0.5,))
    capsys.readouterr()
    call("predict", "--run", run, tmp_path / "low", tmp_path / "high", "--plots", "0")
    _, *lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 * len(KINDS)
    for line in lines:
        assert line.split()[0] == ("low" if "/low/" in line else "high"), line


NO_RECORDING = {
    "empty.wav": (b"", "is no sound WAV, FLAC or OGG file"),
    "none.wav": (written(np.zeros(0, "float32")), "the recording holds no samples"),
    "text.wav": (b"This is a text, not a recording.\n" * 9, "is no sound WAV, FLAC or OGG file"),
    "nan.wav": (written(np.array([0, np.nan], "float32"), "FLOAT"), "samples must be finite"),
}


@pytest.mark.parametrize("name", NO_RECORDING)
def test_what_is_no_recording_is_refused(eagerly, run, tmp_path, capsys, name):
    content, words = NO_RECORDING[name]
    write_kinds(tmp_path / "data", phases=(0.0,))
    file = tmp_path / "data" / "low" / name
    file.write_bytes(content)
    for line in (
        refused(capsys, "predict", "--run", run, file),
        refused(capsys, "train", "--source", tmp_path / "data", "--run", tmp_path / "run"),
    ):
        assert str(file) in line
        assert words in line
    assert not (tmp_path / "run").exists()


def write_takes(folder, counts):
    for label, count in counts.items():
        (folder / label).mkdir(parents=True)
        for take in range(count):
            (folder / label / f"{take}.wav").write_bytes(written(tone(HERTZ[label])))


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"low": 9}, "two classes or more are needed; received 'low': add another class"),
        ({"low": 9, "high": 1}, "class 'high' has 1 of 10: give more of it, or leave it out"),
    ],
)
def test_classes_that_cannot_be_trained(tmp_path, capsys, counts, words):
    write_takes(tmp_path / "data", counts)
    assert words in refused(
        capsys, "train", "--source", tmp_path / "data", "--run", tmp_path / "run"
    )


@pytest.mark.parametrize(
    ("cases", "words"),
    [
        ("1,2:3,4:a\n1,2:b\n" * 6, "line 4: expected 2 channels, as the first series has; rec"),
        ("1,2:3,4:a\n1,2:3,inf:b\n" * 6, "values must be finite or missing; received inf"),
    ],
)
def test_series_that_cannot_be_trained_on(tmp_path, capsys, cases, words):
    (tmp_path / "x.ts").write_text(f"@classLabel true a b\n@data\n{cases}", "utf-8")
    assert words in refused(
        capsys, "train", "--source", tmp_path / "x.ts", "--run", tmp_path / "run"
    )


def test_missing_values_are_interpolated(eagerly, tmp_path, capsys):
    cases = "1,NaN,3:3,4,5:a\n9,?,7:3,2,1:b\n" * 12
    (tmp_path / "x.ts").write_text(f"@classLabel true a b\n@data\n{cases}", "utf-8")
    options = ("--units", "4", "--filters", "0", "--epochs", "1")
    call("train", "--source", tmp_path / "x.ts", "--run", tmp_path / "run", *options)
    said = capsys.readouterr().out
    assert "missing values in 19 examples are interpolated" in said
    (tmp_path / "one.csv").write_text("x,y\n1,3\nNaN,4\n3,5\n", "utf-8")
    (tmp_path / "two.csv").write_text("x,y\n1,3\n2,4\n3,5\n", "utf-8")
    call("predict", "--run", tmp_path / "run", tmp_path / "one.csv", tmp_path / "two.csv")
    one, two = capsys.readouterr().out.splitlines()[-2:]
    assert one.partition(")")[0] == two.partition(")")[0]


def test_a_table_without_its_column_of_labels(tmp_path, capsys):
    write_takes(tmp_path, {"low": 4, "high": 4})
    rows = [f"{label}/{take}.wav,{take},1" for label in HERTZ for take in range(4)]
    (tmp_path / "x.csv").write_text("\n".join(["file,take,day", *rows]), "utf-8")
    given = ("train", "--source", tmp_path / "x.csv", "--run", tmp_path / "run")
    line = refused(capsys, *given)
    assert "it is not certain which of the columns ['file', 'take', 'day'] is the label" in line
    assert line.endswith("name it by --label-column")
    line = refused(capsys, *given, "--label-column", "kind")
    assert "there is no column 'kind' for --label-column among ['file', 'take', 'day']" in line


def test_transcripts_with_letters_outside_the_alphabet(tmp_path, capsys):
    write_takes(tmp_path, {"low": 8, "high": 8})
    rows = [f"{label}/{take}.wav,{label}" for label in HERTZ for take in range(8)]
    (tmp_path / "x.csv").write_text("\n".join(["file,transcript", *rows]), "utf-8")
    given = ("train", "--source", tmp_path / "x.csv", "--run", tmp_path / "run")
    line = refused(capsys, *given, "--answer", "transcript", "--alphabet", "low")
    assert "high/" in line
    assert "the transcript holds 'h', which is not in the alphabet: correct it, or add the" in line
