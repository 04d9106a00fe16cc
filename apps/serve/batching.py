"""Requests that arrive at about the same time are computed as one batch."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

import numpy as np

from apps.serve.errors import ServingError
from apps.serve.json_values import Tensors
from apps.serve.settings import Batching
from apps.serve.workers import Workers

Compute = Callable[[Tensors], Tensors]
Shape = tuple[tuple[int, ...], ...]


@dataclass
class _Request:
    inputs: Tensors
    rows: int
    shape: Shape
    answer: asyncio.Future = field(repr=False)


class Batcher:
    """Computes the requests to one signature of one model.

    The next batch collects requests while one is computed, so that requests wait for each other
    only when the machine is busy.

    Args:
        compute: Returns outputs of inputs, all with the batch as first dimension.
        executor: Runs `compute` for batches.
        large: Runs `compute` for requests of a whole batch or more, which no batch waits for.
        batching: How requests are computed together.
        observe: Called with the number of rows of each batch.
    """

    def __init__(
        self,
        compute: Compute,
        executor: Executor | Workers,
        batching: Batching,
        observe: Callable[[int], object] = lambda rows: None,
        large: Executor | Workers | None = None,
    ):
        self.compute = compute
        self.executor = executor
        self.large = large or executor
        self.batching = batching
        self.observe = observe
        self.waiting: list[_Request] = []
        self.computing = False
        self.timer: asyncio.TimerHandle | None = None

    async def __call__(self, inputs: Tensors) -> Tensors:
        """Compute one request.

        Raises:
            ServingError: If the queue is full, or the model refuses the inputs.
        """
        rows = {len(tensor) for tensor in inputs.values()}
        loop = asyncio.get_running_loop()
        if len(rows) > 1 or (count := rows.pop()) >= self.batching.max_batch_size or not count:
            return await loop.run_in_executor(self.large, self.compute, inputs)
        self.waiting = [request for request in self.waiting if not request.answer.done()]
        if sum(request.rows for request in self.waiting) + count > self.batching.max_queue:
            raise ServingError(
                "UNAVAILABLE",
                f"The batch queue is full, with {self.batching.max_queue:,} rows; try again later",
            )
        request = _Request(inputs, count, self._shape(inputs), loop.create_future())
        self.waiting.append(request)
        self._schedule()
        return await request.answer

    def _shape(self, inputs: Tensors) -> Shape:
        """Return the shapes that requests of one batch have in common."""
        pad = self.batching.pad
        return tuple(
            (tensor.ndim,) if pad and tensor.dtype != object else tensor.shape[1:]
            for _, tensor in sorted(inputs.items())
        )

    def _schedule(self) -> None:
        """Start a batch, or the timer for one, if there are requests and none is computed."""
        if self.computing or not self.waiting:
            return
        full = sum(request.rows for request in self.waiting) >= self.batching.max_batch_size
        if self.batching.max_delay and not full:
            if self.timer is None:
                loop = asyncio.get_running_loop()
                self.timer = loop.call_later(self.batching.max_delay, self._start_batch)
            return
        self._start_batch()

    def _start_batch(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self.computing:
            return
        if batch := self._take():
            self.computing = True
            task = asyncio.get_running_loop().create_task(self._answer(batch))
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task) -> None:
        self.computing = False
        task.result()
        self._schedule()

    def _take(self) -> list[_Request]:
        """Take the oldest request from the queue, and those after it that fit."""
        batch: list[_Request] = []
        left, rows = [], 0
        for request in self.waiting:
            if request.answer.done():  # its client is gone
                continue
            fits = not batch or request.shape == batch[0].shape
            if fits and rows + request.rows <= self.batching.max_batch_size:
                batch.append(request)
                rows += request.rows
            else:
                left.append(request)
        self.waiting = left
        return batch

    async def _answer(self, batch: Sequence[_Request]) -> None:
        loop = asyncio.get_running_loop()
        answers = await loop.run_in_executor(self.executor, self._compute, batch)
        for request, answer in zip(batch, answers, strict=True):
            if request.answer.done():
                continue
            if isinstance(answer, Exception):
                request.answer.set_exception(answer)
            else:
                request.answer.set_result(answer)

    def _compute(self, batch: Sequence[_Request]) -> list[Tensors | Exception]:
        """Compute a batch. If the model refuses it, compute each request alone."""
        self.observe(sum(request.rows for request in batch))
        if len(batch) > 1:
            try:
                outputs = self.compute(_joined([request.inputs for request in batch]))
                return _split(outputs, [request.rows for request in batch])
            except ServingError:
                pass
            except Exception as error:
                return [error] * len(batch)
        answers: list[Tensors | Exception] = []
        for request in batch:
            try:
                answers.append(self.compute(request.inputs))
            except Exception as error:
                answers.append(error)
        return answers


def _joined(parts: Sequence[Tensors]) -> Tensors:
    """Concatenate tensors, padded with zeros to the longest."""
    joined = {}
    for name in parts[0]:
        tensors = [part[name] for part in parts]
        size = np.max([tensor.shape[1:] for tensor in tensors], axis=0).astype(int)
        joined[name] = np.concatenate([_padded(tensor, size) for tensor in tensors])
    return joined


def _padded(tensor: np.ndarray, size: np.ndarray) -> np.ndarray:
    missing = [(0, longest - own) for longest, own in zip(size, tensor.shape[1:], strict=True)]
    return np.pad(tensor, [(0, 0), *missing]) if any(map(any, missing)) else tensor


def _split(outputs: Tensors, rows: Sequence[int]) -> list[Tensors]:
    ends = np.cumsum(rows)
    if any(len(tensor) != ends[-1] for tensor in outputs.values()):
        raise ServingError(
            "INTERNAL", "The outputs of the model do not have as many rows as its inputs"
        )
    return [
        {name: tensor[end - count : end] for name, tensor in outputs.items()}
        for end, count in zip(ends, rows, strict=True)
    ]
