"""The body of a request as it arrives: neither too large nor too slow, and inflated."""

import asyncio
import zlib

from starlette.types import Message, Receive

from apps.serve.errors import ServingError, invalid_argument

PLAIN, GZIP = ("", "identity"), ("gzip", "x-gzip")
GZIP_FORMAT = 16 + zlib.MAX_WBITS  # the header of gzip instead of zlib's own
SMALL = 2**16  # bytes; bodies up to this size find room while large ones fill it
INFLATED_AT_ONCE = 2**20  # bytes


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


class Room:
    """Memory for the bodies of all requests in progress.

    Args:
        size: Bytes for all bodies of more than `SMALL` bytes together.
    """

    def __init__(self, size: int):
        self.size = size
        self.taken = 0

    def take(self, before: int, now: int) -> None:
        """Let a body grow.

        Raises:
            ServingError: If there is no room for it.
        """
        if now <= SMALL:
            return
        more = now - (before if before > SMALL else 0)
        if self.taken + more > self.size:
            raise ServingError(
                "UNAVAILABLE",
                f"The bodies of all requests in progress may have {self.size:,} bytes together, "
                "and they have; try again later",
            )
        self.taken += more

    def give_back(self, size: int) -> None:
        """Free the room of a body of this size."""
        if size > SMALL:
            self.taken -= size


class Body:
    """The messages of a body, checked as they arrive.

    Args:
        receive: Returns the next message.
        encoding: The `Content-Encoding`. If it is gzip, the messages are inflated.
        max_body: The largest size in bytes, as sent and inflated.
        timeout: Seconds in which the whole body must arrive.
        room: The room that the bodies of all requests share. Whoever has the body must `close` it.
    """

    def __init__(self, receive: Receive, encoding: str, max_body: int, timeout: float, room: Room):
        self.receive = receive
        self.max_body = max_body
        self.timeout = timeout
        self.room = room
        self.deadline = asyncio.get_running_loop().time() + timeout
        self.arrived = self.inflated = self.held = 0
        self.more = True
        self.inflater = (
            zlib.decompressobj(GZIP_FORMAT) if encoding.strip().lower() in GZIP else None
        )

    async def __call__(self) -> Message:
        """Return the next message.

        Raises:
            ServingError: If the body is too large, too slow or no gzip, there is no room for it, or
                its client leaves.
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
        if message["type"] == "http.disconnect":
            raise ServingError("CANCELLED", "The client left before its request had arrived")
        part = message.get("body", b"")
        self.more = message.get("more_body", False)
        self.arrived += len(part)
        if self.arrived > self.max_body:
            raise too_large(self.max_body)
        if self.inflater is None:
            self._hold(self.arrived)
            return message
        return {**message, "body": await self._inflated(part)}

    def close(self) -> None:
        """Free the room of the body."""
        self.room.give_back(self.held)
        self.held = 0

    def _hold(self, size: int) -> None:
        self.room.take(self.held, size)
        self.held = size

    async def _inflated(self, part: bytes) -> bytes:
        """Return the contents of the next part, never more than the limit admits."""
        parts = []
        while part:
            if self.inflater.eof:  # a file of gzip may be several, one after the other
                self.inflater = zlib.decompressobj(GZIP_FORMAT)
            most = min(INFLATED_AT_ONCE, self.max_body - self.inflated + 1)
            try:
                inflated = self.inflater.decompress(part, most)
            except zlib.error as error:
                raise invalid_argument(
                    f"The body is no gzip, as Content-Encoding says it is: {error}"
                ) from error
            self.inflated += len(inflated)
            if self.inflated > self.max_body:
                raise too_large(self.max_body)
            self._hold(self.inflated)
            parts.append(inflated)
            part = self.inflater.unconsumed_tail or self.inflater.unused_data
            if len(inflated) == most:
                await asyncio.sleep(0)  # others are answered meanwhile
        if not self.more and self.arrived and not self.inflater.eof:
            raise invalid_argument("The body ends before its gzip does; send all of it")
        return b"".join(parts)
