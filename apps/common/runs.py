"""A run: the folder that holds everything of one training.

    settings.json   what decides the run; a run is resumed with the same settings only
    checkpoints/    the model after the newest and after the best epoch, with its optimizer
    history.csv     one line for each epoch
    tensorboard/    the same for TensorBoard
    model.keras     the model of the best epoch; it exists once training has finished
    metrics.json    what `evaluate` measured
    plots/          pictures
    training.lock   locked by the process that trains, as long as it lives

A run of several networks holds a run for each of them, in a folder of its own.

A kill costs the epoch that it interrupts and nothing else: every file is written under a temporary
name and then renamed, and the history is written before its checkpoint. What processes that were
killed have left half written is removed when the training goes on.
"""

import dataclasses
import json
import os
import re
import shutil
import sys
import time
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import keras
import pandas as pd

from apps.common.files import TEMPORARY, clear_abandoned, replacing
from apps.common.json_files import check_types, read_object
from apps.common.locks import Lock, lock
from apps.common.refusal import Refusal
from apps.common.settings import RESTORE, Settings, read_settings, write_settings

# What Keras raises if the contents of an archive make no sense; h5py's errors have no number.
UNLOADABLE = (ValueError, TypeError, LookupError, AttributeError, RecursionError, OSError)
YEARS = (1980, 2107)  # of the files in an archive
EPOCH = re.compile(r"epoch_(\d+)")  # the stem of a checkpoint


@dataclass(frozen=True)
class Metrics:
    """What `evaluate` measured, as far as others than people read it."""

    split: str
    metrics: dict[str, float]
    baselines: dict[str, dict[str, float]]


def check_clock() -> None:
    """Refuse to write a model while the clock says a year that no archive can hold.

    Raises:
        Refusal: If it does, as on a machine that has forgotten the time.
    """
    year, (first, last) = time.localtime().tm_year, YEARS
    if not first <= year <= last:
        raise Refusal(
            f"the clock of this machine must say a year from {first} to {last}, since the archive "
            f"of a model has no others; it says {year}: set it and repeat the command"
        )


