"""Predictions for many files, each answered whole or not at all."""

import base64
import functools
import importlib.util
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
from tqdm import tqdm

from apps.common.cli import find_files
from apps.common.files import replacing
from apps.common.refusal import Refusal
from apps.serve.errors import ServingError
from apps.serve.json_tensors import dump, read_inputs, rows_of
from apps.serve.models import versions_in
from apps.serve.servable import Servable

IMAGES = (".jpg", ".jpeg", ".png", ".gif")
SUFFIXES = (".jsonl", ".txt", *IMAGES)


def predict_files(
    model: Path, inputs: Sequence[str], to: Path, signature: str, rows: int
) -> tuple[int, int]:
    """Answers files by a SavedModel, on Ray where it is installed.

    Args:
        model: The folder of a model or of a version of it.
        inputs: Files, folders or globs.
        to: The folder for the answers.
        signature: What to ask for.
        rows: Instances computed together.

    Returns:
        How many files were answered now, and how many had been before.

    Raises:
        Refusal: If a file cannot be answered; those before it are.
        OSError: If a file cannot be read or written.
    """
    if rows < 1:
        raise Refusal(f"rows must be at least 1; received {rows}")
    if not (model / "saved_model.pb").is_file():
        if not (versions := versions_in(model)):
            raise Refusal(f"model: {model} holds no SavedModel, and no version with one")
        model = model / str(max(versions))
    files = find_files(inputs, SUFFIXES)
    answers = {file: to / f"{file.name}.jsonl" for file in files}
    if len(set(answers.values())) < len(files):
        raise Refusal("inputs: two files have the same name, and so would their answers")
    if unknown := [str(file) for file in files if file.suffix.lower() not in SUFFIXES]:
        raise Refusal(f"inputs: {unknown[0]} does not end in {', '.join(SUFFIXES)}")
    to.mkdir(parents=True, exist_ok=True)
    wanted = [(file, answer) for file, answer in answers.items() if not answer.exists()]
    work = functools.partial(answer_file, str(model), signature, rows)
    done = _on_ray(work, wanted) if importlib.util.find_spec("ray") else map(work, wanted)
    for _ in tqdm(done, total=len(wanted), unit="file", disable=None):
        pass
    return len(wanted), len(files) - len(wanted)


def _on_ray(work: Any, wanted: Sequence[tuple[Path, Path]]) -> Iterator[None]:
    import ray

    def answered(row: dict[str, str]) -> dict[str, str]:
        try:
            work((Path(row["file"]), Path(row["answer"])))
        except (Refusal, OSError) as error:  # Ray would wrap it in its own
            return {"error": str(error)}
        return {"error": ""}

    rows = [{"file": str(file), "answer": str(answer)} for file, answer in wanted]
    for row in ray.data.from_items(rows).map(answered).iter_rows():
        if row["error"]:
            raise Refusal(row["error"])
        yield


@functools.cache
def _servable(model: str) -> Servable:
    return Servable(Path(model))


def answer_file(model: str, signature: str, rows: int, paths: tuple[Path, Path]) -> None:
    """Answers one file.

    Args:
        model: The folder of the version.
        signature: What to ask for.
        rows: Instances computed together.
        paths: The file, and where the answers go.

    Raises:
        Refusal: If it cannot be answered.
        OSError: If it cannot be read or written.
    """
    file, answer = paths
    servable = _servable(model)
    instances, done = _instances(file), 0
    try:
        name, known = servable.signature(signature)
        with replacing(answer) as temporary, temporary.open("wb") as lines:
            while part := list(itertools.islice(instances, rows)):
                inputs, _ = read_inputs({"instances": part}, known.inputs, rows)
                outputs = servable.run(name, inputs)
                for row in rows_of(outputs):
                    lines.write(dump(row, *outputs.values()) + b"\n")
                done += len(part)
    except ServingError as error:
        raise Refusal(f"{file}, from instance {done + 1:,} on: {error}") from error


def _instances(file: Path) -> Iterator[Any]:
    if file.suffix.lower() in IMAGES:
        yield {"b64": base64.b64encode(file.read_bytes()).decode()}
        return
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if file.suffix.lower() == ".txt":
                yield line.rstrip(b"\r\n").decode(errors="replace")
            elif line.strip():
                try:
                    yield orjson.loads(line)
                except orjson.JSONDecodeError as error:
                    raise Refusal(f"{file}, line {number:,}, is no JSON: {error}") from error
