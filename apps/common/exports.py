"""Exports of runs: the SavedModel, requests to warm it up, and a card that says what it is."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import rnnlayers
from apps.common.model_cards import CARDS, Card
from apps.common.other_runtimes import (
    FOLDER,
    Format,
    NumericEndpoints,
    check_installed,
    write_files,
)
from apps.common.runs import Run
from apps.common.serving.servable import WARMUP, read_signatures

CARD = "model_card.md"


def export_run(
    model: Any,
    run: Run,
    app: str,
    to: Path,
    *,
    endpoints: Mapping[str, Any],
    probes: Mapping[str, Any],
    numeric: Callable[[], NumericEndpoints],
    also: Sequence[Format] = (),
    tolerance: float = 1e-5,
) -> Path:
    """Exports the model of a run to `<to>/<app>/<version>`.

    Args:
        model: See `rnnlayers.export_model`, as for the arguments not named here.
        run: The run.
        app: The application.
        to: The folder of all exports.
        endpoints: The functions by name.
        probes: Examples for each endpoint, real ones where there are some; they warm up a server
            as well.
        numeric: Returns what other runtimes are given.
        also: For which of them to write files. One that answers differently withdraws the export.
        tolerance: How far the exported model may be from the live one.
    """
    check_installed(also)

    def finish(folder: Path) -> None:
        (folder / CARD).write_text(describe(folder, run, app), "utf-8")
        write_warmup_requests(folder / WARMUP, app, endpoints, probes)
        if also:
            write_files(folder / FOLDER, model, also, numeric(), tolerance)

    path = rnnlayers.export_model(
        model, to / app, endpoints=endpoints, probes=probes, tolerance=tolerance, finish=finish
    )
    print(f"Exported to {path}; {path / CARD} says what it is")
    return path


def write_warmup_requests(
    file: Path, model: str, endpoints: Mapping[str, Any], probes: Mapping[str, Any]
) -> None:
    """Writes requests that TensorFlow Serving answers before it takes any, so that none is slow.

    Args:
        file: The file, of the name that it looks for.
        model: The name under which the model will be served.
        endpoints: `(function, signature)` by name.
        probes: The inputs of each endpoint.
    """
    try:
        from tensorflow_serving.apis.predict_pb2 import PredictRequest
        from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog, PredictLog
    except ImportError:
        print(f"No {file.name}: tensorflow-serving-api is not installed, the extra `serving`")
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(file)) as records:
        for name, (_, signature) in endpoints.items():
            request = PredictRequest()
            request.model_spec.name = model
            request.model_spec.signature_name = name
            for key, spec in signature.items():
                tensor = tf.convert_to_tensor(probes[name][key], spec.dtype)
                request.inputs[key].CopyFrom(tf.make_tensor_proto(tensor))
            log = PredictionLog(predict_log=PredictLog(request=request))
            records.write(log.SerializeToString())


def describe(folder: Path, run: Run, app: str) -> str:
    """Returns the card of a SavedModel as Markdown.

    Args:
        folder: The SavedModel.
        run: The run that it is of.
        app: The application.
    """
    card, settings = CARDS[app], json.loads(run.settings_file.read_text("utf-8"))
    source = settings["source"]
    if source not in card.data:
        settings["source"] = Path(source).name  # where it lay is nobody else's business
    versions = {"rnnlayers": rnnlayers.__version__, "keras": keras.__version__}
    versions |= {"tensorflow": tf.__version__, "numpy": np.__version__}
    sections = {
        "Inputs and outputs": _tensors(folder, card),
        "Data": card.data.get(source, f"`{Path(source).name}`, of the user's own."),
        "Quality": _quality(run, app),
        "Limits": card.limits,
        "Made with": ", ".join(f"{name} {number}" for name, number in versions.items())
        + f"; seed {settings['seed']}. All settings:\n\n```json\n{json.dumps(settings)}\n```",
    }
    parts = [f"## {title}\n\n{text}" for title, text in sections.items()]
    return "\n\n".join([f"# {app}", card.does, *parts]) + "\n"


def _tensors(folder: Path, card: Card) -> str:
    rows = []
    for endpoint, signature in sorted(read_signatures(folder).items()):
        for way in ("inputs", "outputs"):
            for name, spec in sorted(getattr(signature, way).items()):
                shape = ", ".join("?" if size is None else str(size) for size in spec.shape or ())
                row = (f"`{endpoint}`", way[:-1], f"`{name}`", spec.dtype.name, f"({shape})")
                rows.append((*row, card.meaning(name)))
    return _table(("endpoint", "", "tensor", "dtype", "shape", "meaning"), rows)


def _quality(run: Run, app: str) -> str:
    command = f"`python -m apps.{app} evaluate --run {run.folder.name}`"
    if not run.metrics_file.exists():
        return f"Not measured before it was exported; {command} does."
    found = json.loads(run.metrics_file.read_text("utf-8"))
    scores = {"this model": found["metrics"], **found["baselines"]}
    names = list(found["metrics"])
    rows = [
        (model, *(f"{values[name]:.4g}" if name in values else "" for name in names))
        for model, values in scores.items()
    ]
    table = _table(("", *names), rows)
    return f"On the {found['split']} split, by {command}:\n\n{table}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
