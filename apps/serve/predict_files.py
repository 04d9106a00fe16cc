"""Predictions for many files. Each file is answered as a whole or not at all."""

import base64
import functools
import importlib.util
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
from tqdm import tqdm

from apps.common.cli import find_files
from apps.common.files import replacing
from apps.common.refusal import Refusal
from apps.common.signatures import read_signatures
from apps.serve.errors import ServingError
from apps.serve.json_tensors import dump, read_inputs, rows_of
from apps.serve.models import versions_in
from apps.serve.servable import Servable

IMAGES = (".jpg", ".jpeg", ".png", ".gif")
SUFFIXES = (".jsonl", ".txt", *IMAGES)


def predict_files(
    model: Path, inputs: Sequence[str], to: Path, signature: str, rows: int
) -> tuple[int, int]:
    """Answer files by a SavedModel, on Ray if it is installed.

    Args:
        model: The folder of a model or of a version of it.
        inputs: Files, folders or globs.
        to: The folder for the answers.
        signature: The signature that answers.
        rows: Instances computed together.

    Returns:
        The number of files answered now, and of files answered before.

    Raises:
        Refusal: If an argument is wrong or a file cannot be answered. The files before it are.
        OSError: If a file cannot be read or written.
    """
    if rows < 1:
        raise Refusal(f"rows must be at least 1; received {rows}")
    path = newest_version(model)
    if signature not in (signatures := sorted(read_signatures(path))):
        raise Refusal(f"signature must be one of {', '.join(signatures)}; received {signature!r}")
    wanted, skipped = _unanswered(find_files(inputs, SUFFIXES), to)
    work = functools.partial(answer_file, str(path), signature, rows)
    answers = _on_ray(work, wanted) if importlib.util.find_spec("ray") else map(work, wanted)
    for _ in tqdm(answers, total=len(wanted), unit="file", disable=None):
        pass
    return len(wanted), skipped


def newest_version(model: Path) -> Path:
    """Return the folder of the newest version of a model, or the folder of a version itself.

    Raises:
        Refusal: If the folder is neither.
    """
    if (model / "saved_model.pb").is_file():
        return model
    if not (versions := versions_in(model)):
        raise Refusal(
            f"model: {model} holds no SavedModel and no version with one; give a folder such as "
            "saved_models/<model> or saved_models/<model>/1"
        )
    return model / str(max(versions))


def _unanswered(files: Sequence[Path], to: Path) -> tuple[list[tuple[Path, Path]], int]:
    """Return the files to answer, each with the file of its answers, and how many have theirs."""
    answers: dict[Path, Path] = {}
    for file in files:
        if file.suffix.lower() not in SUFFIXES:
            raise Refusal(f"inputs must end in {', '.join(SUFFIXES)}; received {file}")
        answer = to / f"{file.name}.jsonl"
        if (other := answers.setdefault(answer, file)) is not file:
            raise Refusal(
                f"inputs: {other} and {file} have the same name, and so would their answers in "
                f"{to}; answer them in two commands with different --to"
            )
    to.mkdir(parents=True, exist_ok=True)
    wanted = [(file, answer) for answer, file in answers.items() if not answer.exists()]
    return wanted, len(answers) - len(wanted)


def _on_ray(
    work: Callable[[tuple[Path, Path]], None], wanted: Sequence[tuple[Path, Path]]
) -> Iterator[None]:
    import ray

    def answer(row: dict[str, str]) -> dict[str, str]:
        try:
            work((Path(row["file"]), Path(row["answer"])))
        except (Refusal, OSError) as error:  # Ray would wrap it in an error of its own
            return {"error": str(error)}
        return {"error": ""}

    rows = [{"file": str(file), "answer": str(answer)} for file, answer in wanted]
    for row in ray.data.from_items(rows).map(answer).iter_rows():
        if row["error"]:
            raise Refusal(row["error"])
        yield


@functools.cache
def _servable(model: str) -> Servable:
    return Servable(Path(model))


def answer_file(model: str, signature: str, rows: int, paths: tuple[Path, Path]) -> None:
    """Answer one file.

    Args:
        model: The folder of the version.
        signature: The signature that answers.
        rows: Instances computed together.
        paths: The file, and the file for its answers.

    Raises:
        Refusal: If the file cannot be answered.
        OSError: If it cannot be read or written.
    """
    file, answer = paths
    servable = _servable(model)
    name, known = servable.signature(signature)
    instances, answered = _instances(file), 0
    try:
        with replacing(answer) as temporary, temporary.open("wb") as lines:
            while part := list(itertools.islice(instances, rows)):
                inputs, _ = read_inputs({"instances": part}, known.inputs, rows)
                outputs = servable.predict(name, inputs)
                for row in rows_of(outputs):
                    lines.write(dump(row, *outputs.values()) + b"\n")
                answered += len(part)
    except ServingError as error:
        first, last = answered + 1, answered + len(part)
        raise Refusal(f"{file}, instances {first:,} to {last:,}: {error}") from error


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
                    raise Refusal(f"{file}, line {number:,} is no JSON: {error}") from error
