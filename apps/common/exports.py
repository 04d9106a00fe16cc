"""Export of runs: the SavedModel, requests to warm it up, and a card that says what it is."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

import rnnlayers
from apps.common.cards import Card, describe
from apps.common.endpoint_checks import checked_for_rows
from apps.common.files import note_written
from apps.common.other_runtimes import (
    FOLDER,
    Format,
    NumericEndpoints,
    check_installed,
    write_files,
)
from apps.common.runs import Run
from apps.common.signatures import CARD_FILE, WARMUP


def export_run(
    model: Any,
    run: Run,
    app: str,
    to: Path,
    *,
    endpoints: Mapping[str, Any],
    probes: Mapping[str, Any],
    numeric: Callable[[], NumericEndpoints],
    card: Card,
    also: Sequence[Format] = (),
    tolerance: float = 1e-5,
) -> Path:
    """Export the model of a run to `<to>/<app>/<version>`.

    Args:
        model: See `rnnlayers.export_model`.
        run: The run.
        app: The application.
        to: The folder of all exports.
        endpoints: The functions with their signatures, by name. They are exported with the checks
            of `checked_for_rows`.
        probes: Examples for each endpoint, real ones if possible. They verify the export, and
            warm up a server.
        numeric: Returns the endpoints for other runtimes.
        card: The contents of the model card.
        also: The other runtimes to write files for. If a file answers differently from the model,
            nothing is exported.
        tolerance: The largest difference allowed between the exported and the live model.
    """
    check_installed(also)
    run.metrics()  # which refuses a damaged file, before the work rather than after it
    endpoints = checked_for_rows(endpoints)

    def finish(folder: Path) -> None:
        (folder / CARD_FILE).write_text(describe(card, folder, run, app), "utf-8")
        write_warmup_requests(folder / WARMUP, app, endpoints, probes)
        if also:
            write_files(folder / FOLDER, model, also, numeric(), tolerance)

    path = rnnlayers.export_model(
        model, to / app, endpoints=endpoints, probes=probes, tolerance=tolerance, finish=finish
    )
    note_written(path)
    note_written(path / CARD_FILE)
    return path


def write_warmup_requests(
    file: Path, model: str, endpoints: Mapping[str, Any], probes: Mapping[str, Any]
) -> None:
    """Write requests that TensorFlow Serving answers before it accepts any, so that none is slow.

    Args:
        file: The file, under the name that TensorFlow Serving looks for.
        model: The name under which the model will be served.
        endpoints: The functions with their signatures, by name.
        probes: The inputs of each endpoint.
    """
    try:
        from tensorflow_serving.apis.predict_pb2 import PredictRequest
        from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog, PredictLog
    except ImportError:
        print(f"No {file.name}: tensorflow-serving-api is not installed (group `serving`)")
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
