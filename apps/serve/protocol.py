"""HTTP/1.1 as TensorFlow Serving speaks it: no upgrades, and an end to connections that idle."""

import asyncio
from collections import deque
from typing import Any

import httptools
import orjson
from uvicorn.protocols.http.flow_control import service_unavailable
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

UPGRADE_HEADERS = (b"upgrade", b"http2-settings")
MAX_HEAD = 64 * 2**10  # bytes of the head of a request, and of what may follow its body
HEAD_SECONDS = 10.0  # from the first byte of a head to its last
RESERVE = 32  # connections beyond the limit
POLLED = ("/healthz", "/metrics", "/monitoring/prometheus/metrics")  # answered on the reserve, too
TASK = "task"  # in the state of a request: what is cancelled when its client leaves
GONE = "the client left"  # why
CONNECTION = "connection"  # in the state of a request: its transport


class Connections:
    """The open connections of a server, and which of them wait for a request.

    Args:
        limit: How many there may be. A few more may wait while others are at work, so that whoever
            asks for the health of a busy server is answered.
    """

    def __init__(self, limit: int):
        self.limit = limit
        self.open: set[Protocol] = set()
        self.idle: dict[Protocol, None] = {}  # the one that has waited longest first

    @property
    def full(self) -> bool:
        """Whether more requests are at work than there may be connections."""
        return len(self.open) - len(self.idle) > self.limit

    def add(self, connection: "Protocol") -> None:
        """Take a new connection. If there are too many, the longest idle ones are closed."""
        self.open.add(connection)
        while len(self.open) > self.limit and len(self.idle) > min(RESERVE, self.limit):
            longest = next(iter(self.idle))
            self.remove(longest)
            longest.transport.close()

    def remove(self, connection: "Protocol") -> None:
        """Forget a connection that is closed."""
        self.open.discard(connection)
        self.idle.pop(connection, None)


