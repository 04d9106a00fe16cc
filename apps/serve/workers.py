"""Threads that compute, some for each model."""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any


class Workers:
    """Threads like those of `ThreadPoolExecutor`, which do not keep the process from ending.

    A computation of TensorFlow cannot be cancelled, and Python waits for the threads of its own
    executors.

    Args:
        count: How many. They start when they are needed.
        name: The beginning of their names.
    """

    def __init__(self, count: int, name: str):
        self.count = count
        self.name = name
        self.tasks: queue.SimpleQueue = queue.SimpleQueue()
        self.started = 0
        self.idle = threading.Semaphore(0)

    def submit(self, function: Callable, *arguments: Any) -> Future:
        """Call a function in a thread, and return the future of its result."""
        future: Future = Future()
        self.tasks.put((future, function, arguments))
        if not self.idle.acquire(blocking=False) and self.started < self.count:
            self.started += 1
            name = f"{self.name}-{self.started}"
            threading.Thread(target=self._work, name=name, daemon=True).start()
        return future

    def close(self) -> None:
        """End the threads as soon as they have done what they have."""
        for _ in range(self.started):
            self.tasks.put(None)

    def _work(self) -> None:
        while (task := self.tasks.get()) is not None:
            future, function, arguments = task
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(function(*arguments))
                except BaseException as error:
                    future.set_exception(error)
            del future, function, arguments, task
            self.idle.release()


def in_thread(function: Callable, *arguments: Any, name: str = "once") -> Future:
    """Call a function in a thread of its own, and return the future of its result."""
    workers = Workers(1, name)
    future = workers.submit(function, *arguments)
    workers.close()
    return future
