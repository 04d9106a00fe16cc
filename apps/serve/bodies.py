"""The body of a request as it arrives: neither too large nor too slow, and inflated."""

import asyncio
import zlib

from starlette.types import Message, Receive

from apps.serve.errors import ServingError, invalid_argument

PLAIN, GZIP = ("", "identity"), ("gzip", "x-gzip")
GZIP_FORMAT = 16 + zlib.MAX_WBITS  # the header of gzip instead of zlib's own


def check_encoding(encoding: str) -> None:
    """Refuse a `Content-Encoding` other than gzip.

    Raises:
        ServingError: If it is another.
    """
    if encoding.strip().lower() not in PLAIN + GZIP:
        raise ServingError(
            "UNSUPPORTED_ENCODING",
            f"Content-Encoding must be gzip, or absent; received {encoding!r}",
        )


def too_large(limit: int) -> ServingError:
    """Return the error for a body beyond the limit."""
    return ServingError("BODY_TOO_LARGE", f"The body of a request may have at most {limit:,} bytes")


class Body:
    """The messages of a body, checked as they arrive.

    Args:
        receive: Returns the next message.
        encoding: The `Content-Encoding`. If it is gzip, the messages are inflated.
        max_body: The largest size in bytes, as sent and inflated.
        timeout: Seconds in which the whole body must arrive.
    """

    def __init__(self, receive: Receive, encoding: str, max_body: int, timeout: float):
        self.receive = receive
        self.max_body = max_body
        self.timeout = timeout
        self.deadline = asyncio.get_running_loop().time() + timeout
        self.arrived = self.size = 0
        self.more = True
        self.inflater = (
            zlib.decompressobj(GZIP_FORMAT) if encoding.strip().lower() in GZIP else None
        )

    async def __call__(self) -> Message:
        """Return the next message.

        Raises:
            ServingError: If the body is too large, too slow or no gzip.
        """
        if not self.more:
            return await self.receive()
        try:
            async with asyncio.timeout_at(self.deadline):
                message = await self.receive()
        except TimeoutError as error:
            raise ServingError(
                "BODY_TOO_SLOW", f"The body did not arrive within {self.timeout:g} s"
            ) from error
        part = message.get("body", b"")
        self.more = message.get("more_body", False)
        self.arrived += len(part)
        if self.arrived > self.max_body:
            raise too_large(self.max_body)
        if self.inflater is None or message["type"] != "http.request":
            return message
        return {**message, "body": self._inflated(part)}

    def _inflated(self, part: bytes) -> bytes:
        """Return the contents of the next part, never more than the limit admits."""
        parts = []
        while part:
            if self.inflater.eof:  # a file of gzip may be several, one after the other
                self.inflater = zlib.decompressobj(GZIP_FORMAT)
            try:
                inflated = self.inflater.decompress(part, self.max_body - self.size + 1)
            except zlib.error as error:
                raise invalid_argument(
                    f"The body is no gzip, as Content-Encoding says it is: {error}"
                ) from error
            self.size += len(inflated)
            if self.size > self.max_body:
                raise too_large(self.max_body)
            parts.append(inflated)
            part = self.inflater.unused_data
        if not self.more and self.arrived and not self.inflater.eof:
            raise invalid_argument("The body ends before its gzip does; send all of it")
        return b"".join(parts)