class Protocol(HttpToolsProtocol):
    """Uvicorn's protocol, with these differences.

    A request that offers another protocol, as `curl --http2` and Java's `HttpClient` do with
    `Upgrade: h2c`, is answered in HTTP/1.1. The parser ends such a request at its headers, so it is
    parsed again without the offer, with its body.

    The head of a request must arrive within `timeout_keep_alive` seconds of the beginning of the
    connection or of the last answer, within `HEAD_SECONDS` of its own first byte, and within
    `MAX_HEAD` bytes. A client must go on reading an answer within `timeout_keep_alive` seconds.
    Uvicorn waits for all of this for ever. If there are too many connections, those that have
    waited longest are closed. Uvicorn refuses the new ones.

    When a client leaves, the task that its request has put into `state` is cancelled. If it has
    sent other requests after that one, Uvicorn ends only the last.

    Args:
        connections: The connections of the server.
    """

    def __init__(self, *args: Any, connections: Connections | None = None, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.all = connections or Connections(2**31)
        self.timer: asyncio.TimerHandle | None = None
        self.due: float | None = None  # when the connection is closed
        self.begun = False  # whether a part of a head has arrived
        self.unparsed = 0  # bytes since the last head or piece of a body ended
        self.too_large = False  # the head
        self.reading: asyncio.TimerHandle | None = None  # until the client reads on
        self.unanswered: deque[RequestResponseCycle] = deque()  # the first one is at work

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait_for_request()
        self.all.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer, and end the work on a request."""
        self._end_wait()
        if self.timer is not None:
            self.timer.cancel()
        self.all.remove(self)
        for request in self.unanswered:
            request.disconnected = True
            task = request.scope["state"].get(TASK)
            if task is not None:
                task.cancel(GONE)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived."""
        self.unparsed += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as stopped:
            if self.parser.get_method() == b"CONNECT":  # a tunnel, which has no other form
                self.send_400_response("Invalid HTTP request received.")
                return
            data = self._head_without_upgrade() + data[stopped.args[0] :]
            self.parser = httptools.HttpRequestParser(self)
            self.data_received(data)
            return
        except httptools.HttpParserError:
            if not self.too_large:
                self.send_400_response("Invalid HTTP request received.")
        if not self.begun and self in self.all.idle:  # a head has come in part
            self.begun = True
            self._set_timer(min(HEAD_SECONDS, self.timeout_keep_alive))
        if (self.too_large or self.unparsed > MAX_HEAD) and not self.transport.is_closing():
            self._refuse(431, f"The head of a request may have at most {MAX_HEAD:,} bytes")

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        self._refuse(400, msg)

    def _refuse(self, status: int, reason: str) -> None:
        """Answer without the application, and close the connection."""
        body = orjson.dumps({"error": reason})
        headers = [*self.server_state.default_headers, (b"content-type", b"application/json")]
        headers += [(b"content-length", b"%d" % len(body)), (b"connection", b"close")]
        lines = [name + b": " + value + b"\r\n" for name, value in headers]
        self.transport.write(b"".join([STATUS_LINE[status], *lines, b"\r\n", body]))
        self.transport.close()

    def _head_without_upgrade(self) -> bytes:
        """Return the head of the request, as if it offered no other protocol."""
        version = self.parser.get_http_version().encode()
        lines = [self.parser.get_method() + b" " + self.url + b" HTTP/" + version]
        for name, value in self.headers:
            if name == b"connection":
                tokens = [token.strip() for token in value.split(b",")]
                kept = [token for token in tokens if token.lower() not in UPGRADE_HEADERS]
                value = b", ".join(kept) or b"keep-alive"
            if name not in UPGRADE_HEADERS:
                lines.append(name + b": " + value)
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def on_headers_complete(self) -> None:
        """Start the request."""
        size = self.unparsed  # of the head, and perhaps of the beginning of a body
        if size > MAX_HEAD:
            size = sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > MAX_HEAD:
            self.too_large = True
            raise ValueError("the head is too large")  # ends the parser
        self._end_wait()
        self.unparsed = 0
        if not self.parser.should_upgrade():
            self.app = self.config.loaded_app
            if self.all.full and self.url.partition(b"?")[0].decode("latin-1") not in POLLED:
                self.app = service_unavailable
            self.scope["state"][CONNECTION] = self.transport
            super().on_headers_complete()
            self.unanswered.append(self.cycle)

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self.unparsed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the body of the request."""
        self.unparsed = 0
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request, unless it is here already."""
        self.unanswered.popleft()
        super().on_response_complete()
        if self.timeout_keep_alive_task is not None:
            # Uvicorn's own timer ends with the first byte of a head, this one with its last.
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
            self._wait_for_request()

    def pause_writing(self) -> None:
        """Wait until the client reads."""
        super().pause_writing()
        self.reading = self.loop.call_later(self.timeout_keep_alive, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: the client reads."""
        super().resume_writing()
        if self.reading is not None:
            self.reading.cancel()
            self.reading = None

    def _wait_for_request(self) -> None:
        self.begun = False
        self.all.idle[self] = None
        self._set_timer(self.timeout_keep_alive)

    def _end_wait(self) -> None:
        self.all.idle.pop(self, None)
        self._set_timer(None)

    def _set_timer(self, seconds: float | None) -> None:
        """Close the connection after some seconds, or not.

        A timer that is there already stays: it looks again when it is due.
        """
        self.due = None if seconds is None else self.loop.time() + seconds
        if self.due is not None and self.timer is not None and self.timer.when() > self.due:
            self.timer.cancel()
            self.timer = None
        if self.due is not None and self.timer is None:
            self.timer = self.loop.call_at(self.due, self._look)

    def _look(self) -> None:
        """Close the connection if its time is over."""
        self.timer = None
        if self.due is None:
            return
        if self.loop.time() >= self.due:
            self.timeout_keep_alive_handler()
        else:
            self.timer = self.loop.call_at(self.due, self._look)
