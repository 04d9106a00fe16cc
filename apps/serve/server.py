"""Serve SavedModels by TensorFlow Serving's REST API, with a page to try them.

    request -> limits -> JSON to tensors -> batch with other requests -> graph -> tensors to JSON

Production runs TensorFlow Serving. This server needs only Python and starts in seconds. It speaks
the same API, so a client written for one works with the other, and it serves any SavedModel.

    python -m apps.serve                                 # all of saved_models/, on port 8501
    python -m apps.serve FOLDER...                       # folders of models, or of one model each
    python -m apps.serve --config deploy/models.config   # as TensorFlow Serving reads it
    python -m apps.serve batch FOLDER lines.jsonl --to answers

    curl http://127.0.0.1:8501/v1/models/MODEL:predict -d '{"instances": ["A fine film."]}'
"""

import contextlib
import functools
import logging
import math
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import orjson
import tyro
import uvicorn

from apps.common.cli import run_command
from apps.common.refusal import Refusal
from apps.serve.api import make_app
from apps.serve.metrics import Metrics
from apps.serve.models import Models
from apps.serve.predict_files import predict_files
from apps.serve.protocol import Connections, Protocol
from apps.serve.settings import DEFAULT_COMMAND, Batching, Limits, Settings
from apps.serve.sources import Source, find_models, read_config, versions_in

BACKLOG = 2048  # connections that wait to be accepted
LISTED = 50  # inputs that could not be answered
OTHER_FILES = 256  # open at once, besides connections


def serve(
    folders: tyro.conf.Positional[tuple[Path, ...]],
    settings: Settings,
    limits: Limits,
    batching: Batching,
) -> None:
    """Serve models until stopped. Requests that are being answered are finished first.

    Args:
        folders: The folders of models, or of one model each; saved_models if none is given.
        settings: The address, the key and the upkeep of the server.
        limits: The limits of a request.
        batching: How requests are computed together.
    """
    for options in (settings, limits, batching):
        options.check()
    log_as_json()
    if settings.config is not None and folders:
        raise Refusal("folders and --config both name models; give one of them")
    folders = folders or (Path("saved_models"),)
    if settings.config is None:
        sources = find_models(existing(folders))
        if not sources:
            raise Refusal(
                f"folders: no <model>/<version>/saved_model.pb in {', '.join(map(str, folders))}; "
                "export a model first: python -m apps.<application> export"
            )
    else:
        sources = read_config(settings.config)

    def find() -> Mapping[str, Source]:
        return read_config(settings.config) if settings.config else find_models(folders)

    metrics = Metrics()
    with listen(settings.host, settings.port) as listening:
        allow_open_files(settings.max_connections + OTHER_FILES)
        app = make_app(
            Models(find, batching, metrics.batch, settings.threads, settings.load_timeout),
            metrics,
            limits,
            refresh_every=settings.refresh_every,
            api_key=os.environ[settings.api_key_variable] if settings.api_key_variable else None,
            allow_hosts=(settings.host, *settings.allow_hosts),
            allow_origins=settings.allow_origins,
        )
        print(*announcement(sources, settings.host, listening), sep="\n", file=sys.stderr)
        config = uvicorn.Config(
            app,
            http=functools.partial(Protocol, connections=Connections(settings.max_connections)),
            ws="none",
            timeout_keep_alive=settings.idle_timeout,
            timeout_graceful_shutdown=math.ceil(limits.timeout),
            access_log=False,
            log_config=None,
            server_header=False,
            headers=[("X-Content-Type-Options", "nosniff")],
        )
        run_until_stopped(Server(config), listening)


