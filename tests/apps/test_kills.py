"""A training that is killed at random moments ends as the unbroken one, bit for bit."""

import csv
import io
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest

from apps.captioning import sample as scenes
from apps.translation import sample as sentences

KILLS = 20
TINY = ("--embedding-size", "2", "--units", "4", "--epochs", "4", "--patience", "4")


def text(folder):
    path = folder / "text.txt"
    path.write_text("the cat sat on the mat, and the dog sat on the log.\n" * 120)
    return path


def pairs(folder):
    path = folder / "pairs.tsv"
    path.write_text("".join(f"{here}\t{there}\n" for here, there in sentences.generate(200, 1)[0]))
    return path


def pictures(folder):
    path = folder / "scenes.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "caption"])
        for place, (content, captions) in enumerate(scenes.generate(30, 1)[0]):
            (folder / f"{place:02}.png").write_bytes(content)
            rows.writerows([f"{place:02}.png", caption] for caption in captions)
    return path


SMALL = {
    "sentiment": (
        lambda folder: "sample",
        (*TINY, "--limit", "100", "--max-length", "40", "--orders", "2", "--min-blocks", "2"),
    ),
    "forecasting": (
        lambda folder: "sample",
        (*TINY[2:], "--sample", "co2", "--steps", "10", "--limit", "64"),
    ),
    "translation": (
        pairs,
        (*TINY, "--vocabulary-size", "80", "--beams", "2", "--dropout", "0.1"),
    ),
    "captioning": (
        pictures,
        (
            *(*TINY, "--vocabulary-size", "60", "--batch-size", "8", "--beams", "2"),
            *("--image-size", "8", "--filters", "2", "--levels", "2"),
        ),
    ),
    "textgen": (
        text,
        (*TINY, "--batch-size", "8", "--steps", "32", "--dropout", "0.1", "--layers", "2"),
    ),
}


def arrays(path):
    """Return every array of a `.keras` file by its name, those of the optimizer, too."""
    found = {}
    with zipfile.ZipFile(path) as archive:
        file = h5py.File(io.BytesIO(archive.read("model.weights.h5")))
    file.visititems(
        lambda name, item: found.update({name: item[()]} if hasattr(item, "dtype") else {})
    )
    return found


def contents(run):
    """Return what a run holds and its process does not decide: by file, texts or arrays."""
    found = {}
    for path in run.rglob("*"):
        name = path.relative_to(run).as_posix()
        if path.suffix == ".keras":
            found[name] = arrays(path)
        elif path.suffix in (".csv", ".txt", ".json"):
            found[name] = path.read_bytes()
        assert not path.name.startswith("."), f"{name} was left behind"
    return found


def assert_same(run, unbroken):
    ours, theirs = contents(run), contents(unbroken)
    assert ours.keys() == theirs.keys()
    assert any(name.endswith(".keras") for name in ours)
    for name, expected in theirs.items():
        if isinstance(expected, bytes):
            assert ours[name] == expected, f"{run.name}: {name}"
        else:
            assert ours[name].keys() == expected.keys()
            for array, values in expected.items():
                np.testing.assert_array_equal(ours[name][array], values, f"{run.name}: {name}")


@pytest.mark.skipif(sys.platform == "win32", reason="it forks")
@pytest.mark.parametrize(
    ("module", "kills"),
    [
        ("tests.apps.one_weight", 2),
        *(pytest.param(app, KILLS, marks=pytest.mark.slow) for app in SMALL),
    ],
)
def test_a_killed_training_ends_as_the_unbroken_one(tmp_path, module, kills):
    options = []
    if module in SMALL:
        data = tmp_path / "data"
        data.mkdir()
        source, further = SMALL[module]
        options = ["--source", str(source(data)), *further]
        module = f"apps.{module}.app"
    command = [sys.executable, "-m", "tests.apps.kills", module, str(kills), str(tmp_path)]
    done = subprocess.run([*command, *options], check=False)
    logs = sorted(tmp_path.glob("*.log"))
    assert done.returncode == 0, [log.read_text()[-2000:] for log in logs]
    broken = [log.with_suffix("") for log in logs if log.stem != "unbroken"]
    assert broken
    for run in broken:
        assert_same(run, tmp_path / "unbroken")
