"""Examples from each source and layout, and data that cannot be trained on."""

import os
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from apps.common.data import catalogue
from apps.common.refusal import Refusal
from apps.recognition import data
from apps.recognition.connected import PAUSES, WORDS, draw_utterances
from apps.recognition.data import load
from apps.recognition.examples import class_names, interpolated
from apps.recognition.parts import with_validation
from apps.recognition.sample import GESTURES, digits, gestures
from apps.recognition.speech_sample import RATE, SPEAKERS, spoken_digits

HEAD = "@problemName Toy\n@timeStamps false\n@classLabel true 1 2\n@data\n"


def write_ts(path, cases=12, line="{0},{1}.5,3:4,?,{0}:{2}"):
    lines = [line.format(n, n, "ab"[n % 2]) for n in range(cases)]
    path.write_text(HEAD + "# a comment\n" + "\n".join(lines) + "\n", "utf-8")


def tone(hertz, rate=RATE, seconds=0.05):
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)


def write_takes(folder, takes=range(8), labels="01", speakers=("ann", "bob")):
    folder.mkdir(parents=True)
    for label in labels:
        for speaker in speakers:
            for take in takes:
                soundfile.write(
                    folder / f"{label}_{speaker}_{take}.wav", tone(300 + 100 * int(label)), RATE
                )


def write_labels(folder, count=5, labels=("left", "right"), rate=RATE):
    for number, label in enumerate(labels):
        (folder / label).mkdir(parents=True)
        for n in range(count):
            file = folder / label / f"{n}.flac"
            soundfile.write(file, tone(300 * (number + 1), rate), rate)


# Samples


def test_gestures_are_balanced_seeded_and_not_told_apart_by_where_the_pen_was():
    examples = gestures(40)
    assert Counter(e.answer for e in examples) == dict.fromkeys(GESTURES, 4)
    again = gestures(40)
    assert all(np.array_equal(a.values, b.values) for a, b in zip(examples, again, strict=True))
    assert not np.array_equal(gestures(1, 2)[0].values, examples[0].values)
    np.testing.assert_array_equal(GESTURES["square"][::-1], GESTURES["square_back"])
    forwards, back = GESTURES["circle"], GESTURES["circle_back"]
    np.testing.assert_allclose(forwards[::-1], back, atol=1e-9)


