import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from apps.serve.batching import Batcher
from apps.serve.errors import ServingError, invalid_argument
from apps.serve.settings import Batching
from apps.serve.workers import Workers, in_thread


class Model:
    """Adds one to rows and records its batches. It can be held until released."""

    def __init__(self, held=False):
        self.batches = []
        self.released = threading.Event()
        if not held:
            self.released.set()

    def __call__(self, inputs):
        x = inputs["x"]
        self.batches.append(x.shape)
        assert self.released.wait(10)
        if (x < 0).any():
            raise invalid_argument("x must not be negative")
        return {"y": x + 1}


def answers_to(requests, model, gap=0.0, **batching):
    """Send requests one after the other, and return their answers or errors."""

    async def send():
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(model, executor, Batching(**batching))
            tasks = []
            for values in requests:
                inputs = {"x": np.array(values, "float32")}
                tasks.append(asyncio.create_task(batcher(inputs)))
                await asyncio.sleep(gap)
            model.released.set()
            return await asyncio.gather(*tasks, return_exceptions=True)

    return [
        answer if isinstance(answer, Exception) else answer["y"].tolist()
        for answer in asyncio.run(send())
    ]


def test_what_comes_while_a_batch_is_computed_goes_together():
    model = Model(held=True)
    requests = [[n, n] for n in range(10)]
    answers = answers_to(requests, model, gap=0.01, max_batch_size=8)
    assert answers == [[n + 1.0, n + 1.0] for n in range(10)]
    assert model.batches == [(2,), (8,), (8,), (2,)]


def test_requests_wait_for_one_another_no_longer_than_told():
    model = Model()
    assert answers_to([[1], [2], [3]], model, gap=0.005, max_delay=0.2) == [[2], [3], [4]]
    assert model.batches == [(3,)]
    model = Model()
    answers_to([[1], [2]], model, gap=0.2, max_delay=0.01)
    assert model.batches == [(1,), (1,)]


def test_a_full_batch_does_not_wait():
    model = Model()
    assert answers_to([[1], [2]], model, max_batch_size=2, max_delay=60) == [[2], [3]]


def test_only_rows_of_one_shape_go_together_unless_zeros_may_follow_them():
    requests = [[[0.0]], [[1.0]], [[1.0, 2.0]], [[3.0]]]
    expected = [[[1]], [[2]], [[2, 3]], [[4]]]
    model = Model(held=True)
    assert answers_to(requests, model, gap=0.01) == expected
    assert model.batches == [(1, 1), (2, 1), (1, 2)]
    model = Model(held=True)
    answers = answers_to(requests, model, gap=0.01, pad=True)
    assert answers == [[[1]], [[2, 1]], [[2, 3]], [[4, 1]]]
    assert model.batches == [(1, 1), (3, 2)]


def test_a_request_that_is_refused_does_not_take_others_with_it():
    model = Model(held=True)
    answers = answers_to([[0], [1], [-1], [2]], model, gap=0.01)
    assert answers[:2] + answers[3:] == [[1], [2], [3]]
    assert isinstance(answers[2], ServingError)
    assert model.batches == [(1,), (3,), (1,), (1,), (1,)]


def test_a_request_of_a_whole_batch_is_computed_as_it_is():
    model = Model()
    assert answers_to([range(5)], model, max_batch_size=3) == [[1, 2, 3, 4, 5]]


def test_more_than_may_wait_is_refused_with_when_to_come_again():
    model = Model(held=True)
    answers = answers_to([[0], [1], [2], [3]], model, gap=0.01, max_queue=2)
    assert answers[:3] == [[1], [2], [3]]
    assert answers[3].status == 503
    assert answers[3].headers == {"Retry-After": "1"}


def test_who_has_gone_is_not_computed():
    model = Model(held=True)

    async def send():
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(model, executor, Batching())
            first, gone, last = (
                asyncio.create_task(batcher({"x": np.array([n])})) for n in (1, 2, 3)
            )
            await asyncio.sleep(0.05)
            gone.cancel()
            await asyncio.sleep(0)
            model.released.set()
            return await asyncio.gather(first, last)

    assert [answer["y"].tolist() for answer in asyncio.run(send())] == [[2], [4]]
    assert model.batches == [(1,), (1,)]


def test_a_bug_in_a_model_reaches_whoever_asked_and_no_one_is_left_waiting():
    def broken(inputs):
        raise RuntimeError("broken")

    async def send():
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(broken, executor, Batching())
            calls = (batcher({"x": np.zeros(1)}) for _ in range(3))
            return await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 5)

    assert [str(answer) for answer in asyncio.run(send())] == ["broken"] * 3


@pytest.mark.parametrize("rows", [0, 40])
def test_empty_and_large_requests_pass(rows):
    assert answers_to([np.zeros(rows)], Model()) == [[1.0] * rows]


def test_a_large_request_holds_up_no_batch():
    model = Model(held=True)

    async def send():
        batcher = Batcher(
            model, Workers(1, "batches"), Batching(max_batch_size=3), large=Workers(1, "large")
        )
        large = asyncio.create_task(batcher({"x": np.zeros(5)}))
        while not model.batches:
            await asyncio.sleep(0.001)
        model.released, held = threading.Event(), model.released
        model.released.set()
        small = await asyncio.wait_for(batcher({"x": np.zeros(1)}), 5)
        assert not large.done()
        held.set()
        return small, await large

    small, large = asyncio.run(send())
    assert (len(small["y"]), len(large["y"])) == (1, 5)


def test_workers_answer_as_an_executor_does():
    workers = Workers(2, "test")
    begun, leave = threading.Barrier(3), threading.Event()

    def work(number):
        begun.wait(5)
        assert leave.wait(5)
        if number:
            raise ValueError(number)
        return threading.current_thread()

    first, second = workers.submit(work, 0), workers.submit(work, 1)
    begun.wait(5)  # both are at work
    gone = workers.submit(work, 2)
    assert gone.cancel()
    leave.set()
    assert first.result(5).daemon  # it does not keep the process from ending
    with pytest.raises(ValueError, match="1"):
        second.result(5)
    assert workers.submit(lambda: 3).result(5) == 3
    assert workers.started == 2
    workers.close()


def test_a_thread_of_its_own_ends_with_what_it_does():
    assert in_thread(threading.current_thread).result(5).name == "once-1"
    deadline = time.monotonic() + 5
    while any(thread.name == "once-1" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.001)
