"""Processes that train or sum together, and do one round of work for each line that they are sent.

python -m benchmarks.collectives sums RANK ADDRESSES SIZES THREADS
python -m benchmarks.collectives NETWORK RANK ADDRESSES STEPS THREADS
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[1]
CALLS = 20  # of a sum, in a round
Times = tuple[float, float]  # seconds that pass, and of processors
GRADIENTS, SMALL = 40, 1000  # gradients of a model of small layers, and the numbers in each


def sums(size: str) -> Callable[[], Times]:
    """Return what times a sum of so many float32 numbers over all processes.

    `apart` and `joined` are the sums of many small gradients, in an operation each and in a bucket.
    """
    import tensorflow as tf

    from rnnlayers.distribute.collectives import sum_in_buckets

    count = SMALL if size in ("apart", "joined") else int(size)
    tensors = [tf.ones([count]) for _ in range(GRADIENTS if count == SMALL else 1)]
    bucket = 1 if size == "apart" else 2**22
    function = tf.function(lambda: sum_in_buckets(tensors, f"benchmark {size}", bucket))
    function()

    def timed() -> Times:
        start, cpu = time.perf_counter(), time.process_time()
        for _ in range(CALLS):
            function()[0].numpy()
        return (time.perf_counter() - start) / CALLS, (time.process_time() - cpu) / CALLS

    return timed


def sentiment(steps: int) -> tuple[Any, Any]:
    """Return the network of `apps.sentiment`, and batches of its sample."""
    from apps.sentiment.app import load_examples, make_datasets
    from apps.sentiment.model import build_model
    from apps.sentiment.settings import Settings

    settings = Settings()
    batches, _, vectorizer, ngrams = make_datasets(load_examples(settings), settings)
    return build_model(settings, vectorizer.word_count, ngrams), batches


def captioning(steps: int) -> tuple[Any, Any]:
    """Return the network of `apps.captioning`, and batches of so many steps of its sample."""
    from apps.captioning.batches import CaptionBatches
    from apps.captioning.data import load_examples
    from apps.captioning.model import build_model
    from apps.captioning.pixels import load_pixels
    from apps.captioning.settings import Settings
    from apps.captioning.vocabulary import ids_of, learn_pieces
    from apps.common.seq2seq.special import START, STOP

    settings = Settings(scene_size=48)
    examples = load_examples(settings).train[: settings.batch_size * steps]
    pictures, captions = zip(*examples, strict=True)
    with TemporaryDirectory() as folder:
        rows, places = load_pixels(pictures, settings.image_size, Path(folder))
        rows = rows.copy()  # the file goes with its folder
    pieces = learn_pieces(captions, settings)
    batches = CaptionBatches(
        rows,
        places,
        ids_of(captions, pieces),
        settings.batch_size,
        settings.each,
        settings.seed,
        start=START,
        stop=STOP,
    )
    return build_model(settings, pieces.size, len(batches)), batches


NETWORKS = {"sentiment": sentiment, "captioning": captioning}


def training_steps(network: str, steps: int) -> Callable[[], Times]:
    """Return what times an epoch of so many steps of a network, times of a step."""
    import keras

    from apps.common.training import keep_memory
    from rnnlayers import distribute

    class Clock(keras.callbacks.Callback):
        """Records when each step ends."""

        def on_train_begin(self, logs: Any = None) -> None:
            self.ends: list[tuple[float, float]] = []

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.ends.append((time.perf_counter(), time.process_time()))

    keep_memory()
    clock = Clock()
    with redirect_stdout(sys.stderr):
        # The first step begins before the clock, and the last sums the metrics of the epoch.
        model, batches = NETWORKS[network](steps + 2)
    distribute.distribute_model(model)
    dataset = distribute.shard(batches.dataset()).take(steps + 2).cache()

    def timed() -> Times:
        model.fit(dataset, verbose=0, shuffle=False, callbacks=distribute.callbacks([clock]))
        wall, cpu = (b - a for a, b in zip(clock.ends[0], clock.ends[-2], strict=True))
        return wall / steps, cpu / steps

    keras.utils.set_random_seed(1)
    timed()  # traced and compiled
    return timed


def main(what: str, rank: str, addresses: str, arguments: str, threads: str) -> None:
    """Answer each line on standard input, the place of an argument, with seconds."""
    import tensorflow as tf

    from rnnlayers import distribute

    tf.config.threading.set_intra_op_parallelism_threads(int(threads))
    tf.config.threading.set_inter_op_parallelism_threads(int(threads))
    if "," in addresses:
        distribute.initialize(addresses.split(","), int(rank))
    timers = [
        sums(argument) if what == "sums" else training_steps(what, int(argument))
        for argument in arguments.split(",")
    ]
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        print(json.dumps(timers[int(line)]()), flush=True)


class Together:
    """Processes that do the same work at the same time."""

    def __init__(self, processes: Sequence[subprocess.Popen]):
        self.processes = processes
        self.wait()

    def wait(self) -> list[Any]:
        """Return what the processes answer, once all of them have."""
        return [json.loads(process.stdout.readline()) for process in self.processes]

    def time(self, place: int) -> Times:
        """Do a round of work; return the seconds of the first process, and all of processors."""
        for process in self.processes:
            process.stdin.write(f"{place}\n")
            process.stdin.flush()
        answers = self.wait()
        return answers[0][0], sum(cpu for _, cpu in answers)


@contextmanager
def started(what: str, count: int, arguments: str, threads: int) -> Iterator[Together]:
    """Start so many processes, and end them."""
    from apps.common.workers import free_addresses

    addresses = ",".join(free_addresses(count))
    with ExitStack() as stack:
        processes = []
        for rank in range(count):
            command = [sys.executable, "-m", "benchmarks.collectives", what, str(rank)]
            process = subprocess.Popen(
                [*command, addresses, arguments, str(threads)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            processes.append(process)
        yield Together(processes)


if __name__ == "__main__":
    main(*sys.argv[1:])