def load_model(path: Path, **options: Any) -> keras.Model:
    """Load a `.keras` file after checking that it is not damaged.

    Raises:
        Refusal: If the file is damaged, or holds no model that can be loaded.
        OSError: If it cannot be read.
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
    try:
        return keras.models.load_model(path, **options)
    except UNLOADABLE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = f"{type(error).__name__}: {str(error).strip():.200}"
        raise Refusal(f"{path} holds no model that can be loaded ({reason}): {RESTORE}") from error


class Run:
    """The files of a run. `begin` starts or resumes one, and `finished` opens one.

    `with Run.begin(...)` removes what it made if an error comes before the first epoch is complete,
    so that a training that is refused leaves no folder behind.
    """

    monitor = "val_loss"  # lowest in the best epoch
    made = False  # whether `begin` made the folder or found it empty
    lock: Lock | None = None  # on the folder, while this object trains

    def __init__(self, folder: Path):
        self.folder = folder
        self.settings_file = folder / "settings.json"
        self.history_file = folder / "history.csv"
        self.model_file = folder / "model.keras"
        self.metrics_file = folder / "metrics.json"
        self.lock_file = folder / "training.lock"
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
        check_clock()
        run = cls(folder)
        run._refuse_finished()
        if run._holds_no_run():
            raise Refusal(f"{folder} is not empty and holds no run; choose a new folder")
        run.made = not run.settings_file.exists()
        folder.mkdir(parents=True, exist_ok=True)
        run.lock = lock(run.lock_file)
        run._refuse_finished()  # another process may have done that in between
        clear_abandoned(folder)
        if run.any_epoch():
            run.check_same(settings)
            print(f"Run: {folder} goes on after epoch {run.epochs_done()}")
            return run
        if run.settings_file.exists() and (differing := run.differences(settings)):
            print(
                f"Run: {folder} was interrupted in its first epoch, and starts again with other "
                f"settings; before: {', '.join(differing)}"
            )
        for new in (run.checkpoints, run.plots):
            new.mkdir(exist_ok=True)
        write_settings(run.settings_file, settings)
        return run

    def _refuse_finished(self) -> None:
        if self.model_file.exists():
            clear_abandoned(self.folder)
            raise Refusal(
                f"{self.folder} holds a finished run, which is not overwritten; "
                f"choose another folder or remove this one"
            )

    def _holds_no_run(self) -> bool:
        """Return whether the folder holds something, and that is no run."""
        if self.settings_file.exists() or not self.folder.exists():
            return False
        # A kill before the settings were written leaves these.
        return any(
            path != self.lock_file and not TEMPORARY.fullmatch(path.name)
            for path in self.folder.iterdir()
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A run that is interrupted by hand stays, with what it has read and cached.
        if isinstance(error, Exception) and self.made and not self.any_epoch():
            if sys.platform == "win32":  # where an open file cannot be removed
                self.lock = None
            shutil.rmtree(self.folder)
        self.lock = None

    def any_epoch(self) -> bool:
        """Return whether this run, or one inside it, has completed an epoch."""
        return next(self.folder.rglob(f"{self.checkpoints.name}/epoch_*.keras"), None) is not None

    @classmethod
    def finished(cls, folder: Path) -> "Run":
        """Open a run that has a model: its training has finished, or has completed an epoch.

        Raises:
            Refusal: If there is none.
        """
        run = cls(folder)
        if not run.settings_file.exists():
            raise Refusal(f"run: there is no run at {folder}; make one with the train command")
        if not run.model_file.exists() and not run.epochs_done():
            raise Refusal(
                f"run: the training in {folder} has not finished an epoch; "
                f"wait, or repeat the train command that started it, to go on with it"
            )
        clear_abandoned(folder)
        return run

    def settings(self, kind: type[Settings]) -> Settings:
        """Read the settings as an instance of the dataclass `kind`.

        Raises:
            Refusal: If they are damaged, or are those of another application or a later version.
        """
        return read_settings(self.settings_file, kind)

    def check_fits(self, settings: Any, **of_model: Any) -> None:
        """Refuse settings with which the model of the run cannot be used.

        Args:
            settings: The settings of the run.
            **of_model: What fields are by the model.

        Raises:
            Refusal: If one differs.
        """
        for name, expected in of_model.items():
            if (value := getattr(settings, name)) != expected:
                raise Refusal(
                    f"{self.settings_file}: {name} must be {expected!r}, as it is in the model; "
                    f"received {value!r}: {RESTORE}"
                )

    def check_same(self, settings: Any) -> None:
        """Refuse settings that differ from those of the run.

        Raises:
            Refusal: If some differ.
        """
        if differing := self.differences(settings):
            raise Refusal(
                f"run: {self.folder} was started with {', '.join(differing)}; "
                f"give the same settings to go on, or choose another folder"
            )

    def differences(self, settings: Any) -> list[str]:
        """Return in words which settings of the run differ from these.

        Raises:
            Refusal: If those of the run are damaged, or of another application.
        """
        asked, held = (
            json.loads(json.dumps(dataclasses.asdict(values)))  # a list and a tuple are the same
            for values in (settings, self.settings(type(settings)))
        )
        return [
            f"{name} {held[name]!r} (asked for: {asked[name]!r})"
            for name in asked
            if asked[name] != held[name]
        ]

    def inside(self, name: str) -> Path:
        """Return the path of a file of the run.

        Raises:
            Refusal: If the name leads out of the folder.
        """
        if Path(name).is_absolute() or os.pardir in Path(name).parts:
            raise Refusal(f"{self.folder}: a file of a run must lie inside it; received {name!r}")
        return self.folder / name

    def write_lines(self, name: str, lines: Iterable[str]) -> None:
        """Write a text file of the run, one line for each string."""
        with replacing(self.inside(name)) as temporary:
            temporary.write_text("\n".join(lines), "utf-8")

    def read_lines(self, name: str) -> list[str]:
        """Read what `write_lines` wrote.

        Raises:
            Refusal: If the file is damaged.
            OSError: If it cannot be read.
        """
        try:
            return self.inside(name).read_text("utf-8").split("\n")
        except UnicodeDecodeError as error:
            raise Refusal(f"{self.folder / name} is damaged ({error}): {RESTORE}") from error

    def write_table(self, name: str, table: pd.DataFrame) -> None:
        """Write a table of the run as CSV."""
        with replacing(self.inside(name)) as temporary:
            table.to_csv(temporary, index=False)

    def write_model(self, name: str, model: keras.Model) -> None:
        """Write a model under a name of its own."""
        check_clock()
        with replacing(self.inside(name)) as temporary:
            model.save(temporary)

    def read_model(self, name: str) -> keras.Model:
        """Read what `write_model` wrote.

        Raises:
            Refusal: If the file is damaged.
            OSError: If it cannot be read.
        """
        return load_model(self.inside(name), compile=False)

    def write_metrics(self, metrics: dict) -> None:
        """Write `metrics.json`."""
        with replacing(self.metrics_file) as temporary:
            temporary.write_text(json.dumps(metrics, indent=2) + "\n", "utf-8")

    def metrics(self) -> Metrics | None:
        """Read `metrics.json`, if `evaluate` has written it.

        Raises:
            Refusal: If it is damaged.
            OSError: If it cannot be read.
        """
        if not self.metrics_file.exists():
            return None
        remedy = "remove it, and write it again with the evaluate command"
        values = read_object(self.metrics_file, "what evaluate measured", remedy)
        given = [values.get(field.name) for field in dataclasses.fields(Metrics)]
        return check_types(Metrics(*given), str(self.metrics_file), remedy)

    def checkpoint(self, epoch: int) -> Path:
        """Return the checkpoint file of an epoch, counted from one."""
        return self.checkpoints / f"epoch_{epoch:04d}.keras"

    def epochs_done(self) -> int:
        """Return the number of epochs up to the newest checkpoint."""
        found = (EPOCH.fullmatch(path.stem) for path in self.checkpoints.glob("epoch_*.keras"))
        return max((int(match[1]) for match in found if match), default=0)

    def history(self) -> pd.DataFrame:
        """Return what was logged for each epoch up to the newest checkpoint.

        Raises:
            Refusal: If the file is damaged.
            OSError: If it cannot be read.
        """
        if not (done := self.epochs_done()):
            return pd.DataFrame()
        try:
            history = pd.read_csv(self.history_file, float_precision="round_trip").head(done)
            numbers = history[["epoch", self.monitor]].astype(float)
        except (ValueError, KeyError) as error:
            raise self._damaged_history(str(error)) from error
        if numbers["epoch"].tolist() != list(range(1, done + 1)):
            raise self._damaged_history(f"it does not hold the epochs from 1 to {done}, in order")
        return history

    def _damaged_history(self, reason: str) -> Refusal:
        return Refusal(f"{self.history_file} is damaged ({reason:.200}): {RESTORE}")

    def best_epoch(self) -> int:
        """Return the epoch with the lowest monitored value.

        Raises:
            Refusal: If there is none, since the training has diverged.
        """
        history = self.history()
        values = history[self.monitor].astype(float)
        if values.isna().all():
            raise Refusal(
                f"run: the training in {self.folder} has diverged: {self.monitor} is no number in "
                f"any epoch; train in a new folder with a lower learning_rate"
            )
        return int(history["epoch"][values.idxmin()])

    def resumed(self) -> keras.Model | None:
        """Return the model of the newest checkpoint, or None in a new run."""
        epoch = self.epochs_done()
        return load_model(self.checkpoint(epoch)) if epoch else None

    def model(self) -> keras.Model:
        """Return the model of the best epoch, so far if the training has not finished.

        Raises:
            Refusal: If its file is damaged.
            OSError: If it cannot be read.
        """
        tried = 0
        while not self.model_file.exists():
            epoch = self.best_epoch()
            try:
                model = load_model(self.checkpoint(epoch), compile=False)
            except FileNotFoundError:
                if tried == epoch:
                    raise
                tried = epoch  # the training has found a better one in between
                continue
            print(
                f"Run: the training in {self.folder} has not finished; this is the model of epoch "
                f"{epoch}, the best of {self.epochs_done()} so far"
            )
            return model
        return load_model(self.model_file)
