"""Rows of numbers that are computed once and kept on disk, whatever ends the program."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from apps.common.files import replacing

CHUNK = 64  # rows computed at a time; a kill costs at most so many


def cached_rows(
    path: Path,
    count: int,
    shape: tuple[int, ...],
    dtype: str,
    compute: Callable[[range], tuple[np.ndarray, dict[int, str]]],
    description: str,
) -> tuple[np.ndarray, dict[int, str]]:
    """Maps rows from disk, or computes those that are not there yet.

    Rows are written under another name, which is changed once all are there. Another file says how
    many there are; it is written after them, so that a kill leaves no row that is not whole.

    Args:
        path: Where they are kept. Its name must say all that decides them.
        count: How many there are.
        shape: Of one row.
        dtype: Of the numbers.
        compute: Takes the places of some rows and returns them, and what there is to say of them
            by place, such as why one could not be computed.
        description: Stands before the progress bar.

    Returns:
        The rows `(count, *shape)`, mapped from disk, not to be written to, and what was said.
    """
    notes_path = path.with_suffix(".json")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished, done_path = path.with_suffix(".part.npy"), path.with_suffix(".part.json")
        done: dict = {"rows": 0, "notes": {}}
        if unfinished.exists() and done_path.exists():
            done = json.loads(done_path.read_text())
        mode = "r+" if done["rows"] else "w+"
        if mode == "w+":
            _write(done_path, done)  # what may be there is of an earlier file
        rows = np.lib.format.open_memmap(unfinished, mode, dtype, (count, *shape))
        with tqdm(total=count, initial=done["rows"], desc=description, disable=None) as bar:
            for start in range(done["rows"], count, CHUNK):
                places = range(start, min(start + CHUNK, count))
                rows[places.start : places.stop], said = compute(places)
                rows.flush()
                done["rows"] = places.stop
                done["notes"] |= {str(place): note for place, note in said.items()}
                _write(done_path, done)
                bar.update(len(places))
        _write(notes_path, done["notes"])
        unfinished.replace(path)
        done_path.unlink()
    notes = {int(place): note for place, note in json.loads(notes_path.read_text()).items()}
    return np.load(path, mmap_mode="r"), notes


def _write(path: Path, values: dict) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(values))