def test_spoken_digits_are_words_of_six_speakers():
    examples = spoken_digits(1)
    assert len(examples) == 10 * len(SPEAKERS)
    assert {e.speaker for e in examples} == {s.name for s in SPEAKERS}
    for example in examples:
        assert np.abs(example.values).max() <= 1
        assert 0.1 < len(example.values) / RATE < 1.5
    voiced = {e.answer: e for e in examples if e.speaker == "ada"}
    high = {  # the part of the energy above 2.5 kHz
        word: (energy := np.abs(np.fft.rfft(e.values)) ** 2)[len(energy) * 5 // 8 :].sum()
        / energy.sum()
        for word, e in voiced.items()
    }
    assert high["6"] > 5 * high["1"]  # the hiss of six; one has none


@pytest.mark.parametrize(("pixels", "shape"), [(True, (64, 1)), (False, (8, 8))])
def test_digits_are_read_by_rows_or_pixels(pixels, shape):
    examples = digits(pixels)
    assert len(examples) == 1797
    assert all(e.values.shape == shape for e in examples)
    assert max(e.values.max() for e in examples) == 1
    np.testing.assert_array_equal(examples[0].values.ravel(), digits(False)[0].values.ravel())


def test_the_test_part_of_a_sample_is_always_the_same(capsys):
    one, other = load("sample", sample="digits"), load("sample", sample="digits")
    assert [e.place for e in one.test] == [e.place for e in other.test]
    assert (len(one.train), len(one.test)) == (1437, 360)
    assert set(Counter(e.answer for e in one.test).values()) <= set(range(34, 38))
    assert "1,437 training and 360 test examples, 8 to 8 steps of 8 channels" in (
        capsys.readouterr().out
    )


# Series


def test_ts_files_with_their_test_part(tmp_path):
    write_ts(tmp_path / "Toy_TRAIN.ts")
    write_ts(tmp_path / "Toy_TEST.ts", 4)
    for source in (tmp_path, tmp_path / "Toy_TRAIN.ts"):
        found = load(str(source))
        assert (len(found.train), len(found.test)) == (12, 4)
        assert [e.answer for e in found.test] == ["a", "b", "a", "b"]
        # The missing value lies between its neighbours.
        np.testing.assert_allclose(found.train[3].values, [[3, 4], [3.5, 3.5], [3, 3]])
    write_ts(tmp_path / "Other_TRAIN.ts")
    write_ts(tmp_path / "Other_TEST.ts")
    with pytest.raises(Refusal, match="holds several training files, Other_TRAIN, Toy_TRAIN"):
        load(str(tmp_path))


def test_arff_tsv_and_numpy_hold_the_same(tmp_path):
    one, two = np.arange(24.0).reshape(12, 2), 7 + np.arange(24.0).reshape(12, 2)
    labels = ["ab"[n % 2] for n in range(12)]
    rows = [
        f"'{a[0]},{a[1]}\\n{b[0]},{b[1]}',{label}"
        for a, b, label in zip(one, two, labels, strict=True)
    ]
    (tmp_path / "x.arff").write_text("@relation x\n@data\n" + "\n".join(rows), "utf-8")
    np.savez(tmp_path / "x.npz", X=np.stack([one, two], axis=2), y=labels)
    for name in ("x.arff", "x.npz"):
        found = load(str(tmp_path / name))
        examples = sorted((*found.train, *found.test), key=lambda e: e.values[0, 0])
        assert [e.answer for e in examples] == labels
        np.testing.assert_array_equal(examples[5].values, [[10, 17], [11, 18]])
    lines = [f"{label}\t{a[0]}\t{a[1]}\tNaN" for a, label in zip(one, labels, strict=True)]
    (tmp_path / "x.tsv").write_text("\n".join(lines), "utf-8")
    found = load(str(tmp_path / "x.tsv"))
    assert {e.values.shape for e in found.train} == {(2, 1)}


def test_japanese_vowels_are_numbered_by_their_speakers(tmp_path):
    row = " ".join(["0.5"] * 12)
    end = " ".join(["1.0"] * 12)
    for name, count in (("ae.train", 270), ("ae.test", 370)):
        (tmp_path / name).write_text(f"{row}\n{row}\n{end}\n" * count, "utf-8")
    found = load(str(tmp_path))
    assert Counter(e.answer for e in found.train) == {str(n): 30 for n in range(1, 10)}
    counts = [Counter(e.answer for e in found.test)[str(n)] for n in range(1, 10)]
    assert counts == [31, 35, 88, 44, 29, 24, 40, 50, 29]
    assert found.train[0].values.shape == (2, 12)
    (tmp_path / "ae.test").write_text(f"{row}\n{end}\n" * 369, "utf-8")
    with pytest.raises(Refusal, match="must hold 370 blocks of rows"):
        load(str(tmp_path))


@pytest.mark.parametrize("long", [False, True])
def test_long_tables(tmp_path, long):
    rows = []
    for case in range(12):
        for time in (2, 1):  # in any order
            x, y, label = 10 * case + time, -time, "ab"[case % 2]
            if long:
                rows += [f"{case},{time},x,{x},{label}", f"{case},{time},y,{y},{label}"]
            else:
                rows.append(f"{case},{time},{x},{y},{label}")
    head = "case,time,channel,value,label" if long else "case,time,x,y,label"
    (tmp_path / "x.csv").write_text("\n".join([head, *rows]), "utf-8")
    found = load(str(tmp_path / "x.csv"))
    assert found.channels == ("x", "y")
    examples = {e.place: e for e in (*found.train, *found.test)}
    np.testing.assert_array_equal(
        examples[f"{tmp_path / 'x.csv'}, case 3"].values, [[31, -1], [32, -2]]
    )
    head = head.replace("label", "kind")
    (tmp_path / "x.csv").write_text("\n".join([head, *rows]), "utf-8")
    with pytest.raises(Refusal, match="there is no column 'label' among"):
        load(str(tmp_path / "x.csv"))
    assert len(load(str(tmp_path / "x.csv"), label_column="kind").test) == 3
    if not long:  # a channel may have the name of another role
        (tmp_path / "x.csv").write_text("\n".join([head.replace("x", "label"), *rows]), "utf-8")
        found = load(str(tmp_path / "x.csv"), label_column="kind")
        assert {e.answer for e in found.train} == {"a", "b"}
        assert found.channels == ("label", "y")


def test_a_channel_without_any_value_stays_missing():
    values = np.array([[np.nan, np.nan], [1, np.nan], [np.nan, np.nan], [3, np.nan]], "f4")
    found = interpolated(values)
    np.testing.assert_array_equal(found[:, 0], [1, 1, 2, 3])
    assert np.isnan(found[:, 1]).all()


# Recordings and images


def test_takes_have_speakers_and_a_test_part(tmp_path):
    write_takes(tmp_path / "recordings")
    found = load(str(tmp_path))
    assert (len(found.train), len(found.test)) == (12, 20)
    assert {e.speaker for e in found.test} == {"ann", "bob"}
    with tarfile.open(tmp_path / "recordings.tar", "w") as archive:
        archive.add(tmp_path / "recordings", "recordings")
    for path in (tmp_path / "recordings").iterdir():
        path.unlink()
    (tmp_path / "recordings").rmdir()
    packed = load(str(tmp_path))
    for one, other in zip(found.train, packed.train, strict=True):
        np.testing.assert_array_equal(one.values, other.values)
    held_out = load(str(tmp_path), speaker="ann")
    assert {e.speaker for e in held_out.test} == {"ann"}
    assert {e.speaker for e in held_out.train} == {"bob"}
    with pytest.raises(Refusal, match=r"speaker must be one of the speakers of .*: ann, bob; rec"):
        load(str(tmp_path), speaker="carl")


def test_folders_by_label_with_mixed_rates(tmp_path, capsys):
    write_labels(tmp_path)
    soundfile.write(tmp_path / "left" / "x.wav", tone(300, 16_000), 16_000)
    found = load(str(tmp_path))
    assert "samples a second differ (10 of 8,000, 1 of 16,000); all are brought to 8,000" in (
        capsys.readouterr().out
    )
    assert found.rate == RATE
    assert {len(e.values) for e in (*found.train, *found.test)} == {400}
    assert load(str(tmp_path), rate=4000).rate == 4000


def test_speech_commands_lists_its_test_part(tmp_path):
    write_labels(tmp_path)
    write_labels(tmp_path / "_background_noise_")
    (tmp_path / "testing_list.txt").write_text("left/0.flac\nright/3.flac\n", "utf-8")
    found = load(str(tmp_path))
    assert sorted(Path(e.place).name for e in found.test) == ["0.flac", "3.flac"]
    assert len(found.train) == 8


def test_a_table_names_files_and_transcripts(tmp_path):
    write_labels(tmp_path)
    rows = [f"left/{n}.flac,Go  Left" for n in range(5)]
    (tmp_path / "x.csv").write_text("\n".join(["path,sentence", *rows]), "utf-8")
    found = load(str(tmp_path / "x.csv"), answer="transcript")
    assert {e.answer for e in (*found.train, *found.test)} == {"Go  Left"}
    with pytest.raises(Refusal, match="needs a table of files and transcripts"):
        load(str(tmp_path), answer="transcript")
    (tmp_path / "x.csv").write_text("path,sentence\nleft/9.flac,x\nleft/0.flac,x", "utf-8")
    with pytest.raises(Refusal, match=r"row 1: there is no file .*9\.flac"):
        load(str(tmp_path / "x.csv"), answer="transcript")


def test_images_are_scaled_to_the_first(tmp_path):
    for label, side in (("cat", 6), ("dog", 9)):
        (tmp_path / label).mkdir()
        for n in range(5):
            Image.new("L", (side, side), 51 * n).save(tmp_path / label / f"{n}.png")
    found = load(str(tmp_path))
    assert {e.values.shape for e in (*found.train, *found.test)} == {(6, 6)}
    pixels = load(str(tmp_path), image_steps="pixels", image_size=4)
    assert {e.values.shape for e in pixels.train} == {(16, 1)}
    shades = {round(float(e.values[0, 0]) * 5) for e in (*pixels.train, *pixels.test)}
    assert shades == set(range(5))


def test_the_catalogue_has_recordings_images_and_series(monkeypatch):
    rows = [(np.full(8, 2**14, "int64"), "ab"[n % 2]) for n in range(10)]
    parts = {"train": rows, "test": rows[:2]}
    asked = []

    def read(name):
        asked.append(name)
        return catalogue.Labelled(parts, 8000, False)

    monkeypatch.setattr(catalogue, "read_labelled", read)
    found = load("tfds")
    assert asked == ["speech_commands"]
    assert (found.rate, len(found.test)) == (8000, 2)
    np.testing.assert_array_equal(found.train[0].values, np.full(8, 0.5))
    parts.clear()
    parts["train"] = [(np.full((4, 4, 1), 255, "uint8"), label) for _, label in rows]
    monkeypatch.setattr(
        catalogue, "read_labelled", lambda name: catalogue.Labelled(parts, None, True)
    )
    found = load("tfds", catalogue_name="mnist")
    with pytest.raises(Refusal, match="answer must be class with mnist, which has no sound; rec"):
        load("tfds", catalogue_name="mnist", answer="connected")
    np.testing.assert_array_equal(found.train[0].values, np.ones((4, 4)))


# What cannot be trained on


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no data", "expected a line @data"),
        ("@timeStamps true\n@data\n", "time stamps of their own are not read"),
        ("@classLabel false\n@data\n", "each case needs a class"),
        (HEAD, "the file holds no cases"),
        (HEAD + "1,2:3:a\n", "must have the same number of steps; received 1, 2"),
        (HEAD + "1,x:3,4:a\n", "line 5: expected numbers; received 'x'"),
        (HEAD + "1,2:3,4:\n", "line 5: the label is empty"),
        (HEAD + "1,2:a\n1,2:3,4:b\n" * 6, "expected 1 channels, as the first series has; rec"),
        (HEAD + "1,inf:a\n1,2:b\n" * 6, "values must be finite or missing; received inf"),
        (HEAD + "1,2:a\n" * 6, "two classes or more are needed; received 'a'"),
        (HEAD + "1,2:a\n" * 6 + "1,2:b\n", "class 'b' has 1 of 7: give more of it"),
    ],
)
def test_broken_series(tmp_path, text, words):
    (tmp_path / "x.ts").write_text(text, "utf-8")
    with pytest.raises(Refusal, match=words) as refusal:
        load(str(tmp_path / "x.ts"))
    assert "x.ts" in str(refusal.value)


