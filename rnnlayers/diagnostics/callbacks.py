"""Callbacks that watch gradients, gates and states while a model is trained."""

import csv
import io
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from rnnlayers.checks import check_positive_integer
from rnnlayers.diagnostics.activity import LayerStates, states_of
from rnnlayers.diagnostics.advice import advise
from rnnlayers.diagnostics.flow import Flow, FlowProbe, Loss
from rnnlayers.diagnostics.plots import plot_flow, plot_states
from rnnlayers.diagnostics.steps import Recorder


class _Watching(keras.callbacks.Callback, ABC):
    """Measures every so many steps of training, and writes what it found."""

    prefix = ""

    def __init__(
        self,
        every: int,
        csv_file: str | Path | None,
        tensorboard: str | Path | None,
        tell: Callable[[str], Any] | None,
    ) -> None:
        check_positive_integer("every", every, "a number of steps of training")
        super().__init__()
        self.every = every
        self.csv_file = None if csv_file is None else Path(csv_file)
        self.tensorboard = tensorboard
        self.tell = tell
        self.history: list[dict[str, float]] = []
        self.advice: list[str] = []
        self._step = 0
        self._told: set[str] = set()
        self._writer: Any = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._prepare()
        if self.tensorboard is not None and self._writer is None:
            self._writer = tf.summary.create_file_writer(str(self.tensorboard))
        if not self.history:
            self._measure()  # before it may be too late

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._step += 1
        if self._step % self.every == 0:
            self._measure()
        self._log(logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._log(logs)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    @abstractmethod
    def _prepare(self) -> None:
        """Make what measures, once the model is known."""

    @abstractmethod
    def _look(self) -> tuple[dict[str, float], list[str], Callable[[], Any]]:
        """Return numbers, advice, and what draws a picture."""

    def _measure(self) -> None:
        values, advice, draw = self._look()
        values = {f"{self.prefix}/{name}": float(value) for name, value in values.items()}
        self.history.append({"step": self._step, **values})
        if self.csv_file is not None:
            self._write_csv(self.csv_file)
        if self._writer is not None:
            with self._writer.as_default(step=self._step):
                for name, value in values.items():
                    tf.summary.scalar(name, value)
                if (picture := _png(draw)) is not None:
                    tf.summary.image(self.prefix, picture)
            self._writer.flush()
        for line in advice:
            # The numbers in a line change from step to step; its first words say what is wrong.
            kind = "".join(letter for letter in line if not letter.isdigit())[:60]
            if kind not in self._told:
                self._told.add(kind)
                self.advice.append(f"step {self._step}: {line}")
                if self.tell is not None:
                    self.tell(self.advice[-1])

    def _write_csv(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        names = list(dict.fromkeys(name for row in self.history for name in row))
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(self.history)

    def _log(self, logs: dict[str, Any] | None) -> None:
        if logs is not None and self.history:
            logs.update({n: v for n, v in self.history[-1].items() if n != "step"})


class GradientFlow(_Watching):
    """Measures `gradient_flow` on a batch every so many steps of `fit`.

    Loss, norm of the gradient, and `reach` and `growth` of each layer go into the logs of `fit`, a
    CSV file and TensorBoard, with a picture if matplotlib is there. When gradients vanish or
    explode, a line says what to do, once for each thing that is wrong. Each measurement costs less
    than two steps of training, and compiles the first time.

    Args:
        x: The inputs of a batch to measure on.
        y: Its targets.
        every: Measure each time after so many steps of training, and before the first.
        csv_file: A file to write, a line for each measurement, or None.
        tensorboard: The folder of TensorBoard's files, or None.
        tell: Gets each line of advice, `print` by default; None for silence.
        loss: As for `gradient_flow`.
        loss_step: As for `gradient_flow`.

    Attributes:
        history: A dictionary of numbers for each measurement.
        advice: The lines, each with the step of training.
        last: The last `Flow`.

    Raises:
        ValueError: as `gradient_flow`, when training begins.

    Example:

    >>> model = keras.Sequential([keras.Input((5, 3)), rnnlayers.LSTM(4, name="lstm")])
    >>> model.compile(loss="mse")
    >>> x, y = np.ones((8, 5, 3)), np.ones((8, 4))
    >>> watch = rnnlayers.diagnostics.GradientFlow(x, y, every=2, tell=None)
    >>> history = model.fit(x, y, batch_size=4, callbacks=[watch], verbose=0).history
    >>> [row["step"] for row in watch.history], "gradients/lstm/reach" in history
    ([0, 2], True)
    """

    prefix = "gradients"

    def __init__(
        self,
        x: Any,
        y: Any = None,
        every: int = 100,
        *,
        csv_file: str | Path | None = None,
        tensorboard: str | Path | None = None,
        tell: Callable[[str], Any] | None = print,
        loss: Loss | None = None,
        loss_step: int | None = None,
    ) -> None:
        super().__init__(every, csv_file, tensorboard, tell)
        self.batch = x, y
        self.options: dict[str, Any] = {"loss": loss, "loss_step": loss_step}
        self.last: Flow | None = None

    def _prepare(self) -> None:
        self._probe = FlowProbe(self.model, **self.options)

    def _look(self) -> tuple[dict[str, float], list[str], Callable[[], Any]]:
        norms = [row[f"{self.prefix}/gradient_norm"] for row in self.history]
        self.last = flow = self._probe(*self.batch)
        return flow.summary(), advise(flow, norms=norms), lambda: plot_flow(flow)


class States(_Watching):
    """Measures `states` on a batch every so many steps of `fit`.

    The shares of closed and open gates, time constants, dead and constant units and the effective
    rank of each layer go where those of `GradientFlow` go, and so does advice.

    Args:
        x: The inputs of a batch to measure on.
        every: Measure each time after so many steps of training, and before the first.
        csv_file: As for `GradientFlow`.
        tensorboard: As for `GradientFlow`.
        tell: As for `GradientFlow`.

    Attributes:
        history: A dictionary of numbers for each measurement.
        advice: The lines, each with the step of training.
        last: The last `LayerStates`, by the path of the layer.

    Raises:
        ValueError: as `states`, when training begins.

    Example:

    >>> model = keras.Sequential([keras.Input((5, 3)), rnnlayers.LSTM(4, name="lstm")])
    >>> model.compile(loss="mse")
    >>> x, y = np.ones((8, 5, 3)), np.ones((8, 4))
    >>> watch = rnnlayers.diagnostics.States(x, every=2, tell=None)
    >>> history = model.fit(x, y, batch_size=4, callbacks=[watch], verbose=0).history
    >>> history["states/lstm/f/closed"]
    [0.0]
    """

    prefix = "states"

    def __init__(
        self,
        x: Any,
        every: int = 100,
        *,
        csv_file: str | Path | None = None,
        tensorboard: str | Path | None = None,
        tell: Callable[[str], Any] | None = print,
    ) -> None:
        super().__init__(every, csv_file, tensorboard, tell)
        self.x = x
        self.last: dict[str, LayerStates] = {}

    def _prepare(self) -> None:
        self._recorder = Recorder(self.model)

    def _look(self) -> tuple[dict[str, float], list[str], Callable[[], Any]]:
        self.last = found = states_of(self._recorder, self.x)
        values = {
            f"{name}/{what}": value
            for name, layer in found.items()
            for what, value in layer.summary().items()
        }
        return values, advise(states=found), lambda: plot_states(found)


def _png(draw: Callable[[], Any]) -> np.ndarray | None:
    """Return a picture `(1, height, width, 4)`, or None without matplotlib."""
    try:
        figure = draw()
    except ImportError:
        return None
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=80)
    return tf.io.decode_png(file.getvalue(), channels=4)[None].numpy()
