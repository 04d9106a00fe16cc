"""Requests as tensors, read where they hold nobody up.

Reading JSON takes no time while it is small. A large body would stop the event loop, and with it
the answers to all others, health among them: a parser holds Python's lock until it is done. So
large bodies are read by processes of their own, very large ones by another than large ones. These
processes have no TensorFlow and start with the first such body.
"""

import asyncio
import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, NamedTuple

import numpy as np

from apps.serve.errors import ServingError, invalid_argument
from apps.serve.json_tensors import parse, read_inputs, signature_name
from apps.serve.json_values import STRING, Input, Tensors, check_lengths
from apps.serve.settings import Limits

DEFAULT = "serving_default"
SMALL = 2**16  # bytes that are read at once
VERY_LARGE = 2**20  # bytes
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
        self.pools: dict[bool, ProcessPoolExecutor] = {}

    async def __call__(
        self, body: bytes, verb: str, signatures: Mapping[str, Mapping[str, Input]]
    ) -> Read:
        """Read a body as `read` does.

        Raises:
            ServingError: If `read` raises it, or its process has been ended.
        """
        if len(body) <= SMALL:
            return read(body, verb, signatures, self.limits)
        very_large = len(body) > VERY_LARGE
        if very_large not in self.pools:
            self.pools[very_large] = ProcessPoolExecutor(
                1, multiprocessing.get_context("spawn"), _begin
            )
        pool = self.pools[very_large]
        try:
            done = await asyncio.get_running_loop().run_in_executor(
                pool, _read_in_process, body, verb, signatures, self.limits
            )
        except BrokenProcessPool as error:  # the system may end it if memory is short
            if self.pools.get(very_large) is pool:
                del self.pools[very_large]
            raise ServingError(
                "UNAVAILABLE", "The request could not be read now; try again later"
            ) from error
        texts = {
            name: _array(tensor) if isinstance(tensor, tuple) else tensor
            for name, tensor in done.inputs.items()
        }
        return done._replace(inputs=texts)

    def close(self) -> None:
        """End the processes."""
        for pool in self.pools.values():
            pool.shutdown(wait=False, cancel_futures=True)


def _read_in_process(*arguments: Any) -> Read:
    """Read a request, with texts as lists: NumPy writes each object of an array by itself."""
    done = read(*arguments)
    texts = {
        name: (tensor.ravel().tolist(), tensor.shape) if tensor.dtype == object else tensor
        for name, tensor in done.inputs.items()
    }
    return done._replace(inputs=texts)


def _array(texts: tuple[list[bytes], tuple[int, ...]]) -> np.ndarray:
    flat, shape = texts
    tensor = np.empty(len(flat), object)
    for place, text in enumerate(flat):
        tensor[place] = text
    return tensor.reshape(shape)


def _begin() -> None:
    """Prepare a process: the server ends it, and nothing else."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    os.nice(10)  # small requests come first
    gc.disable()  # nothing here refers to itself, and a search would take as long as the parser
    parent = multiprocessing.parent_process()

    def follow() -> None:
        parent.join()
        os._exit(0)

    threading.Thread(target=follow, daemon=True).start()
