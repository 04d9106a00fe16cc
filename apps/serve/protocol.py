"""HTTP/1.1 as TensorFlow Serving speaks it: no upgrades, and an end to idle connections."""

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

UPGRADE_HEADERS = (b"upgrade", b"http2-settings")


class Protocol(HttpToolsProtocol):
    """Uvicorn's protocol, with two differences.

    A request that offers another protocol, as `curl --http2` and Java's `HttpClient` do with
    `Upgrade: h2c`, is answered in HTTP/1.1. The parser ends such a request at its headers, so it is
    parsed again without the offer, with its body.

    A connection is closed if the head of a request has not arrived within `timeout_keep_alive`
    seconds of its beginning or of the last answer. Uvicorn waits for a first request, and for the
    rest of a head, for ever.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait_for_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._end_wait()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as stopped:
            if self.parser.get_method() == b"CONNECT":  # a tunnel, which has no other form
                self.send_400_response("Invalid HTTP request received.")
                return
            data = self._head_without_upgrade() + data[stopped.args[0] :]
            self.parser = httptools.HttpRequestParser(self)
            self.data_received(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

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
        self._end_wait()
        if not self.parser.should_upgrade():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End the body of the request."""
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request, unless it is here already."""
        super().on_response_complete()
        if self.timeout_keep_alive_task is not None:
            # Uvicorn's own timer ends with the first byte of a head, this one with its last.
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
            self._wait_for_request()

    def _wait_for_request(self) -> None:
        self._end_wait()
        self.idle = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _end_wait(self) -> None:
        if self.idle is not None:
            self.idle.cancel()
            self.idle = None