def test_numpy_files_that_cannot_be_read(tmp_path):
    for arrays, words in (
        ({"X": np.zeros((3, 2))}, r"must hold X \(cases, timesteps, channels\) and y"),
        ({"X": np.zeros((3, 2)), "y": np.zeros(4)}, "have a label for each case"),
        ({"X": np.array([{}], object), "y": np.zeros(1)}, "holds no arrays of numbers"),
    ):
        np.savez(tmp_path / "x.npz", **arrays)
        with pytest.raises(Refusal, match=words):
            load(str(tmp_path / "x.npz"))


def test_folders_that_cannot_be_used(tmp_path):
    with pytest.raises(Refusal, match="expected folders of recordings or images by label"):
        load(str(tmp_path))
    write_labels(tmp_path)
    (tmp_path / "left" / "x.wav").write_text("no recording", "utf-8")
    with pytest.raises(Refusal, match=r"left/x\.wav is no sound WAV, FLAC or OGG file"):
        load(str(tmp_path))
    (tmp_path / "left" / "x.wav").unlink()
    for option, value in (("image_steps", "rows"), ("label_column", "x")):
        with pytest.raises(Refusal, match=f"{option} has no effect with recordings"):
            load(str(tmp_path), **{option: value})
    Image.new("L", (3, 3)).save(tmp_path / "left" / "x.png")
    with pytest.raises(Refusal, match="must hold recordings or images; it holds both"):
        load(str(tmp_path))


