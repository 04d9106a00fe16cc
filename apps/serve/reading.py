"""Requests as tensors, read where they hold nobody up.

Reading JSON takes no time while it is small. A large body would stop the event loop, and with it
the answers to all others, health among them: a parser holds Python's lock until it is done. So
large bodies are read by processes of their own, very large ones by another than large ones. These
processes have no TensorFlow and start with the first such body.
"""

import asyncio
import contextlib
import gc
import os
import pickle
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from apps.serve.errors import ServingError, invalid_argument
from apps.serve.json_tensors import parse, read_inputs, signature_name
from apps.serve.json_values import STRING, Input, Tensors, check_lengths
from apps.serve.settings import Limits

DEFAULT = "serving_default"
SMALL = 2**16  # bytes that are read at once
VERY_LARGE = 2**20  # bytes
LENGTH = 8  # bytes of a length between the processes
ROOT = Path(__file__).parents[2]
LIST = 2  # numbers cost as much as a list


class Read(NamedTuple):
    """A request that has been read."""

    signature: str
    inputs: Tensors  # of a predict request
    by_row: bool
    document: dict[str, Any]  # any other request, as it is


def read(body: bytes, verb: str, signatures: Mapping[str, Mapping[str, Input]], limits: Limits):
    """Read the body of a request.

    Args:
        body: The body, JSON.
        verb: `predict`, `classify` or `regress`.
        signatures: The inputs of each signature of the model.
        limits: The limits of a request.

    Raises:
        ServingError: If it is malformed, or beyond a limit.
    """
    # A list or an object takes up to seventy times the memory of its two signs.
    if body.count(b"[") + body.count(b"{") > limits.max_values // LIST:
        raise invalid_argument(
            f"A request may have at most {limits.max_values // LIST:,} lists and objects"
        )
    try:
        document = parse(body)
        name = signature_name(document) or DEFAULT
        if name not in signatures:
            raise invalid_argument(f'Serving signature name: "{name}" not found in signature def')
        if verb != "predict":
            return Read(name, {}, False, _checked(document, limits.max_values // STRING))
        inputs, by_row = read_inputs(document, signatures[name], limits.max_rows, limits.max_values)
        check_lengths(inputs, limits.max_length)
        return Read(name, inputs, by_row, {})
    except RecursionError as error:
        raise invalid_argument("JSON Parse error: the request is nested too deep") from error
    except MemoryError as error:
        raise ServingError(
            "BODY_TOO_LARGE", "The request has more values than the server has memory for"
        ) from error


def _checked(document: dict[str, Any], most: int) -> dict[str, Any]:
    """Return a document, and refuse it if it has too many values."""
    left, count = [document], 0
    while left:
        value = left.pop()
        count += len(value)
        if count > most:
            raise invalid_argument(f"A request may have at most {most:,} values here")
        items = value.values() if isinstance(value, dict) else value
        left += [item for item in items if isinstance(item, list | dict)]
    return document


class Reader:
    """Reads bodies, large ones in processes of their own.

    Args:
        limits: The limits of a request.
    """

    def __init__(self, limits: Limits):
        self.limits = limits
        self.helpers = {False: Helper(), True: Helper()}  # for large bodies, for very large ones

    async def __call__(
        self,
        parts: Sequence[bytes],
        verb: str,
        signatures: Mapping[str, Mapping[str, Input]],
    ) -> Read:
        """Read a body as `read` does.

        Args:
            parts: The body, as it arrived.
            verb: See `read`.
            signatures: See `read`.

        Raises:
            ServingError: If `read` raises it, or the process that reads has been ended.
        """
        size = sum(map(len, parts))
        if size <= SMALL:
            return read(b"".join(parts), verb, signatures, self.limits)
        done = await self.helpers[size > VERY_LARGE].ask(parts, (verb, signatures, self.limits))
        texts = {
            name: _array(tensor) if isinstance(tensor, tuple) else tensor
            for name, tensor in done.inputs.items()
        }
        return done._replace(inputs=texts)

    async def close(self) -> None:
        """End the processes."""
        for helper in self.helpers.values():
            await helper.stop()


class Helper:
    """A process that reads one body after the other. It starts when it is needed."""

    def __init__(self) -> None:
        self.process: asyncio.subprocess.Process | None = None
        self.turn = asyncio.Lock()

    async def ask(self, parts: Sequence[bytes], arguments: tuple) -> Read:
        """Let the process call `read`.

        Raises:
            ServingError: If `read` raises it, or the process has been ended.
        """
        async with self.turn:
            try:
                done = await self._exchange(parts, pickle.dumps(arguments))
            except (ConnectionError, asyncio.IncompleteReadError, EOFError) as error:
                await self.stop()  # the system may have ended it, if memory is short
                raise ServingError(
                    "UNAVAILABLE", "The request could not be read now; try again later"
                ) from error
            except BaseException:  # nobody waits for it any more
                await self.stop()
                raise
        if isinstance(done, ServingError):
            raise done
        return done

    async def _exchange(self, parts: Sequence[bytes], arguments: bytes) -> Any:
        """Send a body piece by piece, so that others are answered between them."""
        if self.process is None:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "apps.serve.reading"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=2**20,
                cwd=ROOT,
            )
        asked, answered = self.process.stdin, self.process.stdout
        asked.write(_length(len(arguments)) + arguments + _length(sum(map(len, parts))))
        for part in parts:
            asked.write(part)
            await asked.drain()
        left = int.from_bytes(await answered.readexactly(LENGTH))
        pieces = []
        while left:
            pieces.append(await answered.read(min(left, 2**20)))
            if not pieces[-1]:
                raise EOFError
            left -= len(pieces[-1])
        return pickle.loads(b"".join(pieces))  # noqa: S301 - of our own process

    async def stop(self) -> None:
        """End the process."""
        process, self.process = self.process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _length(size: int) -> bytes:
    return size.to_bytes(LENGTH)


def _array(texts: tuple[list[bytes], tuple[int, ...]]) -> np.ndarray:
    flat, shape = texts
    tensor = np.empty(len(flat), object)
    for place, text in enumerate(flat):
        tensor[place] = text
    return tensor.reshape(shape)


def help_until_end(asked: BinaryIO, answered: BinaryIO) -> None:
    """Read the bodies that a server sends, until it ends.

    Args:
        asked: Where the bodies come from.
        answered: Where the answers go.
    """
    while head := asked.read(LENGTH):
        arguments = pickle.loads(asked.read(int.from_bytes(head)))  # noqa: S301 - of the server
        body = asked.read(int.from_bytes(asked.read(LENGTH)))
        done: Read | ServingError
        try:
            done = _with_lists(read(body, *arguments))
        except ServingError as error:
            done = error
        del body
        answer = pickle.dumps(done, pickle.HIGHEST_PROTOCOL)
        del done
        answered.write(_length(len(answer)) + answer)
        answered.flush()


def _with_lists(done: Read) -> Read:
    """Return a request with texts as lists: NumPy writes each object of an array by itself."""
    texts = {
        name: (tensor.ravel().tolist(), tensor.shape) if tensor.dtype == object else tensor
        for name, tensor in done.inputs.items()
    }
    return done._replace(inputs=texts)


if __name__ == "__main__":
    for ignored in ("SIGINT", "SIGTERM", "SIGHUP"):  # the server ends this process
        if hasattr(signal, ignored):
            signal.signal(getattr(signal, ignored), signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(10)  # small requests come first
    gc.disable()  # nothing here refers to itself, and a search would take as long as the parser
    from apps.serve.reading import help_until_end as go  # what it answers is of the imported module

    go(sys.stdin.buffer, sys.stdout.buffer)