class Server(uvicorn.Server):
    """Uvicorn's server. A second signal ends it at once, whichever it is."""

    signal: int | None = None  # the last one

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end, or end at once."""
        self.force_exit = self.force_exit or self.should_exit
        self.signal = sig
        super().handle_exit(sig, frame)


def run_until_stopped(server: Server, listening: socket.socket) -> None:
    """Run a server until a signal stops it, and die of that signal.

    Whoever started the process sees what ended it, and nothing waits for computations that nobody
    wants any more.
    """
    hang_up = getattr(signal, "SIGHUP", None)  # Windows has none
    if hang_up is not None and signal.getsignal(hang_up) != signal.SIG_IGN:  # as `nohup` sets it
        signal.signal(hang_up, server.handle_exit)
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn stops first, and passes it on
        server.run([listening])
    if server.signal is not None:
        sys.stderr.flush()
        signal.signal(server.signal, signal.SIG_DFL)
        signal.raise_signal(server.signal)


def existing(folders: Sequence[Path]) -> Sequence[Path]:
    """Return the folders.

    Raises:
        Refusal: If one does not exist.
    """
    for folder in folders:
        if not folder.is_dir():
            raise Refusal(
                f"folders: there is no folder {folder}; export a model first: "
                "python -m apps.<application> export"
            )
    return folders


def announcement(
    sources: Mapping[str, Source], host: str, listening: socket.socket
) -> Iterator[str]:
    """Yield a line that says what is served where, and one for each model without a version."""
    host = f"[{host}]" if ":" in host else host
    address = f"http://{host}:{listening.getsockname()[1]}/"
    yield f"Serving {', '.join(sorted(sources))} on {address} (Ctrl+C stops)"
    for name, source in sorted(sources.items()):
        try:
            missing = not versions_in(source.base)
        except OSError as error:
            yield f"{name} is served once {source.base} can be read ({error.strerror})"
            continue
        if missing:
            yield f"{name} is served once {source.base} holds a version of it"


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address.

    Raises:
        Refusal: If the address is not to be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = str(error.strerror).partition(" (")[0]
        raise Refusal(
            f"host and port: the server cannot listen on {host}:{port} ({reason}); give another "
            "--host or --port"
        ) from error


def allow_open_files(count: int) -> None:
    """Raise the number of files and connections that the process may have open."""
    with contextlib.suppress(ImportError):  # Windows has no such limit
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def log_as_json() -> None:
    """Send the log to standard error, one object a line."""
    handler = logging.StreamHandler()
    handler.setFormatter(_AsJson())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    logging.getLogger("absl").setLevel(logging.ERROR)


class _AsJson(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        created = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        entry = {"time": created, "level": record.levelname.lower(), "event": record.getMessage()}
        entry |= getattr(record, "fields", {})
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return orjson.dumps(entry, default=str).decode()


def predict_batch(
    model: tyro.conf.Positional[Path],
    inputs: tyro.conf.Positional[tuple[str, ...]],
    to: Path,
    signature: str = "serving_default",
    rows: int = 64,
) -> None:
    """Predict for files: JSON lines with an instance each, texts, or images.

    An input that cannot be answered is listed at the end, with its reason, and the status is 1. The
    others are answered. Give an interrupted command again and it continues; files with inputs that
    could not be answered are answered again. If Ray is installed, its workers share the files.

    Args:
        model: The folder of a model, whose newest version is used, or of a version.
        inputs: Files, folders of them, or globs: .jsonl, .txt with a text a line, or images.
        to: The folder for the answers: <name>.jsonl for each file, with a line for each instance.
        signature: The signature of the model that answers.
        rows: Instances computed together.
    """
    began = time.monotonic()
    done = predict_files(model, inputs, to, signature, rows)
    seconds = time.monotonic() - began
    print(
        f"{done.answered:,} files answered in {seconds:.1f} s, {done.skipped:,} skipped; see {to}"
    )
    if done.problems:
        for problem in done.problems[:LISTED]:
            print(problem, file=sys.stderr)
        hidden = len(done.problems) - LISTED
        more = f", {hidden:,} of them not listed here" if hidden > 0 else ""
        print(
            f"{len(done.problems):,} inputs could not be answered{more}; the files *.errors.jsonl "
            f"in {to} list all. Mend them and give the command again",
            file=sys.stderr,
        )
        sys.exit(1)


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command; `run`, the server, if none is named."""
    commands = {"run": serve, "batch": predict_batch}
    run_command(commands, argv, "apps.serve", __doc__, DEFAULT_COMMAND)