def test_a_class_that_is_only_tested(tmp_path):
    write_labels(tmp_path / "train")
    write_labels(tmp_path / "test", labels=("left", "up"))
    with pytest.raises(Refusal, match="there are none of up"):
        load(str(tmp_path))


# Parts and joined recordings


def test_numbers_are_classes_in_their_order():
    assert class_names(["10", "9", "9"]) == ("9", "10")
    assert class_names(["10", "b", "a"]) == ("10", "a", "b")


def test_each_class_trains_and_validates():
    found = load("sample", sample="digits")
    train, validation = with_validation(found, 0.2, 1, "class")
    assert len(train) + len(validation) == len(found.train)
    assert len({e.answer for e in validation}) == 10
    assert not {e.place for e in train} & {e.place for e in validation}
    train, validation = with_validation(found, 0.0, 1, "class")
    assert train == validation == list(found.train)


def test_joined_recordings_are_of_one_speaker_and_hold_their_words():
    recordings = spoken_digits(1)
    found = draw_utterances(recordings, 40, 1, RATE)
    by_name = {e.place: e for e in recordings}
    for utterance in found:
        words = [by_name[name] for name in utterance.place.split(" + ")]
        assert WORDS[0] <= len(words) <= WORDS[1]
        assert {word.speaker for word in words} == {utterance.speaker}
        assert utterance.answer == " ".join(word.answer for word in words)
        spoken = sum(len(word.values) for word in words)
        gaps = len(words) + 1
        low, high = (spoken + gaps * seconds * RATE for seconds in PAUSES)
        assert low <= len(utterance.values) <= high
    assert len({u.answer for u in found}) > 35
    again = draw_utterances(recordings, 40, 1, RATE)
    np.testing.assert_array_equal(found[7].values, again[7].values)


# Public data


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "train", "test"), [("fsdd", 2700, 300), ("japanese_vowels", 270, 370)]
)
def test_public_data(name, train, test):
    found = data.load(os.path.join(os.environ["RNNLAYERS_DATA"], name))  # noqa: PTH118
    assert (len(found.train), len(found.test)) == (train, test)
