"""The settings of the server."""

import os
from dataclasses import dataclass
from pathlib import Path

from apps.common.settings import check

DEFAULT_COMMAND = "run"  # if none is named


@dataclass(frozen=True)
class Settings:
    """The address, the key and the upkeep of the server."""

    config: Path | None = None  # a models config of TensorFlow Serving, instead of folders
    host: str = "127.0.0.1"  # the address to listen on; 0.0.0.0 admits other machines
    port: int = 8501  # the port of TensorFlow Serving's REST API; 0 takes a free one
    max_connections: int = 4096  # open connections; requests on further ones are refused with 503
    idle_timeout: float = 75.0  # seconds without a request after which a connection is closed
    threads: int = 2  # batches of different signatures of a model computed at once
    refresh_every: float = 1.0  # seconds between searches for new versions
    api_key_variable: str | None = None  # the environment variable with the key that clients send
    allow_hosts: tuple[str, ...] = ()  # names by which clients may call the server; * for any
    allow_origins: tuple[str, ...] = ()  # other sites whose pages may send requests (CORS)
    load_timeout: float = 300.0  # seconds for a version to load; then it counts as damaged

    def check(self) -> None:
        """Refuse settings outside their range."""
        check(self, ["max_connections", "threads"], lambda size: size >= 1, "at least 1")
        check(self, ["port"], lambda port: 0 <= port < 2**16, "a port, 0 to 65,535")
        seconds = ["refresh_every", "idle_timeout", "load_timeout"]
        check(self, seconds, lambda seconds: seconds > 0, "above 0")
        check(
            self,
            ["api_key_variable"],
            lambda name: name is None or os.environ.get(name),
            "the name of an environment variable that is set",
        )


@dataclass(frozen=True)
class Limits:
    """The limits of a request; one beyond them is refused."""

    max_body: int = 32 * 2**20  # bytes of a request
    max_bodies: int = 256 * 2**20  # bytes of all requests in progress; further ones get 503
    max_values: int = 4 * 2**20  # numbers, or strings, of a request
    max_rows: int = 1024  # rows of a request
    max_length: int = 100_000  # time steps of a sequence
    max_concurrent: int = 256  # requests in progress; further ones are refused with 429
    timeout: float = 30.0  # seconds for the body of a request to arrive, and again for its answer

    def check(self) -> None:
        """Refuse limits outside their range."""
        sizes = ["max_body", "max_rows", "max_length", "max_concurrent", "max_values"]
        check(self, sizes, lambda size: size >= 1, "at least 1")
        check(self, ["max_bodies"], lambda size: size >= self.max_body, "at least max_body")
        check(self, ["timeout"], lambda seconds: seconds > 0, "above 0")


@dataclass(frozen=True)
class Batching:
    """How requests are computed together."""

    max_batch_size: int = 32  # rows computed together; 1 computes each request alone
    max_delay: float = 0.0  # seconds to wait for further rows while nothing is computed
    max_queue: int = 1024  # rows that wait for a batch; further ones are refused with 503
    pad: bool = False  # compute sequences of different lengths together, padded with zeros

    def check(self) -> None:
        """Refuse settings outside their range."""
        check(self, ["max_batch_size", "max_queue"], lambda size: size >= 1, "at least 1")
        check(self, ["max_delay"], lambda seconds: seconds >= 0, "at least 0")
