"""Rows of numbers that are computed once and kept on disk, however the program ends."""

import contextlib
import json
import operator
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from apps.common.files import allocate, replacing
from apps.common.json_files import parse
from apps.common.refusal import Refusal

CHUNK = 64  # rows computed at a time, and the most that a kill can cost


def cached_rows(
    path: Path,
    count: int,
    shape: tuple[int, ...],
    dtype: str,
    compute: Callable[[range], tuple[np.ndarray, dict[int, str]]],
    description: str,
) -> tuple[np.ndarray, dict[int, str]]:
    """Map rows from disk, or compute those that are missing.

    Rows are written to a temporary file, which is renamed once it is complete. A second file, which
    is written after each chunk, holds the number of rows done, so that a kill leaves no
    half-written row behind.

    Args:
        path: The file. Its name must determine its contents.
        count: The number of rows.
        shape: The shape of a row.
        dtype: The type of the numbers.
        compute: Takes the places of some rows and returns these rows, and notes by place, such as
            why a row could not be computed.
        description: The label of the progress bar.

    Returns:
        The rows `(count, *shape)`, mapped from disk and read-only, and all notes.
    """
    notes_path = path.with_suffix(".json")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished, done_path = path.with_suffix(".part.npy"), path.with_suffix(".part.json")
        done: dict = {"rows": 0, "notes": {}}
        if unfinished.exists() and done_path.exists():
            done = _read(done_path)
        mode = "r+" if done["rows"] else "w+"
        if mode == "w+":
            _write(done_path, done)  # an older one would belong to an older file
        with _damage_named(unfinished):
            rows = np.lib.format.open_memmap(unfinished, mode, dtype, (count, *shape))
            if rows.shape != (count, *shape) or not 0 <= done["rows"] <= count:
                raise ValueError("it holds other rows")
        allocate(unfinished)
        with tqdm(total=count, initial=done["rows"], desc=description, disable=None) as bar:
            for start in range(done["rows"], count, CHUNK):
                places = range(start, min(start + CHUNK, count))
                rows[places.start : places.stop], notes = compute(places)
                rows.flush()
                done["rows"] = places.stop
                done["notes"] |= {str(place): note for place, note in notes.items()}
                _write(done_path, done)
                bar.update(len(places))
        _write(notes_path, done["notes"])
        unfinished.replace(path)
        done_path.unlink()
    with _damage_named(notes_path):
        values = parse(notes_path.read_bytes())
        notes = {int(place): str(note) for place, note in values.items()}
    with _damage_named(path):
        rows = np.load(path, mmap_mode="r")
        if rows.shape != (count, *shape):
            raise ValueError("it holds other rows")
    return rows, notes


def _read(path: Path) -> dict:
    with _damage_named(path):
        done = parse(path.read_bytes())
        return {"rows": operator.index(done["rows"]), "notes": dict(done["notes"])}


@contextlib.contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """Turn what damaged contents raise into a refusal that names the file."""
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise Refusal(
            f"{path} is damaged ({error}): remove the folder {path.parent}, which is made again"
        ) from error


def _write(path: Path, values: dict) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(values))
