"""Predictions for many files. What cannot be answered is listed, and the rest is answered.

The answers of a file appear as a whole or not at all, a line for each of its inputs. In the place
of an input that cannot be answered stands `{"error": "<reason>"}`. Such a file is answered again by
the next command, and until then a list of its errors lies next to its answers.
"""

import base64
import codecs
import functools
import importlib.util
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from tqdm import tqdm

from apps.common.cli import find_files
from apps.common.files import clear_abandoned, replacing
from apps.common.refusal import Refusal
from apps.common.signatures import read_signatures
from apps.serve.errors import ServingError
from apps.serve.json_tensors import dump, read_inputs, rows_of
from apps.serve.servable import Servable
from apps.serve.sources import versions_in

IMAGES = (".jpg", ".jpeg", ".png", ".gif")
SUFFIXES = (".jsonl", ".txt", *IMAGES)


class Instance(NamedTuple):
    """One input of a file."""

    line: int  # counted from 1; 0 if the file is one input
    value: Any
    problem: str = ""  # why it cannot be read


class Done(NamedTuple):
    """What has been answered."""

    answered: int  # files answered now
    skipped: int  # files answered before
    problems: list[str]  # file, line and reason of each input that could not be answered


def predict_files(model: Path, inputs: Sequence[str], to: Path, signature: str, rows: int) -> Done:
    """Answer files by a SavedModel, on Ray if it is installed.

    Args:
        model: The folder of a model or of a version of it.
        inputs: Files, folders or globs.
        to: The folder for the answers.
        signature: The signature that answers.
        rows: Instances computed together.

    Raises:
        Refusal: If an argument is wrong, or the model cannot be loaded.
        OSError: If an answer cannot be written.
    """
    if rows < 1:
        raise Refusal(f"rows must be at least 1; received {rows}")
    path = newest_version(model)
    if signature not in (signatures := sorted(read_signatures(path))):
        raise Refusal(f"signature must be one of {', '.join(signatures)}; received {signature!r}")
    wanted, skipped = _unanswered(find_files(inputs, SUFFIXES), to)
    work = functools.partial(answer_file, str(path), signature, rows)
    answers = _on_ray(work, wanted) if importlib.util.find_spec("ray") else map(work, wanted)
    problems = list(
        itertools.chain.from_iterable(tqdm(answers, total=len(wanted), unit="file", disable=None))
    )
    return Done(len(wanted), skipped, problems)


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
    clear_abandoned(to)
    wanted = [
        (file, answer)
        for answer, file in answers.items()
        if not answer.exists() or errors_of(answer).exists()
    ]
    return wanted, len(answers) - len(wanted)


def errors_of(answer: Path) -> Path:
    """Return the file with the errors of a file of answers."""
    return answer.with_name(f"{answer.stem}.errors.jsonl")


def _on_ray(
    work: Callable[[tuple[Path, Path]], list[str]], wanted: Sequence[tuple[Path, Path]]
) -> Iterator[list[str]]:
    import ray

    def answer(row: dict[str, str]) -> dict[str, str]:
        try:
            problems = work((Path(row["file"]), Path(row["answer"])))
        except (Refusal, OSError) as error:  # Ray would wrap it in an error of its own
            return {"error": str(error), "problems": "[]"}
        return {"error": "", "problems": orjson.dumps(problems).decode()}

    rows = [{"file": str(file), "answer": str(answer)} for file, answer in wanted]
    for row in ray.data.from_items(rows).map(answer).iter_rows():
        if row["error"]:
            raise Refusal(row["error"])
        yield orjson.loads(row["problems"])


@functools.cache
def _servable(model: str) -> Servable:
    return Servable(Path(model))


def answer_file(model: str, signature: str, rows: int, paths: tuple[Path, Path]) -> list[str]:
    """Answer one file.

    Args:
        model: The folder of the version.
        signature: The signature that answers.
        rows: Instances computed together.
        paths: The file, and the file for its answers.

    Returns:
        What could not be answered: file, line and reason.

    Raises:
        Refusal: If the model cannot be loaded.
        OSError: If the answers cannot be written.
    """
    file, answer = paths
    servable = _servable(model)
    instances, errors = _instances(file), []
    with replacing(answer) as temporary, temporary.open("wb") as lines:
        while part := list(itertools.islice(instances, rows)):
            for instance, found in zip(part, _answers(servable, signature, part), strict=True):
                if isinstance(found, str):
                    errors.append({"line": instance.line, "error": found})
                    found = orjson.dumps({"error": found})
                lines.write(found + b"\n")
        if errors:  # before the answers appear, so that these never pass for complete
            with replacing(errors_of(answer)) as listed:
                listed.write_bytes(b"".join(orjson.dumps(error) + b"\n" for error in errors))
    if not errors:
        errors_of(answer).unlink(missing_ok=True)
    places = [f", line {error['line']:,}" if error["line"] else "" for error in errors]
    return [f"{file}{place}: {error['error']}" for place, error in zip(places, errors, strict=True)]


def _answers(servable: Servable, signature: str, part: Sequence[Instance]) -> Iterator[bytes | str]:
    """Yield for each instance its answer as JSON, or why there is none."""
    readable = [instance.value for instance in part if not instance.problem]
    found = iter(_predicted(servable, signature, readable) if readable else ())
    for instance in part:
        yield instance.problem or next(found)


def _predicted(servable: Servable, signature: str, values: list) -> list[bytes | str]:
    """Return the answers to values, computed together if the model takes all of them."""
    name, known = servable.signature(signature)
    try:
        inputs, _ = read_inputs({"instances": values}, known.inputs, len(values))
        outputs = servable.predict(name, inputs)
        return [dump(row, *outputs.values()) for row in rows_of(outputs)]
    except ServingError as error:
        if len(values) == 1:
            return [str(error)]
    return [found for value in values for found in _predicted(servable, signature, [value])]


def _instances(file: Path) -> Iterator[Instance]:
    suffix = file.suffix.lower()
    try:
        if suffix in IMAGES:
            yield Instance(0, {"b64": base64.b64encode(file.read_bytes()).decode()})
            return
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if suffix == ".txt":
                    yield Instance(number, *_text(line))
                elif line.strip():
                    yield Instance(number, *_json(line))
    except OSError as error:
        yield Instance(0, None, f"it cannot be read ({error.strerror})")


def _text(line: bytes) -> tuple[str, str]:
    """Return the text of a line, and why it is none."""
    try:
        return line.rstrip(b"\r\n").decode("utf-8-sig"), ""
    except UnicodeDecodeError:
        return "", "the line is no UTF-8; convert the file"


def _json(line: bytes) -> tuple[Any, str]:
    """Return the value of a line, and why it is none."""
    try:
        return orjson.loads(line.removeprefix(codecs.BOM_UTF8)), ""
    except orjson.JSONDecodeError as error:
        return None, f"the line is no JSON ({error})"
