import json
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from apps.captioning.row_cache import CHUNK, cached_rows
from apps.common.refusal import Refusal

COUNT, SHAPE = 3 * CHUNK + 5, (2, 3)


def compute(places):
    """Rows by which their place is known, and a note on every seventh."""
    rows = np.stack([np.full(SHAPE, place, "float32") for place in places])
    return rows, {place: f"note {place}" for place in places if place % 7 == 0}


def fails(places):
    raise AssertionError(f"computed again: {places}")


def load(path, compute=compute, count=COUNT):
    return cached_rows(path, count, SHAPE, "float32", compute, "Rows")


def check_rows(rows, notes):
    assert (rows.shape, rows.dtype) == ((COUNT, *SHAPE), "float32")
    np.testing.assert_array_equal(rows, compute(range(COUNT))[0])
    assert notes == compute(range(COUNT))[1]


def test_rows_are_computed_once_in_chunks(tmp_path):
    path, asked = tmp_path / "new" / "rows.npy", []

    def counted(places):
        asked.append(len(places))
        return compute(places)

    check_rows(*load(path, counted))
    assert asked == [CHUNK] * 3 + [5]
    check_rows(*load(path, fails))
    assert sorted(file.name for file in path.parent.iterdir()) == ["rows.json", "rows.npy"]


def test_rows_are_mapped_and_not_to_be_written_to(tmp_path):
    rows, _ = load(tmp_path / "rows.npy")
    assert isinstance(rows, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        rows[0] = 1


@pytest.mark.parametrize("count", [1, CHUNK, CHUNK + 1])
def test_any_number_of_rows(tmp_path, count):
    rows, notes = load(tmp_path / "rows.npy", count=count)
    np.testing.assert_array_equal(rows[:, 0, 0], np.arange(count))
    assert sorted(notes) == list(range(0, count, 7))


def goes_on(path, chunks):
    """Loads what was broken off after some chunks, of which none must be computed again."""
    asked = []

    def rest(places):
        asked.append(places.start)
        return compute(places)

    assert not path.exists()
    check_rows(*load(path, rest))
    assert asked == [place * CHUNK for place in range(chunks, 4)]
    check_rows(*load(path, fails))


def test_killed_midway_it_goes_on_with_the_rows_left(tmp_path):
    path = tmp_path / "rows.npy"
    program = f"""
import os, signal
from pathlib import Path
from tests.apps.captioning import test_row_cache
def killed(places):
    if places.start == {2 * CHUNK}:
        os.kill(os.getpid(), signal.SIGKILL)
    return test_row_cache.compute(places)
test_row_cache.load(Path({str(path)!r}), killed)
"""
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert process.returncode == -signal.SIGKILL, process.stderr
    goes_on(path, 2)


@pytest.mark.parametrize("chunks", [0, 1, 3])
def test_an_error_while_a_chunk_is_computed_loses_that_chunk_alone(tmp_path, chunks):
    path = tmp_path / "rows.npy"

    def broken(places):
        if places.start == chunks * CHUNK:
            raise OSError("gone")
        return compute(places)

    with pytest.raises(OSError, match="gone"):
        load(path, broken)
    goes_on(path, chunks)


def test_rows_of_which_none_is_known_to_be_whole_are_computed_anew(tmp_path):
    path = tmp_path / "rows.npy"
    (tmp_path / "rows.part.npy").write_bytes(b"cut off")
    check_rows(*load(path))


def test_what_an_earlier_file_said_is_not_believed_of_a_new_one(tmp_path):
    path = tmp_path / "rows.npy"
    (tmp_path / "rows.part.json").write_text(json.dumps({"rows": COUNT, "notes": {}}))

    def broken(places):
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        load(path, broken)
    check_rows(*load(path))


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("replace", r"\.\d+-rows\.json"),
        ("replace", r"rows\.part\.npy"),
        ("unlink", r"rows\.part\.json"),
    ],
)
def test_killed_at_the_very_end_nothing_is_lost(tmp_path, monkeypatch, method, name):
    path = tmp_path / "rows.npy"
    original = getattr(type(path), method)

    def killed(self, *arguments, **options):
        if re.fullmatch(name, self.name):
            raise KeyboardInterrupt
        return original(self, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(type(path), method, killed)
        with pytest.raises(KeyboardInterrupt):
            load(path)
    check_rows(*load(path, fails))


def test_two_files_beside_one_another_do_not_disturb_each_other(tmp_path):
    load(tmp_path / "one.npy", count=3)
    rows, _ = load(tmp_path / "other.npy", lambda places: (-compute(places)[0], {}), count=3)
    assert rows[2, 0, 0] == -2
    assert load(tmp_path / "one.npy", fails, count=3)[0][2, 0, 0] == 2
    assert json.loads((tmp_path / "other.json").read_text()) == {}
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.json", b"[" * 100_000),
        ("rows.json", b'{"first": "note"}'),
        ("rows.json", b"[1]"),
        ("rows.npy", b"no array"),
        ("rows.part.json", b'{"rows": "all", "notes": {}}'),
        ("rows.part.json", b'{"rows": 1e9, "notes": {}}'),
        ("rows.part.json", b"{}"),
        ("rows.part.npy", b"no array"),
    ],
)
def test_a_file_that_is_damaged_is_named_and_can_be_made_again(tmp_path, name, content):
    path = tmp_path / "cache" / "rows.npy"
    load(path)
    if "part" in name:
        path.rename(path.with_suffix(".part.npy"))
        path.with_suffix(".part.json").write_text(json.dumps({"rows": CHUNK, "notes": {}}))
    (path.parent / name).write_bytes(content)
    words = rf"{re.escape(name)} is damaged .* remove the folder .*cache, which is made again"
    with pytest.raises(Refusal, match=words):
        load(path)
    shutil.rmtree(path.parent)
    check_rows(*load(path))
