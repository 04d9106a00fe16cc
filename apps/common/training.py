"""Training of a run: epochs, checkpoints, resumption."""

import ctypes
import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Protocol

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from apps.common.files import note_written, replacing
from apps.common.model_files import check_clock, load_model
from apps.common.refusal import Refusal
from apps.common.reports import plot_history
from apps.common.runs import Run
from apps.common.together import as_one_process, check_same_batches, missing_workers_refused
from rnnlayers import distribute

# From glibc's malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4


class EpochBatches(Protocol):
    """Batches whose order depends on `epoch` and, if there is one, on `seed` alone."""

    epoch: int
    seed: int | None

    def dataset(self) -> tf.data.Dataset:
        """Return a data set that starts each time with the order of the current epoch."""


def fit(
    run: Run,
    model: keras.Model,
    train: EpochBatches,
    validation: EpochBatches,
    *,
    epochs: int,
    patience: int,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    finish: Callable[[keras.Model], keras.Model] | None = None,
) -> None:
    """Train the epochs of a run that remain, draw its curves, and keep the model of the best epoch.

    Args:
        run: The run.
        model: A compiled model, new or from `Run.resumed`.
        train: Training batches.
        validation: Validation batches.
        epochs: The number of epochs in all.
        patience: Stop after this many epochs without a better monitored value.
        callbacks: More callbacks for `fit`. What they log goes into the history.
        finish: Turns the model of the best epoch into the one that is kept.
    """
    done, curves = run.epochs_done(), run.folder / "tensorboard"
    if not (done and done - run.best_epoch() >= patience):
        keep_memory()
        distribute.distribute_model(model)
        with missing_workers_refused():
            check_same_batches(training=train.dataset(), validation=validation.dataset())
            model.fit(
                distribute.shard(train.dataset()),
                validation_data=distribute.shard(validation.dataset()),
                epochs=epochs,
                initial_epoch=done,
                shuffle=False,  # the batches come in their own order
                verbose="auto" if sys.stdout.isatty() else 2,
                callbacks=distribute.callbacks(
                    [
                        *callbacks,
                        _EachEpoch(run, train, patience),
                        keras.callbacks.TensorBoard(curves, write_graph=False),
                    ]
                ),
            )
    plot_history(run)  # before the model, with which the run is finished
    best = load_model(run.checkpoint(run.best_epoch()), compile=False)
    if finish is not None:
        best = finish(best)
    run.write_model(run.model_file.name, best)
    note_written(curves)
    print(
        f"Training has finished: {run.model_file} is the model of epoch {run.best_epoch()}\n"
        f"See its curves with tensorboard --logdir {curves}"
    )


def load_callbacks(names: Sequence[str]) -> list[keras.callbacks.Callback]:
    """Create the callbacks that the user names, to hook a tracker into the training.

    Args:
        names: `module:name` of classes of callbacks, or of functions that return one, which are
            called without arguments.

    Of several processes that train together, the chief alone has them.

    Raises:
        Refusal: If one is none.
    """
    return [_load_callback(name) for name in names] if distribute.is_chief() else []


def _load_callback(name: str) -> keras.callbacks.Callback:
    module, _, attribute = name.partition(":")
    if not (module and attribute):
        raise Refusal(f"callbacks must be written as module:name; received {name!r}")
    try:
        make = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise Refusal(f"callbacks: {name!r} cannot be imported: {error}") from error
    callback = make()
    if not isinstance(callback, keras.callbacks.Callback):
        raise Refusal(
            f"callbacks: {name!r} must return a keras.callbacks.Callback; received {callback!r}"
        )
    return callback


class _EachEpoch(keras.callbacks.Callback):
    """Seeds every random generator at the start of an epoch, and writes its result at the end."""

    def __init__(self, run: Run, train: EpochBatches, patience: int):
        super().__init__()
        self.run = run
        self.train = train
        self.patience = patience

    def on_epoch_begin(self, epoch, logs=None):
        self.train.epoch = epoch
        # Keras saves no random states. Drawn from the epoch, they are those of an unbroken run.
        states = [v for v in self.model.variables if v.name == "seed_generator_state"]
        rank = (distribute.rank(),) if distribute.rank() else ()
        for place, state in enumerate(states):
            entropy = (self.train.seed, epoch, place, *rank)
            state.assign(np.random.SeedSequence(entropy).generate_state(2))

    def on_epoch_end(self, epoch, logs=None):
        try:
            self._write(epoch + 1, logs)
        except OSError as error:
            if error.errno is None:
                raise
            done = self.run.epochs_done()
            kept = f"epoch {done} is kept" if done else "no epoch is kept"
            raise Refusal(
                f"epoch {epoch + 1} cannot be written ({error}): {kept}; mend that and repeat the "
                f"command, which goes on from there"
            ) from error

    def _write(self, epoch: int, logs: dict[str, float]) -> None:
        """Write what an epoch has logged, and its checkpoint."""
        run = self.run
        check_clock()
        rows = [*run.history().to_dict("records"), {"epoch": epoch, **logs}]
        # The history comes first: a checkpoint without its line would be lost.
        run.write_table(run.history_file.name, pd.DataFrame(rows))
        with replacing(run.checkpoint(epoch)) as temporary, as_one_process(self.model):
            self.model.save(temporary)
        best = run.best_epoch()
        for path in run.checkpoints.glob("epoch_*.keras"):
            if path not in (run.checkpoint(epoch), run.checkpoint(best)):
                path.unlink()
        self.model.stop_training = epoch - best >= self.patience


def keep_memory() -> bool:
    """Have the C library keep freed memory for the next training step.

    glibc returns large blocks to the system as soon as they are freed. The next training step then
    gets its memory page by page, with a page fault for each. With the memory kept, a training step
    of the captioner for photographs is 1.9 times as fast (`python -m benchmarks kept_memory`). The
    process stays as large as it was at its largest.

    Returns:
        True if the C library is glibc. Otherwise nothing is changed.
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    return all([mallopt(M_MMAP_MAX, 0), mallopt(M_TRIM_THRESHOLD, 2**31 - 1)])
