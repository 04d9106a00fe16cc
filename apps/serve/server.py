"""Serve: SavedModels behind TensorFlow Serving's REST API, with a page to try them.

    request ── limits ── JSON to tensors ── waits for others ── the graph ── tensors to JSON

Production runs TensorFlow Serving; this server starts in seconds where there is Python, speaks the
same API, so that a client written for one works with the other, and shows the models it finds. Any
SavedModel will do, ours or not.

    python -m apps.serve                                 # all of saved_models/, on port 8501
    python -m apps.serve FOLDER...                       # folders of models, or of one model
    python -m apps.serve --config deploy/models.config   # as TensorFlow Serving reads it
    python -m apps.serve batch saved_models/sentiment reviews.jsonl --to answers

    curl http://localhost:8501/v1/models/sentiment:predict -d '{"instances": ["A fine film."]}'
"""

import contextlib
import logging
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson
import tyro
import uvicorn

from apps.common.cli import check, run_command
from apps.common.refusal import Refusal
from apps.serve.api import make_app
from apps.serve.batch import predict_files
from apps.serve.batching import Batching
from apps.serve.gate import Limits
from apps.serve.metrics import Metrics
from apps.serve.models import Models, find_models, read_config


@dataclass(frozen=True)
class Settings:
    """How the server is to be."""

    config: Path | None = None  # a models config of TensorFlow Serving, instead of folders
    host: str = "127.0.0.1"  # the address to listen on; 0.0.0.0 lets other machines ask
    port: int = 8501  # of TensorFlow Serving's REST API
    max_connections: int = 4096  # connections held at once; requests on more are refused with 503
    threads: int = 2  # batches of different models or signatures computed at once
    refresh_every: float = 1.0  # seconds between looks for new versions
    api_key_variable: str | None = None  # the environment variable with the key that clients send
    allow_origins: tuple[str, ...] = ()  # sites whose pages may ask (CORS), beside our own

    def check(self) -> None:
        """Refuses what cannot work."""
        check(self, ["max_connections", "threads"], lambda size: size >= 1, "at least 1")
        check(self, ["port"], lambda port: 0 <= port < 2**16, "a port, 0 to 65,535")
        check(self, ["refresh_every"], lambda seconds: seconds > 0, "above 0")
        variables = ["api_key_variable"]
        check(self, variables, lambda name: name is None or os.environ.get(name), "one that is set")


def run(
    folders: tyro.conf.Positional[tuple[Path, ...]],
    settings: Settings,
    limits: Limits,
    batching: Batching,
) -> None:
    """Serve models until told to stop, which lets the requests at work finish.

    Args:
        folders: The folders of models, or of one model each; saved_models if none are given.
        settings: How the server is to be.
        limits: What a request may ask for.
        batching: How requests are put together.
    """
    for options in (settings, limits, batching):
        options.check()
    if settings.config is not None and folders:
        raise Refusal("folders: give these or --config, which names them, not both")
    folders = folders or (Path("saved_models"),)
    if missing := [str(folder) for folder in folders if not folder.is_dir()]:
        raise Refusal(f"folders: there is no folder {', '.join(missing)}; export a model first")
    find = (
        (lambda: find_models(folders))
        if settings.config is None
        else (lambda: read_config(settings.config))
    )
    if not (found := find()):
        raise Refusal(
            f"folders: no model in {', '.join(map(str, folders))}; an export makes "
            f"<model>/<version>/saved_model.pb there, such as: python -m apps.sentiment export"
        )
    log_as_json()
    allow_open_files(settings.max_connections + 256)
    metrics = Metrics()
    with ThreadPoolExecutor(settings.threads, "compute") as executor:
        app = make_app(
            Models(find, executor, batching, metrics.batch),
            metrics,
            limits,
            refresh_every=settings.refresh_every,
            api_key=os.environ[settings.api_key_variable] if settings.api_key_variable else None,
            allow_origins=settings.allow_origins,
        )
        where = f"http://{settings.host}:{settings.port}/"
        print(f"Serving {', '.join(sorted(found))} on {where} (Ctrl+C stops)", file=sys.stderr)
        uvicorn.run(
            app,
            host=settings.host,
            port=settings.port,
            limit_concurrency=settings.max_connections,
            timeout_graceful_shutdown=round(limits.timeout),
            access_log=False,
            log_config=None,
            server_header=False,
        )


def allow_open_files(count: int) -> None:
    """Raises the number of files, connections among them, that the process may have open."""
    with contextlib.suppress(ImportError):  # Windows has no such limit
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = count if hard == resource.RLIM_INFINITY else min(count, hard)
        if soft != resource.RLIM_INFINITY and soft < most:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def log_as_json() -> None:
    """Sends the log to standard error, an object a line."""
    handler = logging.StreamHandler()
    handler.setFormatter(_AsJson())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    logging.getLogger("absl").setLevel(logging.ERROR)


class _AsJson(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        entry = {"time": time, "level": record.levelname.lower(), "event": record.getMessage()}
        entry |= getattr(record, "fields", {})
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return orjson.dumps(entry, default=str).decode()


def batch(
    model: tyro.conf.Positional[Path],
    inputs: tyro.conf.Positional[tuple[str, ...]],
    to: Path,
    signature: str = "serving_default",
    rows: int = 64,
) -> None:
    """Predict for files: JSON lines, each an instance as in a request, texts, or images.

    A file is answered whole or not at all, and not a second time: give a command that was broken
    off again, and it goes on. With Ray installed the files are shared out among its workers.

    Args:
        model: The folder of a model, whose newest version is taken, or of a version.
        inputs: Files, folders of them, or globs: .jsonl, .txt with a text a line, or images.
        to: The folder for the answers, <name>.jsonl for each file, a line for each instance.
        signature: What to ask the model for.
        rows: Instances computed together.
    """
    began = time.monotonic()
    done, skipped = predict_files(model, inputs, to, signature, rows)
    seconds = time.monotonic() - began
    print(f"{done:,} files answered in {seconds:.1f} s, {skipped:,} were there; see {to}")


def main(argv: Sequence[str] | None = None) -> None:
    """Runs a command; `run` if none is named."""
    argv = list(sys.argv[1:] if argv is None else argv)
    commands = {"run": run, "batch": batch}
    if argv[:1] not in ([name] for name in commands) and argv[:1] not in (["-h"], ["--help"]):
        argv.insert(0, "run")
    run_command(commands, argv, "apps.serve", __doc__)


if __name__ == "__main__":
    main()
