"""A run: the folder that holds everything of one training.

    settings.json   what decides the run; a run is resumed with the same settings only
    checkpoints/    the model after the newest and after the best epoch, with its optimizer
    history.csv     one line for each epoch
    tensorboard/    the same for TensorBoard
    model.keras     the model of the best epoch; it exists once training has finished
    metrics.json    what `evaluate` measured
    plots/          pictures

A run of several networks holds a run for each of them, in a folder of its own.

A kill costs the epoch that it interrupts and nothing else: every file is written under a temporary
name and then renamed, and the history is written before its checkpoint.
"""

import dataclasses
import json
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import keras
import pandas as pd

from apps.common.files import replacing
from apps.common.refusal import Refusal
from apps.common.settings import Settings, read_settings, write_settings


def load_model(path: Path, **options: Any) -> keras.Model:
    """Load a `.keras` file after checking that it is not damaged.

    Raises:
        Refusal: If the file is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except zipfile.BadZipFile as error:
        damaged = str(error)
    if damaged:
        raise Refusal(
            f"{path} is damaged ({damaged}); remove it and repeat the command that wrote it, which "
            f"goes on from what is left"
        )
    return keras.models.load_model(path, **options)


class Run:
    """The files of a run. `begin` starts or resumes one, and `finished` opens one.

    `with Run.begin(...)` removes what it made if an error comes before the first epoch is complete,
    so that a training that is refused leaves no folder behind.
    """

    monitor = "val_loss"  # lowest in the best epoch
    made = False  # whether `begin` made the folder or found it empty

    def __init__(self, folder: Path):
        self.folder = folder
        self.settings_file = folder / "settings.json"
        self.history_file = folder / "history.csv"
        self.model_file = folder / "model.keras"
        self.metrics_file = folder / "metrics.json"
        self.checkpoints = folder / "checkpoints"
        self.plots = folder / "plots"

    @classmethod
    def begin(cls, folder: Path, settings: Any) -> "Run":
        """Start a run in a new or empty folder, or resume one that was interrupted.

        A run that was interrupted in its first epoch starts again, also with other settings.

        Args:
            folder: The folder.
            settings: A dataclass of what decides the run.

        Raises:
            Refusal: If the folder holds something else, a finished run, or a run with other
                settings.
            OSError: If it cannot be written.
        """
        run = cls(folder)
        if run.model_file.exists():
            raise Refusal(
                f"{folder} holds a finished run, which is not overwritten; "
                f"choose another folder or remove this one"
            )
        if done := run.epochs_done():
            run.check_same(settings)
            print(f"Run: {folder} goes on after epoch {done}")
            return run
        if folder.exists() and any(folder.iterdir()) and not run.settings_file.exists():
            raise Refusal(f"{folder} is not empty and holds no run; choose a new folder")
        run.made = not run.settings_file.exists()
        for new in (folder, run.checkpoints, run.plots):
            new.mkdir(parents=True, exist_ok=True)
        write_settings(run.settings_file, settings)
        return run

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A run that is interrupted by hand stays, with what it has read and cached.
        if isinstance(error, Exception) and self.made and not self._any_epoch():
            shutil.rmtree(self.folder)

    def _any_epoch(self) -> bool:
        """Return whether this run, or one inside it, has completed an epoch."""
        return next(self.folder.rglob(f"{self.checkpoints.name}/epoch_*.keras"), None) is not None

    @classmethod
    def finished(cls, folder: Path) -> "Run":
        """Open a run whose training has finished.

        Raises:
            Refusal: If there is none.
        """
        run = cls(folder)
        if not run.settings_file.exists():
            raise Refusal(f"run: there is no run at {folder}; make one with the train command")
        if not run.model_file.exists():
            raise Refusal(
                f"run: the training in {folder} has not finished; "
                f"repeat the train command that started it, to go on with it"
            )
        return run

    def settings(self, kind: type[Settings]) -> Settings:
        """Read the settings as an instance of the dataclass `kind`.

        Raises:
            Refusal: If they are damaged, or are those of another application or a later version.
        """
        return read_settings(self.settings_file, kind)

    def check_same(self, settings: Any) -> None:
        """Refuse settings that differ from those of the run.

        Raises:
            Refusal: If some differ.
        """
        asked, held = (
            json.loads(json.dumps(dataclasses.asdict(values)))  # a list and a tuple are the same
            for values in (settings, self.settings(type(settings)))
        )
        differing = [
            f"{name} {held[name]!r} (asked for: {asked[name]!r})"
            for name in asked
            if asked[name] != held[name]
        ]
        if differing:
            raise Refusal(
                f"run: {self.folder} was started with {', '.join(differing)}; "
                f"give the same settings to go on, or choose another folder"
            )

    def _write_json(self, path: Path, values: dict) -> None:
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(values, indent=2) + "\n")

    def write_lines(self, name: str, lines: Iterable[str]) -> None:
        """Write a text file of the run, one line for each string."""
        with replacing(self.folder / name) as temporary:
            temporary.write_text("\n".join(lines), "utf-8")

    def read_lines(self, name: str) -> list[str]:
        """Read what `write_lines` wrote.

        Raises:
            Refusal: If the file is damaged.
            OSError: If it cannot be read.
        """
        try:
            return (self.folder / name).read_text("utf-8").split("\n")
        except UnicodeDecodeError as error:
            raise Refusal(f"{self.folder / name} is damaged: {error}") from error

    def write_table(self, name: str, table: pd.DataFrame) -> None:
        """Write a table of the run as CSV."""
        with replacing(self.folder / name) as temporary:
            table.to_csv(temporary, index=False)

    def write_model(self, name: str, model: keras.Model) -> None:
        """Write a model under a name of its own."""
        with replacing(self.folder / name) as temporary:
            model.save(temporary)

    def read_model(self, name: str) -> keras.Model:
        """Read what `write_model` wrote.

        Raises:
            Refusal: If the file is damaged.
            OSError: If it cannot be read.
        """
        return load_model(self.folder / name, compile=False)

    def write_metrics(self, metrics: dict) -> None:
        """Write `metrics.json`."""
        self._write_json(self.metrics_file, metrics)

    def checkpoint(self, epoch: int) -> Path:
        """Return the checkpoint file of an epoch, counted from one."""
        return self.checkpoints / f"epoch_{epoch:04d}.keras"

    def epochs_done(self) -> int:
        """Return the number of epochs up to the newest checkpoint."""
        newest = max(self.checkpoints.glob("epoch_*.keras"), default=None)
        return int(newest.stem.removeprefix("epoch_")) if newest else 0

    def history(self) -> pd.DataFrame:
        """Return what was logged for each epoch up to the newest checkpoint."""
        if not (done := self.epochs_done()):
            return pd.DataFrame()
        return pd.read_csv(self.history_file).head(done)

    def best_epoch(self) -> int:
        """Return the epoch with the lowest monitored value."""
        history = self.history()
        return int(history["epoch"][history[self.monitor].idxmin()])

    def resumed(self) -> keras.Model | None:
        """Return the model of the newest checkpoint, or None in a new run."""
        epoch = self.epochs_done()
        return load_model(self.checkpoint(epoch)) if epoch else None

    def model(self) -> keras.Model:
        """Return the model of a finished run."""
        return load_model(self.model_file)
